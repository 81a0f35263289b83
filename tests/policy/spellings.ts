/**
 * Ways to write a URL that leads to a private host, or that no server of the gateway's may have.
 *
 * `PORT` stands for the port of a listener that counts who comes.
 *
 * @module
 * @see security.md, SSRF-02, SSRF-03, SSRF-06, SSRF-07; protocol.md, section 8
 */

/** Hosts in their own and in other spellings. */
const HOSTS = [
  // Loopback, as readers of several kinds take it.
  ..."127.0.0.1 127.0.0.2 127.1 127.0.1 127.255.255.254 2130706433 0x7f000001 0x7F.1".split(" "),
  ..."0x7f.0.0.1 0x7f.0x0.0x0.0x1 0177.0.0.1 0177.0000.0000.0001 017700000001 00177.1".split(" "),
  ..."0000177.0.0.01 127.0.0.1. 0x7f.1. 127.0.0.0x1 127.00.00.01 0x7f.0.1".split(" "),
  "127%2e0%2e0%2e1",
  "%31%32%37.0.0.1",
  "127。0。0。1",
  "127．0．0．1",
  "127｡0｡0｡1",
  "①②⑦.⓪.⓪.①",
  "１２７.０.０.１",
  "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
  "0ⓧ7f.1",
  "127.0.0.1%00",
  "127.0.0.1%20",
  "127.0.0.1\t",
  "127.0\n.0.1",
  "1\u00AD27.0.0.1",
  "127.0.0.\u200B1",
  // Its names.
  ..."localhost LOCALHOST LocalHost localhost. localhost.. lоcalhost foo.localhost".split(" "),
  ..."a.b.localhost. ｌｏｃａｌｈｏｓｔ %6cocalhost loc%61lhost localhos%74 ⓛⓞⓒⓐⓛⓗⓞⓢⓣ".split(" "),
  ..."localhost.localdomain ip6-localhost ip6-loopback loopback".split(" "),
  // Unspecified, "this network", broadcast, multicast.
  ..."0 0.0.0.0 0.0 0x0 00 0.1.2.3 0.0.0.0. 255.255.255.255 4294967295 0xffffffff".split(" "),
  ..."224.0.0.1 239.255.255.250 [ff02::1] [ff0e::1] [::] [0:0:0:0:0:0:0:0]".split(" "),
  // IPv6, with and without IPv4 in it.
  ..."[::1] [0:0:0:0:0:0:0:1] [0000::0001] [::0:1] [::0.0.0.1] [::127.0.0.1] [::7f00:1]".split(" "),
  ..."[::ffff:127.0.0.1] [::FFFF:7F00:1] [0:0:0:0:0:ffff:127.0.0.1] [::ffff:0:127.0.0.1]".split(
    " ",
  ),
  ..."[::ffff:0.0.0.0] [::ffff:10.0.0.1] [::ffff:a9fe:a9fe] [::ffff:192.168.0.1]".split(" "),
  ..."[64:ff9b::127.0.0.1] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::7f00:1]".split(" "),
  ..."[2002:7f00:1::] [2002:a00:1::1] [2002:a9fe:a9fe::] [2001:0:808:808::80ff:fffe]".split(" "),
  ..."[2001::1] [2001:2::1] [2001:10::1] [2001:db8::1] [3fff::1] [100::1] [5f00::1]".split(" "),
  ..."[fc00::1] [fd12:3456:789a::1] [fe80::1] [fe80::1%25eth0] [febf::1] [fec0::1]".split(" "),
  ..."[::1%25lo] [::1]. [::1%00] [2a00:1450::5efe:127.0.0.1] [2a00:1450::200:5efe:a00:1]".split(
    " ",
  ),
  // The other blocks.
  ..."10.0.0.1 10.255.255.255 012.0.0.1 0xa.0.0.1 167772161 10.1 172.16.0.1 172.31.255.255".split(
    " ",
  ),
  ..."192.168.0.1 192.168.1 0xc0a80001 3232235521 100.64.0.1 100.127.255.254 198.18.0.1".split(" "),
  ..."198.19.255.254 192.0.0.1 192.0.2.1 198.51.100.1 203.0.113.1 192.88.99.1 240.0.0.1".split(" "),
  // Metadata services.
  ..."169.254.169.254 0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.43518".split(" "),
  ..."169.254.170.2 169.254.170.23 169.254.0.23 100.100.100.200 192.0.0.192".split(" "),
  ..."168.63.129.16 [fd00:ec2::254] [fd20:ce::254] [fd00:42::42] [fe80::a9fe:a9fe]".split(" "),
  ..."metadata metadata. METADATA.google.internal metadata.google.internal.".split(" "),
  ..."metadata.goog a.metadata.google.internal instance-data.ec2.internal instance-data".split(" "),
  ..."metadata.tencentyun.com metadata.azure.internal".split(" "),
  // Names of strangers that lead home.
  ..."127.0.0.1.wild.test rebound.test home.test mixed.test mixed6.test last.test".split(" "),
  ..."mapped.test zone.test octal.test cloud.test unspecified.test many.test".split(" "),
];

