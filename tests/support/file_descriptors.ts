/**
 * How many files and sockets another process holds open.
 *
 * @module
 */
import { until } from "./until.ts";

/** Linux only. */
export async function openDescriptors(pid: number): Promise<number> {
  const entries = await Array.fromAsync(Deno.readDir(`/proc/${pid}/fd`));
  return entries.length;
}

/** Those of them that are sockets. Linux only. */
export async function openSockets(pid: number): Promise<number> {
  const entries = await Array.fromAsync(Deno.readDir(`/proc/${pid}/fd`));
  // One may have been closed since.
  const targets = await Promise.all(
    entries.map(({ name }) => Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "")),
  );
  return targets.filter((target) => target.startsWith("socket:")).length;
}

/**
 * Waits until a process holds no more than it did: kept connections may idle for some seconds.
 *
 * @param base what it held before
 */
export async function descriptorsBack(pid: number, base: number): Promise<void> {
  let last = base;
  const isBack = async () => (last = await openDescriptors(pid)) <= base;
  await until("file descriptors are back", isBack, 40_000).catch((cause) => {
    throw new Error(`${last} descriptors are open, ${base} before`, { cause });
  });
}
