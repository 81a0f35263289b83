/**
 * A canary in every place where a gateway is given a secret, and a tour of everything that it does:
 * afterwards none of them is in what it wrote, answered or kept, in whatever form.
 *
 * What a server answers as a JSON-RPC message is its own word and is passed on as it is; here
 * servers tell in every other way.
 *
 * @module
 * @see security.md, SEC-05, SESS-13, AUTHN-08
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { freePort } from "../support/free_port.ts";
import { callModern } from "../support/modern.ts";
import { type Gateway, NEVER_HOLDS_BACK, startGateway } from "../support/processes.ts";
import { runProgram, startProgram } from "../support/program.ts";
import { until } from "../support/until.ts";
import { headerOf, type RawReply, requestTo, sendRaw } from "../support/raw_http.ts";
import { callSession, initialize } from "../support/session_client.ts";
import { mintToken } from "../support/tokens.ts";
import { canariesIn, canary } from "./canary_forms.ts";
import { startTattler, type Tattler, TELLING, TOKEN_TELLING } from "./canary_upstream.ts";

/** What the gateway itself is given. */
const GIVEN = {
  JWT_SECRET_KEY: canary("jwt-key"),
  AUTH_ENCRYPTION_SECRET: canary("encryption-key"),
  AUTH_ENCRYPTION_SECRET_PREVIOUS: canary("previous-key"),
  PROXY_SECRET: canary("proxy-secret"),
};
/** What the config file takes from the environment. */
const TAKEN = {
  CANARY_HEADER: canary("env-header"),
  CANARY_URL: canary("env-url"),
  CANARY_TOKEN: canary("env-token"),
  CANARY_STDIO: canary("env-stdio"),
};
/** What it presents to servers: of the file, of the API, and what a token endpoint gives it. */
const PRESENTED = {
  file: secretsOf("file"),
  api: secretsOf("api"),
  issued: canary("issued-token"),
  passphrase: canary("passphrase"),
};
/** What callers present that is no good. */
const BAD = {
  bearer: canary("bad-bearer"),
  apiToken: `spt_${canary("bad-api-token")}`,
  basic: canary("bad-basic"),
  proxySecret: canary("bad-proxy-secret"),
  cookie: canary("cookie"),
  query: canary("query-token"),
  session: canary("bad-session"),
  event: canary("bad-event"),
  passphrase: canary("bad-passphrase"),
};

interface Secrets {
  readonly bearer: string;
  readonly basic: string;
  readonly header: string;
  readonly client: string;
  readonly extra: string;
}

function secretsOf(where: string): Secrets {
  const of = (what: string) => canary(`${where}-${what}`);
  return {
    bearer: of("bearer"),
    basic: of("basic"),
    header: of("header"),
    client: of("client"),
    extra: of("extra"),
  };
}

interface Story {
  /** Heads and bodies of all replies, but for what they were asked for. */
  readonly heard: string;
  readonly stdout: string;
  readonly stderr: string;
  /** What a server was sent that is not its own. */
  readonly upstream: string;
  /** All files of the data directory. */
  readonly kept: string;
  /** What good callers presented and were given. */
  readonly callers: Readonly<Record<string, string>>;
}

let story: Story;

Deno.test.beforeAll(async () => {
  story = await play();
});

function allSecrets(): Record<string, string> {
  const { file, api, issued } = PRESENTED;
  const named = (where: string, of: object) =>
    Object.entries(of).map(([name, secret]) => [`${where} ${name}`, String(secret)]);
  return Object.fromEntries([
    ...Object.entries({ ...GIVEN, ...TAKEN, ...story.callers, issued }),
    ...named("file", file),
    ...named("api", api),
    ...named("bad", BAD),
  ]);
}

for (
  const [where, textOf] of Object.entries<(story: Story) => string>({
    "log, at debug": ({ stderr }) => stderr,
    "standard output": ({ stdout }) => stdout,
    "answer": ({ heard }) => heard,
    "file of the data directory": ({ kept }) => kept,
  })
) {
  Deno.test(`SEC-05, SESS-13: no secret is in any ${where}`, () => {
    const text = textOf(story);
    assert(text.length > 0);
    assertEquals(canariesIn(text, allSecrets()), []);
  });
}

