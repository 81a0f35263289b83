/**
 * Readings from Linux's `/proc`: CPU time, memory and open files of a process, CPU time of the machine.
 *
 * @module
 */

/** Linux reports CPU time to user space in hundredths of a second, whatever the kernel's own tick. */
const TICK_US = 10_000;

/** CPU time used by all of the machine's cores since it started. */
export interface MachineCpu {
  /** Time spent in programs and, on their behalf, in the kernel; interrupts are not included. */
  readonly workUs: number;
  /** Time that the host gave to other guests although this machine wanted it. */
  readonly stealUs: number;
}

/** User and system time of a process and all of its threads, ended ones included. */
export function processCpuUs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The second field is the program's name and may itself hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** Resident memory of a process. */
export function processRssBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? NaN) * 1024;
}

/** What a process holds at one moment. */
export interface Holding {
  readonly rssBytes: number;
  readonly openFiles: number;
}

export function holdingOf(pid: number): Holding {
  return { rssBytes: processRssBytes(pid), openFiles: openFiles(pid) };
}

/** Number of files, sockets and pipes that a process holds open. */
function openFiles(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** CPU time of the whole machine. */
export function machineCpu(): MachineCpu {
  const line = Deno.readTextFileSync("/proc/stat").split("\n", 1)[0] ?? "";
  const [user, nice, system, , , , , steal] = line.split(/\s+/).slice(1).map(Number);
  return {
    workUs: ((user ?? 0) + (nice ?? 0) + (system ?? 0)) * TICK_US,
    stealUs: (steal ?? 0) * TICK_US,
  };
}

/** The processor's name as it gives it itself. */
export function cpuModel(): string {
  const info = Deno.readTextFileSync("/proc/cpuinfo");
  return /^model name\s*:\s*(.+)$/m.exec(info)?.[1] ?? "unknown";
}
