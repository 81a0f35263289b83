/**
 * Where the gateway may connect to on behalf of what was created through the API. Pure decisions;
 * whoever connects asks them for every address (`platform/dial.ts`).
 *
 * What the config file declares is its operator's own choice and is not asked about here.
 *
 * @module
 * @see contract.md, section 8, "Egress"; security.md, SSRF-01 to SSRF-12
 */
import { GatewayError } from "../domain/errors.ts";
import {
  type Address,
  type Block,
  contains,
  isBarred,
  isLoopback,
  parseAddress,
  parseBlock,
  reachOf,
} from "../platform/addresses.ts";

/** One entry of `EGRESS_ALLOW_PRIVATE`: a block of addresses, or a name that may lead to any. */
export type PrivateDestination =
  | { readonly block: Block }
  | { readonly name: string };

export interface Destination {
  /** An address, or a name; IPv6 with or without brackets. */
  readonly hostname: string;
  readonly port: number;
}

export interface EgressOptions {
  readonly allowPrivate: readonly PrivateDestination[];
  /**
   * What the gateway itself serves at and keeps its data in: never an upstream server. One that
   * listens at all addresses (`0.0.0.0`, `::`) is found at loopback addresses.
   */
  readonly own: readonly Destination[];
}

export interface EgressPolicy {
  /**
   * For a URL that is about to be stored or followed. A name is judged by what it says; where it
   * leads is for `checkAddress`.
   * @throws {GatewayError} `egress_denied`
   */
  readonly checkUrl: (url: URL) => void;
  /**
   * For each address that a host has, at each connection, before any packet goes out.
   * @param target the host as the URL names it
   * @throws {GatewayError} `egress_denied`
   */
  readonly checkAddress: (target: Destination, address: string) => void;
}

export function createEgressPolicy(options: EgressOptions): EgressPolicy {
  const blocks = options.allowPrivate.flatMap((one) => "block" in one ? [one.block] : []);
  const names = new Set(options.allowPrivate.flatMap((one) => "name" in one ? [one.name] : []));
  const own = options.own.map(({ hostname, port }) => ({
    name: canonicalName(hostname),
    address: parseAddress(hostname),
    port,
  }));

  function isOwn(address: Address, port: number): boolean {
    return own.some((one) => {
      if (one.port !== port) return false;
      if (one.address === undefined) return one.name === "localhost" && isLoopback(address);
      if (one.address.value === 0n) return isLoopback(address);
      return one.address.bits === address.bits && one.address.value === address.value;
    });
  }

  function mayConnect(address: Address, port: number, name: string): boolean {
    const reach = reachOf(address);
    if (reach === "barred" || isOwn(address, port)) return false;
    return reach === "global" || names.has(name) ||
      blocks.some((block) => contains(block, address));
  }

  function mayName(name: string, port: number): boolean {
    if (isMetadataName(name) || own.some((one) => one.port === port && one.name === name)) {
      return false;
    }
    // RFC 6761, section 6.3: these are the loopback whatever a name server says.
    if (name !== "localhost" && !name.endsWith(".localhost")) return true;
    return names.has(name) || blocks.some((block) => LOOPBACK.some((one) => contains(block, one)));
  }

  return {
    checkUrl(url) {
      if (url.protocol !== "http:" && url.protocol !== "https:") throw denied();
      const hasMore = url.username !== "" || url.password !== "" || url.href.includes("#");
      const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
      if (hasMore || url.port === "0" || FOREIGN_PORTS.has(port)) throw denied();
      const address = parseAddress(url.hostname);
      const name = canonicalName(url.hostname);
      const isAllowed = address === undefined
        ? mayName(name, port)
        : mayConnect(address, port, name);
      if (!isAllowed) throw denied();
    },
    checkAddress({ hostname, port }, text) {
      const address = parseAddress(text);
      const name = canonicalName(hostname);
      // What cannot be read here may be read otherwise by the system.
      const isAllowed = address !== undefined && !FOREIGN_PORTS.has(port) &&
        mayName(name, port) && mayConnect(address, port, name);
      if (!isAllowed) throw denied();
    },
  };
}

/**
 * One entry of `EGRESS_ALLOW_PRIVATE`.
 * @throws {Error} naming what is wrong with it
 */
export function privateDestination(text: string): PrivateDestination {
  const block = parseBlock(text);
  if (block !== undefined) {
    if (!isBarred(block)) return { block };
    throw new Error(`"${text}" can never be allowed: it is no host, or hands out credentials`);
  }
  const name = canonicalName(text);
  // A URL's own reading of the name: full-width and percent-encoded characters, Punycode.
  const isName = /^[^\s/?#@:[\]\\*%]{1,253}$/.test(text) && URL.canParse(`http://${text}`) &&
    !/^[\d.]*$/.test(name);
  if (!isName) {
    throw new Error(
      `must list addresses, blocks such as "10.0.0.0/8", or host names; "${text}" is none`,
    );
  }
  if (isMetadataName(name)) {
    throw new Error(`"${text}" can never be allowed: it hands out credentials`);
  }
  return { name };
}

/** As a URL shows it, without dots that end it. */
function canonicalName(hostname: string): string {
  const url = `http://${hostname}`;
  const name = URL.canParse(url) ? new URL(url).hostname : hostname.toLowerCase();
  let end = name.length;
  while (name[end - 1] === ".") end--;
  return name.slice(0, end);
}

function isMetadataName(name: string): boolean {
  return METADATA_NAMES.some((one) => name === one || name.endsWith(`.${one}`));
}

const METADATA_NAMES = [
  "metadata",
  "metadata.internal",
  "metadata.google.internal",
  "metadata.goog",
  "metadata.azure.internal",
  "metadata.azure.com",
  "metadata.tencentyun.com",
  "metadata.platformequinix.com",
  "metadata.packet.net",
  "instance-data",
  "instance-data.ec2.internal",
  "rancher-metadata",
];

const LOOPBACK = [parseAddress("127.0.0.1")!, parseAddress("::1")!];

/**
 * Ports of other protocols, whose servers could take parts of a request for commands.
 * @see Fetch Standard, "Port blocking"
 */
const FOREIGN_PORTS: ReadonlySet<number> = new Set(
  ("0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 " +
    "113 115 117 119 123 135 137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 " +
    "548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 5061 " +
    "6000 6566 6665 6666 6667 6668 6669 6679 6697 10080").split(" ").map(Number),
);

/** One text for all: a refusal must not tell what there is at the address. */
function denied(): GatewayError {
  return new GatewayError("egress_denied", "The address is not allowed by the egress policy");
}
