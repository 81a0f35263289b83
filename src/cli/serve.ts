/**
 * `sallyport serve`: listens until a signal, then lets running calls finish.
 *
 * @module
 */
import { type App, createApp, gatewayIssuer, type Platform } from "../app.ts";
import { issueToken } from "../auth/issue_token.ts";
import type { GatewayKeys } from "../auth/issuers.ts";
import { type Config, drainMsOf, eventStoreOf } from "../config/load.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import type { ServeInfo } from "../http/caller.ts";
import { ClientCut } from "../http/sse_writer.ts";
import { makePrivate, openDataDir, sessionsFile } from "../platform/data_dir.ts";
import { environmentForPrograms } from "../platform/process.ts";
import { IN_MEMORY } from "../storage/database_url.ts";
import { createLog, type Log } from "../telemetry/log.ts";
import { configFrom, parseOptions } from "./args.ts";
import { databasePlace, explained } from "./database_place.ts";
import { warnings } from "./doctor.ts";
import { encryptionSecretOf } from "./encryption_secret.ts";
import { loadGatewayKeys } from "./gateway_keys.ts";
import { watchConfig } from "./reload.ts";

export async function serve(args: readonly string[]): Promise<number> {
  const config = configFrom(parseOptions(args, {}));
  const log = createLog({
    level: config.logLevel,
    format: config.logFormat ?? (Deno.stderr.isTerminal() ? "text" : "json"),
    write: writeStderr,
  });
  await openDataDir(config.dataDir);
  const database = await databasePlace(config);
  if (
    eventStoreOf(config) !== "redis" && (database.kind !== "sqlite" || database.path !== IN_MEMORY)
  ) {
    await makePrivate(sessionsFile(config.dataDir));
  }
  const jwtKeys = await loadGatewayKeys(config);
  const encryptionSecret = await encryptionSecretOf(config);
  const { stopped, stop: stopFor } = signals(log);
  outliveMistakes(log);
  let reason: string | undefined;
  const giveUp = (why: string) => {
    reason ??= why;
    stopFor("none");
  };
  const kept = { jwtKeys, encryptionSecret, database, giveUp };
  const opening = listen(config, systemClock, log, kept);
  const opened = await Promise.race([opening, stopped]);
  const end = () => {
    if (reason !== undefined) throw new Error(reason);
    return 0;
  };
  // Nothing has begun.
  if (typeof opened === "string") return end();
  const { server, app, url } = opened;
  for (const note of [...config.notes, ...warnings(config)]) log.warning(note);
  const first = Promise.race([app.started, stopped]);
  if (await Promise.race([app.isFirstStart(), stopped]) === true) await greet(config, jwtKeys, url);
  await first;
  const watch = watchConfig({
    config,
    log,
    onChange: app.declare,
    onHangup: () => stopFor("SIGHUP"),
  });
  // Not before SIGHUP has a listener: without one it ends the process.
  console.log(`Listening on ${url}`);

  const signal = await stopped;
  watch.stop();
  await stop(config, app, server, signal === "SIGTERM" ? drainMsOf(config) : 0);
  return end();
}

type Kept = Pick<Platform, "jwtKeys" | "encryptionSecret" | "database" | "giveUp">;

/** Requests that come before everything is there are told so. */
async function listen(config: Config, clock: Clock, log: Log, kept: Kept) {
  const there: { app?: App } = {};
  let isWaiting = false;
  const server = bind(
    config,
    log,
    (request, info) => there.app?.fetch(request, info) ?? starting(request, isWaiting),
  );
  const { hostname, port } = server.addr as Deno.NetAddr;
  const listener = { hostname: config.host, port, secure: false };
  // The launcher allows these variables only where there is a program to be given them.
  const mayRun = Deno.permissions.querySync({ name: "env", variable: "PATH" }).state === "granted";
  const processEnv = mayRun ? environmentForPrograms() : {};
  const app = there.app = await createApp(config, {
    clock,
    log,
    listener,
    processEnv,
    noteDatabase: (isAway) => void (isWaiting = isAway),
    ...kept,
  }).catch((error) => {
    throw explained(config, error);
  });
  const name = hostname.includes(":") ? `[${hostname}]` : hostname;
  return { server, app, url: `http://${name}:${port}` };
}

/** It can take as long as the database is away; whoever asks whether the process lives is told. */
function starting(request: Request, isWaiting: boolean): Response {
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
  if (new URL(request.url).pathname === "/health") {
    return new Response('{"status":"ok"}', { headers });
  }
  const reasons = ["starting", ...isWaiting ? ["database"] : []];
  return new Response(JSON.stringify({ status: "not ready", reasons }), {
    status: 503,
    headers: { ...headers, "Retry-After": "1" },
  });
}