/** Everything else that a URL can be. */
const URLS = [
  "file:///etc/passwd",
  "gopher://127.0.0.1:PORT/_x",
  "ftp://127.0.0.1:PORT/",
  "data:application/json,{}",
  "javascript:alert(1)",
  "blob:http://127.0.0.1:PORT/1",
  "unix:/var/run/docker.sock",
  "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
  "ws://127.0.0.1:PORT/",
  "wss://127.0.0.1:PORT/",
  "dict://127.0.0.1:PORT/",
  "ldap://127.0.0.1:PORT/",
  "jar:http://127.0.0.1:PORT/!/",
  "//127.0.0.1:PORT/",
  "http:127.0.0.1:PORT/mcp",
  "http:/127.0.0.1:PORT/mcp",
  "http:///127.0.0.1:PORT/mcp",
  "http:\\\\127.0.0.1:PORT\\mcp",
  " http://127.0.0.1:PORT/mcp",
  "ht\ntp://127.0.0.1:PORT/mcp",
  "HTTP://127.0.0.1:PORT/mcp",
  "http://user@127.0.0.1:PORT/mcp",
  "http://one.test:PORT@127.0.0.1:PORT/mcp",
  "http://one.test\\@127.0.0.1:PORT/mcp",
  "http://127.0.0.1:PORT\\@one.test/mcp",
  "http://127.0.0.1:PORT#@one.test/",
  "http://127.0.0.1:PORT?@one.test/",
  "http://127.0.0.1:PORT/#fragment",
  "http://one.test:secret@one.test/mcp",
  "http://one.test/mcp#",
  "http://one.test:0/mcp",
  "http://one.test:22/mcp",
  "http://one.test:25/mcp",
  "https://one.test:6667/mcp",
];

export const SPELLINGS: readonly string[] = [
  ...HOSTS.map((host) => `http://${host}:PORT/mcp`),
  ...URLS,
];

/** What the names resolve to; a name that is not here does not exist. */
export const NAMES: Readonly<Record<string, readonly string[]>> = {
  "one.test": ["8.8.8.8"],
  "127.0.0.1.wild.test": ["127.0.0.1"],
  "rebound.test": ["127.0.0.1"],
  "home.test": ["::1"],
  "mixed.test": ["127.0.0.1", "8.8.8.8"],
  "last.test": ["8.8.8.8", "1.1.1.1", "127.0.0.1"],
  "mixed6.test": ["::1", "2606:4700::1111"],
  "mapped.test": ["::ffff:127.0.0.1"],
  "zone.test": ["fe80::1%lo"],
  "octal.test": ["0177.0.0.1"],
  "cloud.test": ["169.254.169.254"],
  "unspecified.test": ["0.0.0.0"],
  "many.test": Array.from({ length: 1000 }, (_, i) => i === 999 ? "127.0.0.1" : "8.8.8.8"),
  "localhost.localdomain": ["127.0.0.1"],
  "ip6-localhost": ["::1"],
  "ip6-loopback": ["::1"],
  "loopback": ["127.0.0.1"],
  "metadata.google.internal": ["127.0.0.1"],
};