Deno.test("AUTHN-08: what callers present to the gateway reaches no server", () => {
  const { upstream, callers } = story;
  assert(upstream.includes(PRESENTED.issued), "the servers were not reached");
  assertEquals(canariesIn(upstream, { ...GIVEN, ...callers, ...BAD }), []);
});

Deno.test("the password of a database that cannot be reached is in no line", async () => {
  const password = canary("database");
  const url = `postgres://somebody:${encodeURIComponent(password)}@127.0.0.1:${freePort()}/none`;
  const said: string[] = [];
  const env = { ...GIVEN, TRUST_PROXY_AUTH: "true", TRUSTED_PROXIES: "::1", DATABASE_URL: url };
  for (const command of ["doctor", "migrate"]) {
    const { stdout, stderr } = await runProgram([command, "--port", "0"], { env });
    said.push(stdout, stderr);
  }
  // It waits for its database.
  await using gateway = startProgram(["serve", "--port", "0"], { env });
  await until("a word of the database", () => gateway.stderr().includes("127.0.0.1"));
  said.push(gateway.stdout(), gateway.stderr());
  assert(said.join("").includes("127.0.0.1"), "nothing was said of the database");
  assertEquals(canariesIn(said.join("\n"), { password, ...GIVEN }), []);
});

// ── The tour ────────────────────────────────────────────────────────────────────────────────────

interface Tour {
  readonly gateway: Gateway;
  readonly origin: string;
  /** Keeps a reply, but for one occurrence of what was asked for. */
  readonly hear: <R extends RawReply>(reply: R, asked?: string) => R;
  readonly admin: string;
  readonly user: string;
}

async function play(): Promise<Story> {
  await using tattler = startTattler(PRESENTED.issued);
  await using gateway = await startGateway({
    config: {
      mcpServers: {
        ...Object.fromEntries(serversOf("file", tattler.origin, PRESENTED.file)),
        "env": {
          url: `${tattler.origin}/fails/\${CANARY_URL}/mcp?key=\${CANARY_URL}`,
          headers: { "X-Env": "${CANARY_HEADER}", "Authorization": "Bearer ${CANARY_TOKEN}" },
          passthroughHeaders: ["X-Passed"],
        },
        "env-stdio": {
          command: "sh",
          args: ["-c", 'echo "the key is $KEY" >&2; exit 3'],
          env: { KEY: "${CANARY_STDIO}" },
        },
      },
    },
    env: {
      ...GIVEN,
      ...TAKEN,
      ...NEVER_HOLDS_BACK,
      LOG_LEVEL: "debug",
      TRUST_PROXY_AUTH: "true",
      TRUSTED_PROXIES: "127.0.0.1",
      EGRESS_ALLOW_PRIVATE: "127.0.0.0/8",
      JSON_RESPONSE_ENABLED: "false",
      SHUTDOWN_GRACE: "1s",
    },
  });
  const texts: string[] = [];
  const secret = GIVEN.JWT_SECRET_KEY;
  const tour: Tour = {
    gateway,
    origin: gateway.origin,
    hear(reply, asked = "") {
      texts.push(`${reply.head}\n${reply.text}`.replace(asked, ""));
      return reply;
    },
    admin: await mintToken({ sub: "root@example.com", is_admin: true }, { secret }),
    user: await mintToken({ sub: "alice@example.com" }, { secret }),
  };
  await manage(tour, tattler);
  const apiToken = await apiTokenOf(tour);
  const session = await callEverything(tour);
  await tryEveryRoute(tour, apiToken);
  await tryBadCredentials(tour);
  const { code } = await gateway.stop();
  assertEquals(code, 0);
  return {
    heard: texts.join("\n"),
    stdout: gateway.stdout(),
    stderr: gateway.stderr(),
    upstream: [...tattler.seen.values()].join("\n"),
    kept: await filesIn(gateway.dataDir),
    callers: {
      admin: tour.admin,
      "signature of the administrator's token": tour.admin.split(".")[2]!,
      user: tour.user,
      apiToken,
      session,
    },
  };
}

