/**
 * What every part of the program is built from.
 *
 * @module
 */
import type { GatewayKeys } from "../auth/issuers.ts";
import type { Config } from "../config/load.ts";
import { ClientLeft, Draining } from "../mcp/failure.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import type { Clock } from "../platform/clock.ts";
import type { Pace } from "../platform/pace.ts";
import { createSecretBox } from "../platform/secret_box.ts";
import type { Timers } from "../platform/timers.ts";
import type { DatabasePlace } from "../storage/database.ts";
import type { Log } from "../telemetry/log.ts";
import type { RedisSide } from "./redis_side.ts";

export interface Platform {
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: { readonly hostname: string; readonly port: number; readonly secure: boolean };
  readonly database: DatabasePlace;
  /** Told when the database goes away, and when it is back: at the start there is nobody to ask. */
  readonly noteDatabase: (isAway: boolean) => void;
  /** Ends the process with this error: it must not go on. */
  readonly giveUp: (reason: string) => void;
  /** Keys of the gateway's own tokens. */
  readonly jwtKeys: GatewayKeys;
  /** `AUTH_ENCRYPTION_SECRET`, given or generated. */
  readonly encryptionSecret: string;
  /** What every stdio server's process is given besides what its entry lists. */
  readonly processEnv: Readonly<Record<string, string>>;
}

/** What everything is built from. */
export interface Base {
  readonly config: Config;
  readonly platform: Platform;
  readonly timers: Timers;
  readonly budget: ByteBudget;
  /** Of all long computations together. */
  readonly pace: Pace;
  /** With other replicas. */
  readonly shared: RedisSide;
}

/** Seals for one purpose, see `SecretBox`. */
export function box({ encryptionSecret }: Platform, purpose: string) {
  return createSecretBox(encryptionSecret, purpose);
}

/** That a client has left is no fault of anybody's. */
export function logAt(log: Log, error: unknown) {
  return error instanceof ClientLeft || error instanceof Draining ? log.debug : log.warning;
}
