/**
 * Very many users, teams and items: what a process holds of them, and whether it answers others when
 * something of them changes.
 *
 * @module
 */

import { openConnection } from "./connection.ts";
import { ALL_PATH } from "./contenders.ts";
import { whileProbed } from "./discover.ts";
import { newAccess, startGateway } from "./gateway.ts";
import { PAGE_BYTES_MAX, readListing } from "./listing.ts";
import type { Bench } from "./measure.ts";
import { processRssBytes } from "./proc.ts";
import type { Listener, Processes } from "./processes.ts";
import { plainRequestOf } from "./requests.ts";
import {
  SCALE_SERVERS,
  SCALE_USERS,
  scaleServer,
  scaleTeam,
  scaleUser,
  writeScaleData,
} from "./scale_data.ts";
import { SCALE_PATHS } from "./stub_scale.ts";
import type { Address } from "./types.ts";

/** Those who have listed everything before, and do so after each change. */
const LISTENERS = 8;
/** Most clients read no more than the first. */
const LISTED_PAGES = 3;
const SETTLE_MS = 1_000;
const QUIET_MS = 2_000;
/** Garbage of the start is collected when a process has been idle for a while. */
const IDLE_MS = 40_000;
const READ_MS_MAX = 60_000;

export interface ScalePause {
  readonly what: string;
  /** Longest answer to the smallest request meanwhile. */
  readonly pauseMs: number;
}

/** What was found. */
export interface ScaleFigures {
  /** Of a process without anything, of one that has read all of it, and after all was listed. */
  readonly emptyBytes: number;
  readonly heldBytes: number;
  readonly listedBytes: number;
  readonly pauses: readonly ScalePause[];
}

type Send = (method: string, path: string, body?: object) => Promise<void>;

export async function measureScale(
  processes: Processes,
  { stub }: Bench,
  scratchDir: string,
): Promise<ScaleFigures> {
  const access = await newAccess();
  const secret = crypto.getRandomValues(new Uint8Array(32)).toHex();
  const env = {
    ...access.env,
    AUTH_ENCRYPTION_SECRET: secret,
    EGRESS_ALLOW_PRIVATE: "127.0.0.1",
    LOG_LEVEL: "warning",
  };
  const empty = await startGateway(processes, {}, `${scratchDir}/scale-empty`, env);
  const emptyBytes = await restingBytes(empty);
  await empty.stop();
  const dataDir = `${scratchDir}/scale`;
  await Deno.mkdir(`${dataDir}/data`, { recursive: true });
  await writeScaleData(`${dataDir}/data/sallyport.db`, secret, stub.port);
  const listener = await startGateway(processes, {}, dataDir, env);
  try {
    await allRead(listener, access.token);
    const heldBytes = await restingBytes(listener);
    const pauses = await pausesOf(listener, access, stub.port);
    return { emptyBytes, heldBytes, listedBytes: await restingBytes(listener), pauses };
  } finally {
    listener.check();
    await listener.stop();
  }
}

async function restingBytes({ pid }: Listener): Promise<number> {
  await sleep(IDLE_MS);
  return processRssBytes(pid);
}

/** Every server has been read once after the start. */
async function allRead({ port }: Listener, token: string): Promise<void> {
  const headers = { Authorization: `Bearer ${token}` };
  const untilMs = performance.now() + READ_MS_MAX;
  for (;;) {
    const url = `http://127.0.0.1:${port}/api/upstreams?limit=${SCALE_SERVERS}`;
    const { items } = await (await fetch(url, { headers })).json();
    const read = items.filter(({ status }: { status: string }) => status === "connected");
    if (read.length === SCALE_SERVERS) return;
    if (performance.now() > untilMs) throw new Error(`${read.length} servers were read`);
    await sleep(100);
  }
}

async function pausesOf(
  { port }: Listener,
  { token, tokenOf }: Awaited<ReturnType<typeof newAccess>>,
  stubPort: number,
): Promise<ScalePause[]> {
  const connection = await openConnection(port, PAGE_BYTES_MAX);
  const prober = await openConnection(port, PAGE_BYTES_MAX);
  const members = await Promise.all(
    Array.from(
      { length: LISTENERS },
      (_, at) => tokenOf(scaleUser(at), { teams: [scaleTeam(at)] }),
    ),
  );
  const send: Send = async (method, path, body) => {
    const at = { port, path: `/api${path}`, token };
    const { status } = await connection.exchange(encoder.encode(plainRequestOf(method, at, body)));
    if (status >= 300) throw new Error(`${method} ${path}: status ${status}`);
  };
  const list = async () => {
    for (const member of [token, ...members]) {
      const address: Address = { port, path: ALL_PATH, token: member };
      const { count } = await readListing(connection, address, LISTED_PAGES);
      if (count === 0) throw new Error("Nothing is listed");
    }
  };
  const pauses: ScalePause[] = [];
  const health = encoder.encode(plainRequestOf("GET", { port, path: "/health", token }));
  const measure = async (what: string, act: () => Promise<void>) => {
    const { pauseMs } = await whileProbed(prober, health, act);
    pauses.push({ what, pauseMs });
  };
  try {
    await whileProbed(prober, health, () => sleep(QUIET_MS));
    await measure("nothing", () => sleep(QUIET_MS));
    await measure("all is listed for the first time", list);
    for (const [what, change] of changesOf(send, stubPort)) {
      await measure(what, async () => {
        await change();
        await list();
        await sleep(SETTLE_MS);
      });
    }
    return pauses;
  } finally {
    connection.close();
    prober.close();
  }
}

/** What can change, and how. */
function changesOf(
  send: Send,
  stubPort: number,
): readonly (readonly [string, () => Promise<unknown>])[] {
  const upstream = `/upstreams/${scaleServer(7)}`;
  const tool = `/tools/tool-${SCALE_SERVERS / 2}-1`;
  const member = `/teams/${scaleTeam(3)}/members/${scaleUser(SCALE_USERS - 1)}`;
  const everything = { tools: ["*"], resources: ["*"], naming: "verbatim" };
  return [
    ["a server offers something else", async () => {
      await fetch(`http://127.0.0.1:${stubPort}${SCALE_PATHS}7/change`);
      await send("POST", `${upstream}/refresh`);
    }],
    ["a server is called something else", () => send("PATCH", upstream, { title: "Seven" })],
    [
      "a server is one team's",
      () => send("PATCH", upstream, { visibility: "team", teamId: scaleTeam(1) }),
    ],
    ["a tool is described differently", () => send("PATCH", tool, { description: "New" })],
    ["a tool has another name", () => send("PATCH", tool, { name: "renamed" })],
    [
      "a tool is one team's",
      () => send("PATCH", tool, { visibility: "team", teamId: scaleTeam(2) }),
    ],
    [
      "a server of all items is made",
      () => send("POST", "/servers", { name: "all", ...everything }),
    ],
    ["a server is added", () => {
      const url = `http://127.0.0.1:${stubPort}${SCALE_PATHS}${SCALE_SERVERS}/mcp`;
      return send("POST", "/upstreams", { name: "added", url });
    }],
    ["a server is removed", () => send("DELETE", `/upstreams/${scaleServer(9)}`)],
    ["a user is added", () => send("POST", "/users", { email: "new@example.com" })],
    ["somebody joins a team", () => send("PUT", member, { role: "member" })],
    ["somebody leaves it", () => send("DELETE", member)],
    ["a team is made", () => send("POST", "/teams", { name: "new" })],
    ["a team is removed", () => send("DELETE", "/teams/new")],
  ];
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const encoder = new TextEncoder();