/** A server for every way of telling and every way of presenting something. */
function serversOf(
  where: string,
  origin: string,
  { bearer, basic, header, client, extra }: Secrets,
): [name: string, entry: Record<string, unknown>][] {
  const oauth = (tokenUrl: string) => {
    return { type: "oauth_client_credentials", tokenUrl, clientId: "id", clientSecret: client };
  };
  const auths = {
    bearer: { type: "bearer", token: bearer },
    basic: { type: "basic", username: "u", password: basic },
    header: { type: "header", name: "X-Key", value: header },
    oauth: oauth(`${origin}/token`),
  };
  const ways = ["behaves", ...TELLING];
  const servers = ways.flatMap((way) =>
    Object.entries(auths).map(([kind, auth]) => [`${way}-${kind}`, `/${way}/mcp`, auth] as const)
  );
  const nobody = `http://127.0.0.1:${freePort()}/token`;
  const tokenless = [...TOKEN_TELLING.map((way) => `${origin}/${way}`), nobody]
    .map((url, i) => [`token-${i}`, "/behaves/mcp", oauth(url)] as const);
  return [...servers, ...tokenless].map(([name, path, auth]) => [
    `${where}-${name}`,
    { url: `${origin}${path}`, type: "http", headers: { "X-Extra": extra }, auth },
  ]);
}

interface Asking {
  readonly body?: unknown;
  /** An administrator's unless given; empty for none. */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function ask(tour: Tour, verb: string, path: string, asking: Asking = {}): Promise<RawReply> {
  const { body, token = tour.admin, headers = {} } = asking;
  const bytes = requestTo(tour.origin, {
    verb,
    path,
    token: token === "" ? undefined : token,
    headers,
    ...body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) },
  });
  return await sendRaw(tour.origin, bytes, { hasBody: verb !== "HEAD", deadlineMs: 30_000 });
}

/** Makes servers, tries them out, changes them and reads them, all of them with secrets. */
async function manage(tour: Tour, tattler: Tattler): Promise<void> {
  const told = async (...asking: Parameters<typeof ask> extends [Tour, ...infer R] ? R : never) =>
    tour.hear(await ask(tour, ...asking));
  const servers = serversOf("api", tattler.origin, PRESENTED.api);
  await inTurns(servers, async ([name, entry]) => {
    const body = { name, ...entry };
    const { status, text } = await told("POST", "/api/upstreams", { body });
    assertEquals(status, 201, text);
    await told("POST", "/api/upstreams", { body });
    await told("POST", "/api/upstreams/test", { body: { ...body, name: `${name}-again` } });
    await told("POST", `/api/upstreams/${name}/refresh`);
    await told("PATCH", `/api/upstreams/${name}`, { body: { auth: entry.auth, title: "t" } });
    await told("GET", `/api/upstreams/${name}`);
    // What is wrong in a request is said without repeating it.
    const wrong = {
      ...body,
      auth: { ...entry.auth as object, token: { [PRESENTED.api.extra]: 1 } },
    };
    if (name.endsWith("-basic")) await told("POST", "/api/upstreams", { body: wrong });
  });
  const sealing = { passphrase: PRESENTED.passphrase };
  const document = JSON.parse((await told("POST", "/api/export", { body: sealing })).text);
  await told("POST", "/api/import", { body: { document, ...sealing, strategy: "update" } });
  await told("POST", "/api/import", { body: { document, passphrase: BAD.passphrase } });
}

async function apiTokenOf(tour: Tour): Promise<string> {
  const body = { name: "ci", teams: "*" };
  const reply = await ask(tour, "POST", "/api/tokens", { body, token: tour.user });
  const { token } = JSON.parse(reply.text);
  tour.hear(reply, token);
  return token;
}

