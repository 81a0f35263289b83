/**
 * A network of a gateway's own, whose only way to the test can be cut: nothing arrives any more in
 * either direction, no end and no reset, as when a client's machine is gone.
 *
 * Linux, for root, with `ip`; elsewhere these tests are skipped.
 *
 * @module
 */
export interface OwnNetwork extends AsyncDisposable {
  /** Of whatever runs there. */
  readonly address: string;
  /** For `before` of a program: starts it there. */
  readonly enter: string;
  readonly cut: () => Promise<void>;
}

/**
 * @param retries how often TCP says again what is not acknowledged, each time after twice the time
 */
export async function openNetwork(retries: number): Promise<OwnNetwork> {
  const name = `sp${Deno.pid}`;
  const third = Deno.pid % 250;
  const [own, there] = [`10.213.${third}.1`, `10.213.${third}.2`];
  const inside = ["netns", "exec", name];
  await ip("netns", "add", name);
  await ip("link", "add", `${name}a`, "type", "veth", "peer", "name", `${name}b`, "netns", name);
  await ip("addr", "add", `${own}/30`, "dev", `${name}a`);
  await ip("link", "set", `${name}a`, "up");
  await ip(...inside, "ip", "addr", "add", `${there}/30`, "dev", `${name}b`);
  await ip(...inside, "ip", "link", "set", `${name}b`, "up");
  await ip(...inside, "ip", "link", "set", "lo", "up");
  await ip(...inside, "sysctl", "-qw", `net.ipv4.tcp_retries2=${retries}`);
  return {
    address: there,
    enter: `set -- ip netns exec ${name} "$@"`,
    cut: () => ip("link", "set", `${name}a`, "down"),
    [Symbol.asyncDispose]: () => ip("netns", "del", name),
  };
}

/** @throws {Error} with what it says */
async function ip(...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args: [...args] }).output();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Whether there can be one here. */
export const HAS_NETWORKS: boolean = await (async () => {
  const name = `sp-probe-${Deno.pid}`;
  try {
    await ip("netns", "add", name);
    await ip("netns", "del", name);
    return true;
  } catch {
    return false;
  }
})();
