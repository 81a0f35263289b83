/**
 * IP addresses as numbers: read in their canonical spelling, compared with blocks, and sorted by
 * who can be reached at them.
 *
 * An IPv4 address inside an IPv6 one counts as well: what looks like a far host may be a tunnel or
 * a translator that ends in front of the own door.
 *
 * @module
 * @see IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190)
 */

/** `::ffff:192.0.2.1` is the IPv4 address: the system connects to it as such. */
export interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** All addresses that begin with the same `prefix` bits. */
export interface Block extends Address {
  readonly prefix: number;
}

/**
 * `global` is any host's. `private` means something else on every network. `barred` never names a
 * host that someone wants: nobody, everybody, and where clouds hand out credentials.
 */
export type Reach = "global" | "private" | "barred";

/** The longest spelling is 45 characters; a zone (`%eth0`) may follow. */
const ADDRESS_CHARS = 64;

/**
 * Reads one canonical spelling: four decimal numbers, or RFC 4291, section 2.2, with or without
 * brackets. A zone is read over.
 * @returns `undefined` for everything else, also for spellings that lenient readers take
 */
export function parseAddress(text: string): Address | undefined {
  if (text.length > ADDRESS_CHARS) return undefined;
  if (!text.includes(":")) {
    const value = parseV4(text);
    return value === undefined ? undefined : { bits: 32, value };
  }
  const isBracketed = text.startsWith("[") && text.endsWith("]");
  const [bare, zone] = (isBracketed ? text.slice(1, -1) : text).split("%", 2);
  const value = zone === "" ? undefined : parseV6(bare!);
  return value === undefined ? undefined : unmapped(value);
}

/** @returns `undefined` unless it is an address, or one with `/` and a number of bits */
export function parseBlock(text: string): Block | undefined {
  const [base, length, more] = text.split("/");
  const address = parseAddress(base!);
  if (address === undefined || more !== undefined) return undefined;
  if (length === undefined) return { ...address, prefix: address.bits };
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined;
  // Of a mapped address, the length counts from the front of the IPv6 one.
  const isMapped = address.bits === 32 && base!.includes(":");
  const prefix = Number(length) - (isMapped ? 96 : 0);
  if (prefix < 0 || prefix > address.bits) return undefined;
  const rest = BigInt(address.bits - prefix);
  return { ...address, value: (address.value >> rest) << rest, prefix };
}

export function contains(block: Block, address: Address): boolean {
  const rest = BigInt(block.bits - block.prefix);
  return block.bits === address.bits && block.value >> rest === address.value >> rest;
}

export function isLoopback(address: Address): boolean {
  return isIn(LOOPBACK, address);
}

export function reachOf(address: Address): Reach {
  if (address.bits === 32) return reachOfV4(address);
  if (isIn(BARRED, address)) return "barred";
  const within = embedded(address.value).map((value) => reachOfV4({ bits: 32, value }));
  if (within.includes("barred")) return "barred";
  const isGlobal = isIn(GLOBAL_V6, address) && !isIn(PRIVATE_V6, address);
  return isGlobal && !within.includes("private") ? "global" : "private";
}

/** Whether every address of the block is barred. */
export function isBarred(block: Block): boolean {
  return BARRED.some((barred) => barred.prefix <= block.prefix && contains(barred, block));
}

function reachOfV4(address: Address): Reach {
  if (isIn(BARRED, address)) return "barred";
  return isIn(PRIVATE_V4, address) ? "private" : "global";
}

function isIn(blocks: readonly Block[], address: Address): boolean {
  return blocks.some((block) => contains(block, address));
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  // A leading zero is octal to some readers.
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part))) {
    return undefined;
  }
  const numbers = parts.map(Number);
  if (numbers.some((number) => number > 255)) return undefined;
  return numbers.reduce((value, number) => value << 8n | BigInt(number), 0n);
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [front, back] = halves.map((half, i) => groupsOf(half, i === halves.length - 1));
  if (front === undefined || (halves.length === 2 && back === undefined)) return undefined;
  const known = front.length + (back?.length ?? 0);
  // `::` stands for at least one group.
  if (halves.length === 2 ? known > 7 : known !== 8) return undefined;
  const groups = [...front, ...Array<bigint>(8 - known).fill(0n), ...back ?? []];
  return groups.reduce((value, group) => value << 16n | group, 0n);
}

