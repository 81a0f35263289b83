/**
 * For `--preload`: the wall clock of a gateway is as far off as the file says that `CLOCK_FILE` names,
 * in milliseconds. Other clocks stay as they are.
 *
 * @module
 */
const LOOK_MS = 50;

const path = Deno.env.get("CLOCK_FILE")!;
const now = Date.now;
let offMs = 0;

function look(): void {
  offMs = Number(Deno.readTextFileSync(path));
}

look();
Deno.unrefTimer(setInterval(look, LOOK_MS));
Date.now = () => now() + offMs;
