/**
 * The HTTP API behind the gateway's own tools: answers each by its path, and counts.
 *
 * @module
 */
import type { Api } from "../support/api_client.ts";
import { REPLIES, TRIGGERS } from "./own_items.ts";

export interface OwnApi extends AsyncDisposable {
  readonly url: string;
  /** Requests so far, by the name of the tool. */
  readonly counts: ReadonlyMap<string, number>;
}

/** @param api of the gateway, where triggers show and hide what comes and goes */
export function startOwnApi(api: Api): OwnApi {
  const counts = new Map<string, number>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const tool = new URL(request.url).pathname.slice(1);
      counts.set(tool, (counts.get(tool) ?? 0) + 1);
      const body = await request.text();
      if (isTrigger(tool)) return await toggled(api, TRIGGERS[tool]);
      const reply = Object.hasOwn(REPLIES, tool) ? REPLIES[tool] : undefined;
      return reply?.(body) ?? new Response("There is no such operation", { status: 404 });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    counts,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

type Trigger = keyof typeof TRIGGERS;

function isTrigger(tool: string): tool is Trigger {
  return Object.hasOwn(TRIGGERS, tool);
}

async function toggled(
  api: Api,
  { plural, name }: typeof TRIGGERS[Trigger],
): Promise<Response> {
  const { id, enabled } = (await api.all(`/${plural}`)).find((item) => item.name === name);
  await api.must("PATCH", `/${plural}/${id}`, { enabled: !enabled });
  return new Response(`Now it is ${enabled ? "hidden" : "there"}`);
}