/** Speaks to every server in both eras. @returns the id of a session */
async function callEverything(tour: Tour): Promise<string> {
  const { origin, user: token } = tour;
  const { items } = JSON.parse((await ask(tour, "GET", "/api/upstreams?limit=500")).text);
  const paths = items.map(({ slug }: { slug: string }) => `/servers/${slug}/mcp`);
  let id = "";
  await inTurns(["/mcp", ...paths], async (path) => {
    const headers = { "X-Passed": "passed on" };
    const params = { name: "t", arguments: {} };
    for (const method of ["tools/call", "tools/list"]) {
      tour.hear(await callModern(origin, { path, token, method, params, headers }));
    }
    const reply = await initialize(origin, { path, token });
    const session = headerOf(reply, "mcp-session-id");
    tour.hear(reply, session);
    if (session === undefined) return;
    id = session;
    const inside = { path, token, headers: { "Mcp-Session-Id": session } };
    for (const method of ["tools/call", "prompts/get", "no/such"]) {
      tour.hear(await callSession(origin, { ...inside, method, params }));
    }
    tour.hear(await callSession(origin, { ...inside, token: BAD.bearer }));
  });
  return id;
}

/** Every route with every verb, as everybody. */
async function tryEveryRoute(tour: Tour, apiToken: string): Promise<void> {
  const document = tour.hear(await ask(tour, "GET", "/api/openapi.json"));
  const paths = [
    ...Object.keys(JSON.parse(document.text).paths),
    ...["/", "/mcp", "/servers/none/mcp", "/servers/file-fails-basic/mcp", "/sse", "/message"],
    ...["/health", "/ready", "/version", "/metrics", "/admin", "/api", "/api/none"],
    "/.well-known/oauth-protected-resource",
  ].map((path) => path.replaceAll(/\{\w+\}/g, "none"));
  const tokens = [tour.admin, tour.user, apiToken, BAD.bearer, ""];
  const bodies = ["", "{}", `{"name":"${PRESENTED.api.extra}`, "[]", '{"auth":7}'];
  await inTurns(paths, async (path) => {
    for (const verb of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]) {
      for (const token of tokens) {
        const takesBody = ["POST", "PUT", "PATCH"].includes(verb);
        for (const body of takesBody ? bodies : [undefined]) {
          const isStream = verb === "GET" && path.endsWith("/sse");
          if (isStream && token !== "" && token !== BAD.bearer) continue;
          tour.hear(await ask(tour, verb, path, { token, ...body !== undefined && { body } }));
        }
      }
    }
  });
}

async function tryBadCredentials(tour: Tour): Promise<void> {
  const user = { "X-Authenticated-User": "alice@example.com" };
  const tries: readonly Asking[] = [
    { token: BAD.apiToken },
    { token: "", headers: { Authorization: `Basic ${btoa(`u:${BAD.basic}`)}` } },
    { token: "", headers: { Authorization: BAD.bearer } },
    { token: "", headers: { ...user, "X-Proxy-Secret": BAD.proxySecret } },
    { token: "", headers: { ...user, "X-Proxy-Secret": GIVEN.PROXY_SECRET } },
    { headers: { "X-Proxy-Secret": GIVEN.PROXY_SECRET, "Cookie": `session=${BAD.cookie}` } },
    { headers: { "Mcp-Session-Id": BAD.session, "Accept": "text/event-stream" } },
    { headers: { "Mcp-Session-Id": BAD.session, "Last-Event-ID": BAD.event } },
    { headers: { "Authorization": `Bearer ${tour.user}, Bearer ${BAD.bearer}` }, token: "" },
    { token: `${tour.user}x` },
  ];
  for (const asking of tries) {
    for (const path of ["/mcp", "/api/upstreams", "/servers/file-fails-basic/mcp"]) {
      for (const verb of ["GET", "POST"]) {
        tour.hear(await ask(tour, verb, path, { ...asking, body: "{}" }));
      }
      const query = `?access_token=${encodeURIComponent(BAD.query)}`;
      tour.hear(await ask(tour, "GET", `${path}${query}`, asking));
    }
  }
}

async function filesIn(dir: string): Promise<string> {
  const texts: string[] = [];
  for await (const { name, isFile } of Deno.readDir(dir)) {
    if (!isFile) continue;
    texts.push(new TextDecoder("latin1").decode(await Deno.readFile(`${dir}/${name}`)));
  }
  return texts.join("\n");
}

async function inTurns<T>(all: readonly T[], visit: (one: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < all.length; from += 10) {
    await Promise.all(all.slice(from, from + 10).map(visit));
  }
}
