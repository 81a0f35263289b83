/**
 * Reference client behind three gateways and their balancer.
 *
 * @module
 */
import { playBehind } from "./client_behind.ts";
import { startReplicas } from "./replicas.ts";

if (import.meta.main) await playBehind(startReplicas);