/** @throws {Error} naming the setting when the address cannot be listened on */
function bind(config: Config, log: Log, handler: App["fetch"]): Deno.HttpServer {
  const isFirstFrom = createConnections();
  try {
    return Deno.serve({
      hostname: config.host,
      port: config.port,
      onListen: () => {},
      onError(error) {
        if (error instanceof ClientCut) log.info("A client was cut off: it did not keep up");
        else log.error("A handler failed", { error });
        return new Response(null, { status: 500 });
      },
    }, (request, info) => {
      return handler(request, new RequestInfo(info, isFirstFrom(info.remoteAddr.port)));
    });
  } catch (cause) {
    const address = `${config.host}:${config.port}`;
    const hint = cause instanceof Deno.errors.AddrInUse
      ? "PORT is in use; choose another with --port, or 0 for a free one"
      : `${(cause as Error).message}; check HOST and PORT`;
    throw new Error(`Cannot listen on ${address}: ${hint}`, { cause });
  }
}

/** The port of a client whose connection was idle for so long is most likely another client's. */
const KEPT_MS = 5 * 60_000;

/**
 * The runtime does not say which requests come over one connection. They have the port of the client
 * in common; two clients at different addresses may have it too, and are taken for one.
 */
function createConnections(): (port: number) => boolean {
  const usedMs = new Float64Array(65_536).fill(-Infinity);
  return (port) => {
    const nowMs = performance.now();
    const isFirst = nowMs - usedMs[port]! > KEPT_MS;
    usedMs[port] = nowMs;
    return isFirst;
  };
}

/** The others are made when they are asked for: few requests need the address. */
class RequestInfo implements ServeInfo {
  readonly isFirst: boolean;
  readonly #info: Deno.ServeHandlerInfo<Deno.NetAddr>;

  constructor(info: Deno.ServeHandlerInfo<Deno.NetAddr>, isFirst: boolean) {
    this.#info = info;
    this.isFirst = isFirst;
  }

  get completed() {
    return this.#info.completed;
  }

  get peer() {
    return this.#info.remoteAddr.hostname;
  }
}

/**
 * Ctrl-C reaches every process of the terminal's group, and some of them pass it on: what comes
 * this soon after is the same Ctrl-C.
 */
const SAME_INTERRUPT_MS = 300;

interface Stopping {
  /** Resolves with the first signal. */
  readonly stopped: Promise<string>;
  /** As if this signal had come, without ending the process at once when it is the second. */
  readonly stop: (signal: string) => void;
}

/** A second SIGTERM or SIGINT ends the process at once. */
function signals(log: Log): Stopping {
  const { promise: stopped, resolve } = Promise.withResolvers<string>();
  let first: { readonly signal: string; readonly atMs: number } | undefined;
  const stop = (signal: string) => {
    if (first !== undefined) return;
    first = { signal, atMs: performance.now() };
    log.info("Stopping", { signal });
    resolve(signal);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => {
      if (first === undefined) return stop(signal);
      const isEcho = signal === "SIGINT" && first.signal === "SIGINT";
      if (!isEcho || performance.now() - first.atMs >= SAME_INTERRUPT_MS) Deno.exit(1);
    });
  }
  return { stopped, stop };
}

/** A mistake in the work for one client must not end the work for all others. */
function outliveMistakes(log: Log): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("A failure was handled by nobody", { error: event.reason });
  });
}

async function stop(
  config: Config,
  app: App,
  server: Deno.HttpServer,
  drainMs: number,
): Promise<void> {
  app.drain();
  await delay(drainMs);
  // Shutdown waits for open streams too, so those that have no end of their own are ended first.
  app.finish();
  const finished = server.shutdown();
  await Promise.race([finished, delay(config.shutdownMs)]);
  app.abandon();
  await Promise.race([finished, delay(LAST_WORDS_MS)]);
  await app.close();
}

/** For what `abandon` makes the last streams say. */
const LAST_WORDS_MS = 500;

function delay(ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => {
    Deno.unrefTimer(setTimeout(resolve, ms));
  });
}

const BOOTSTRAP_TOKEN_MS = 30 * 86_400_000;

/** Said once, on standard error and never into the log: the token opens everything. */
async function greet(config: Config, jwtKeys: GatewayKeys, url: string): Promise<void> {
  if (jwtKeys.sign === undefined) {
    writeStderr(
      "\nFirst start. There is no JWT_PRIVATE_KEY_PATH, so no administrator token was made:\n" +
        "have one made with the claim is_admin.\n\n",
    );
    return;
  }
  const bootstrap = await issueToken(systemClock, gatewayIssuer(config, jwtKeys), {
    subject: "admin@localhost",
    expiresInMs: BOOTSTRAP_TOKEN_MS,
    isAdmin: true,
    teams: undefined,
    permissions: undefined,
    serverId: undefined,
  });
  const base = config.publicUrl ?? url.replace(/\/\/(?:0\.0\.0\.0|\[::\])/, "//localhost");
  const mcpServers = {
    sallyport: {
      type: "http",
      url: `${base}/mcp`,
      headers: { Authorization: `Bearer ${bootstrap}` },
    },
  };
  writeStderr(`
First start. Administrator token, valid for 30 days, not shown again:

${bootstrap}

Client configuration:

${JSON.stringify({ mcpServers }, undefined, 2)}

`);
}

const encoder = new TextEncoder();

function writeStderr(text: string): void {
  const bytes = encoder.encode(text);
  for (let sent = 0; sent < bytes.length;) sent += Deno.stderr.writeSync(bytes.subarray(sent));
}