/** @param isLast whether an IPv4 address may end it */
function groupsOf(half: string, isLast: boolean): readonly bigint[] | undefined {
  if (half === "") return [];
  const parts = half.split(":");
  const groups: bigint[] = [];
  for (const [i, part] of parts.entries()) {
    if (part.includes(".")) {
      const v4 = isLast && i === parts.length - 1 ? parseV4(part) : undefined;
      if (v4 === undefined) return undefined;
      groups.push(v4 >> 16n, v4 & 0xffffn);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

const LOW_32 = 0xffff_ffffn;

function unmapped(value: bigint): Address {
  return value >> 32n === 0xffffn ? { bits: 32, value: value & LOW_32 } : { bits: 128, value };
}

/** IPv4 addresses that packets to this IPv6 address may end at, by the forms that exist for it. */
function embedded(value: bigint): readonly bigint[] {
  const low = value & LOW_32;
  const high96 = value >> 32n;
  // Compatible (RFC 4291, 2.5.5.1; `::1` is the loopback), translated (RFC 2765), NAT64 (RFC 6052).
  if (high96 === 0n) return value === 1n ? [] : [low];
  if (high96 === 0xffff_0000n || high96 === 0x64ff9bn << 64n) return [low];
  // NAT64 of the local network: RFC 8215 leaves open where behind its 48 bits the address stands.
  if (value >> 80n === 0x64_ff9b_0001n) {
    const front = (value >> 64n & 0xffffn) << 16n | (value >> 40n & 0xffffn);
    return [low, front].filter((one) => one !== 0n);
  }
  if (value >> 112n === 0x2002n) return [value >> 80n & LOW_32];
  // Teredo: the server, and the client with all bits turned (RFC 4380, section 4).
  if (value >> 96n === 0x2001_0000n) {
    return [value >> 64n & LOW_32, low ^ LOW_32].filter((one) => one !== 0n);
  }
  // ISATAP, in any network (RFC 5214, section 6.1).
  return (high96 & 0xfdff_ffffn) === 0x5efen ? [low] : [];
}

function blocks(...texts: readonly string[]): readonly Block[] {
  return texts.map((text) => parseBlock(text)!);
}

const LOOPBACK = blocks("127.0.0.0/8", "::1");

const BARRED = blocks(
  // "This network": connecting there reaches the own machine. Then multicast and broadcast.
  "0.0.0.0/8",
  "::",
  "224.0.0.0/4",
  "ff00::/8",
  "255.255.255.255",
  // Metadata services, which give a machine's credentials to whoever asks from it. All of the IPv4
  // link-local block is theirs: 169.254.169.254, .170.2, .170.23, .0.23, .42.42 and more.
  "169.254.0.0/16",
  "fe80::a9fe:a9fe",
  // Amazon, Google, Oracle, Scaleway
  "fd00:ec2::/32",
  "fd20:ce::254",
  "fd00:c1::a9fe:a9fe",
  "fd00:42::42",
  // Alibaba, Oracle Classic, Azure (its own service, at an address that looks like anybody's)
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
);

const PRIVATE_V4 = blocks(
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "172.16.0.0/12",
  // Protocol assignments: the few that are reachable are anycast services, no servers.
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "240.0.0.0/4",
);

/** All else is unassigned, local, or an encoding of something. */
const GLOBAL_V6 = blocks("2000::/3", "64:ff9b::/96");

const PRIVATE_V6 = blocks(
  // Protocol assignments, Teredo, benchmarks and ORCHID among them; as for IPv4.
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
);
