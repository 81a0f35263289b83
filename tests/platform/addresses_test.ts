/**
 * Addresses: one canonical spelling is read, and each is sorted by who can be reached at it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  contains,
  isBarred,
  parseAddress,
  parseBlock,
  type Reach,
  reachOf,
} from "../../src/platform/addresses.ts";
import { seeded } from "../support/seeded.ts";

const REACH: Readonly<Record<Reach, readonly string[]>> = {
  global: [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "168.63.129.15",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001:800::200e",
    "3ffe::1",
    "64:ff9b::8.8.8.8",
    "::ffff:8.8.8.8",
    "[2606:4700::1]",
  ],
  private: [
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.0",
    "127.0.0.1",
    "127.255.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.0",
    "255.255.255.254",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::FFFF:192.168.1.1",
    "::ffff:0:10.0.0.1",
    "::ffff:0:8.8.8.8",
    "::8.8.8.8",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:2::1",
    "100::1",
    "100:0:0:1::1",
    "1000::1",
    "2001::1",
    "2001:0:808:808:0:0:f5ff:fffe",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:808:808::1",
    "2002:7f00:1::",
    "3fff::1",
    "3fff:fff:ffff::1",
    "2a00:1450::5efe:10.0.0.1",
    "2a00:1450::200:5efe:192.168.0.1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00::1",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::1",
    "fe80::1%eth0",
    "[fe80::1%25eth0]",
    "febf::1",
    "fec0::1",
    "feff::1",
  ],
  barred: [
    "0.0.0.0",
    "0.1.2.3",
    "0.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.255.255",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "0:0:0:0:0:0:0:0",
    "::2",
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:808:808:0:0:5601:5601",
    "2a00:1450::5efe:169.254.169.254",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
    "fd00:42::42",
    "fe80::a9fe:a9fe",
    "ff00::1",
    "ff02::1",
    "ff0e::1",
  ],
};

for (const [reach, addresses] of Object.entries(REACH)) {
  for (const text of addresses) {
    Deno.test(`${text} is ${reach}`, () => assertEquals(reachOf(parseAddress(text)!), reach));
  }
}

for (
  const text of [
    "",
    " ",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.4.",
    ".1.2.3.4",
    "1..2.3",
    "256.1.1.1",
    "01.2.3.4",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "127.1",
    "1.2.3.-4",
    "1.2.3.+4",
    "1.2.3.4 ",
    "1.2.3.4\n",
    "1.2.3.4/8",
    "1e1.0.0.1",
    "１.2.3.4",
    "localhost",
    ":",
    ":::",
    "::1::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "12345::",
    "g::1",
    "::1 ",
    "[::1",
    "::1]",
    "[[::1]]",
    "::1%",
    "::ffff:1.2.3",
    "::ffff:256.0.0.1",
    "::1.2.3.4:1",
    "1.2.3.4::",
    "::0x1",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    `${"0".repeat(100)}::1`,
    ":".repeat(1e6),
    "1.".repeat(1e6),
  ]
) {
  Deno.test(`${JSON.stringify(text.slice(0, 30))} is no address`, () => {
    assertEquals(parseAddress(text), undefined);
  });
}

Deno.test("all spellings of one address are the same address", () => {
  const spellings = ["2001:db8::1", "2001:DB8:0:0::1", "2001:0db8:0000::0001", "[2001:db8::1]"];
  const values = new Set(spellings.map((text) => parseAddress(text)!.value));
  assertEquals(values, new Set([0x20010db8_00000000_00000000_00000001n]));
});

Deno.test("a mapped address is the IPv4 address", () => {
  assertEquals(parseAddress("::ffff:10.1.2.3"), parseAddress("10.1.2.3"));
});

Deno.test("whatever a URL makes of numbers is read back as the same address", () => {
  const random = seeded("spellings of URLs");
  const lost: string[] = [];
  for (let i = 0; i < 2_000; i++) {
    const groups = Array.from(
      { length: 8 },
      () => random.below(5) < 2 ? 0 : random.below(0x10000),
    );
    const value = groups.reduce((all, group) => all << 16n | BigInt(group), 0n);
    const text = groups.map((group) => group.toString(16)).join(":");
    const { hostname } = new URL(`http://[${text}]/`);
    if (parseAddress(hostname)?.value !== value) lost.push(text);
  }
  assertEquals(lost, []);
});

for (
  const [block, inside, outside] of [
    ["10.0.0.0/8", "10.255.0.1", "11.0.0.0"],
    ["10.1.2.3/8", "10.0.0.0", "9.255.255.255"],
    ["127.0.0.1", "127.0.0.1", "127.0.0.2"],
    ["0.0.0.0/0", "255.1.2.3", "::1"],
    ["::/0", "fd00::1", "10.0.0.1"],
    ["fd00::/8", "fdff::1", "fc00::1"],
    ["::1", "::1", "::2"],
    ["[fd00::]/9", "fd7f::1", "fd80::1"],
    ["::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"],
    ["10.0.0.0/31", "10.0.0.1", "10.0.0.2"],
  ] as const
) {
  Deno.test(`${block} has ${inside} and not ${outside}`, () => {
    const has = (text: string) => contains(parseBlock(block)!, parseAddress(text)!);
    assertEquals([has(inside), has(outside)], [true, false]);
  });
}

for (
  const text of [
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "10.0.0.0/255.0.0.0",
    "10.0.0.0/ 8",
    "fd00::/129",
    "::ffff:10.0.0.0/95",
    "/8",
    "10/8",
    "10.0.0.0/8e0",
  ]
) {
  Deno.test(`"${text}" is no block`, () => assertEquals(parseBlock(text), undefined));
}

Deno.test("a block is barred when no address of it is free", () => {
  const texts = ["169.254.0.0/16", "169.254.169.254", "169.0.0.0/8", "0.0.0.0/0", "127.0.0.0/8"];
  const barred = texts.map((text) => isBarred(parseBlock(text)!));
  assertEquals(barred, [true, true, false, false, false]);
});
