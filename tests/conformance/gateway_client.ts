/**
 * Reference client behind a gateway.
 *
 * @module
 */
import { playBehind } from "./client_behind.ts";
import { startGateway } from "./gateway.ts";

if (import.meta.main) await playBehind(startGateway);
