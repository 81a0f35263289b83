/**
 * Bodies and methods that the API does not take, on every operation that takes a body.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { takesBody } from "../../src/admin/api/operation.ts";
import { adminWorld, allOperations, urlOf } from "../support/admin_world.ts";

const TYPES = [
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "application/jsonp",
  "application/json; charset=latin1",
  "application/merge-patch+json",
  "",
];

const takingBodies = (await allOperations()).filter(takesBody)
  .map(({ method, path }) => ({ method, path: path.replace("{id}", "x") }));

for (const type of TYPES) {
  Deno.test(`a body of the type ${JSON.stringify(type)} is 415 wherever a body is taken`, async () => {
    const { call } = await adminWorld();
    const raw = new TextEncoder().encode("{}");
    const answers = new Set<number>();
    for (const { method, path } of takingBodies) {
      answers.add((await call(method, path, { raw, headers: { "Content-Type": type } })).status);
    }
    assertEquals([...answers], [415]);
  });
}

Deno.test("a compressed body is 415", async () => {
  const { call } = await adminWorld();
  const headers = { "Content-Encoding": "gzip" };
  assertEquals((await call("POST", "/api/upstreams", { body: {}, headers })).status, 415);
});

const deep = "[".repeat(65) + "]".repeat(65);
const BODIES: readonly (readonly [string, BodyInit])[] = [
  ["nothing", ""],
  ["broken JSON", '{"name": '],
  ["two values", "{} {}"],
  ["a list", "[]"],
  ["a text", '"x"'],
  ["null", "null"],
  ["a name twice", '{"name":"a","name":"b","url":"https://a.example/"}'],
  ["a name twice, once escaped", '{"name":"a","n\\u0061me":"b","url":"https://a.example/"}'],
  [
    "a name twice, further in",
    '{"name":"a","url":"https://a.example/","headers":{"a":"1","a":"2"}}',
  ],
  ["a name with other capitals", '{"Name":"a","url":"https://a.example/"}'],
  ["65 levels", `{"name":"a","url":"https://a.example/","tags":${deep}}`],
  ["60,000 elements", `{"tags":[${"1,".repeat(60_000)}1]}`],
  ["a name of 2 KB", `{"${"x".repeat(2048)}":1}`],
  ["__proto__ outside", '{"name":"a","url":"https://a.example/","__proto__":{}}'],
  ["__proto__ as a header", '{"name":"a","url":"https://a.example/","headers":{"__proto__":"x"}}'],
  [
    "__proto__ in disguise",
    '{"name":"a","url":"https://a.example/","headers":{"__prot\\u006f__":"x"}}',
  ],
  ["bytes that are no UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ["a byte order mark", "\ufeff{}"],
];

for (const [what, raw] of BODIES) {
  Deno.test(`a body of ${what} is 400, and nothing is kept`, async () => {
    const { call, catalog } = await adminWorld();
    const { status, json } = await call("POST", "/api/upstreams", {
      raw,
      headers: { "Content-Type": "application/json" },
    });
    assertEquals([status, json.code, catalog.upstreams().length], [400, "invalid_request", 0]);
  });
}

Deno.test("a body over 1 MiB is 413 by what it announces, before a byte of it is read", async () => {
  const { call } = await adminWorld();
  const headers = { "Content-Length": String(1024 * 1024 + 1) };
  const raw = new ReadableStream({
    pull: () => {
      throw new Error("somebody read it");
    },
  }, { highWaterMark: 0 });
  assertEquals((await call("POST", "/api/upstreams", { raw, headers })).status, 413);
});

Deno.test("a body over 1 MiB that announces nothing is 413 when it has come to that", async () => {
  const { call } = await adminWorld();
  let pulled = 0;
  const raw = new ReadableStream({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
    },
  });
  assertEquals((await call("POST", "/api/upstreams", { raw })).status, 413);
  assertEquals(pulled < 30, true);
});

Deno.test("a body that stops coming is 408, and no timer is left", async () => {
  const { call, timers } = await adminWorld();
  const raw = new ReadableStream({ pull: () => new Promise(() => {}) });
  const answer = call("POST", "/api/upstreams", { raw });
  await new Promise((resolve) => setTimeout(resolve));
  timers.advance(31_000);
  assertEquals([(await answer).status, timers.open()], [408, 0]);
});

Deno.test("of a hundred things that are wrong the first are named, not all", async () => {
  const { call } = await adminWorld();
  const members = Array.from({ length: 5000 }, (_, i) => [`m${i}`, 1]);
  const { text, json } = await call("POST", "/api/servers", { body: Object.fromEntries(members) });
  assertEquals([json.errors.length, text.length < 20_000], [100, true]);
});

Deno.test("every URL answers a verb that it does not take with 405 and those that it takes", async () => {
  const { call } = await adminWorld();
  const urls = new Map<string, Set<string>>();
  for (const { method, path } of await allOperations()) {
    urls.set(path, (urls.get(path) ?? new Set()).add(method));
  }
  // Everything but POST means a server that is called so.
  urls.delete("/api/upstreams/test");
  for (const [path, methods] of urls) {
    const verb = methods.has("PUT") ? "PATCH" : "PUT";
    const { status, headers, json } = await call(verb, urlOf(path));
    assertEquals([path, status, json.code], [path, 405, "method_not_allowed"]);
    const allowed = new Set(headers.get("allow")!.split(", "));
    const wanted = new Set([...methods, "OPTIONS", ...methods.has("GET") ? ["HEAD"] : []]);
    assertEquals([path, allowed], [path, wanted]);
  }
});

for (
  const [path, verbs] of [
    ["/api/servers", "GET POST"],
    ["/api/servers/a", "GET PATCH DELETE"],
    ["/api/upstreams/a/refresh", "POST"],
    ["/api/upstreams/test", "POST GET PATCH DELETE"],
    ["/api/openapi.json", "GET"],
    ["/api/openapi-json", ""],
    ["/api", ""],
    ["/api/servers/", ""],
    ["/api/servers/a/b", ""],
  ] as const
) {
  Deno.test(`${path} is known to take ${verbs || "nothing"}`, async () => {
    const { admin } = await adminWorld();
    assertEquals(admin.verbsOf(path).join(" "), verbs);
  });
}

for (
  const path of [
    "/api",
    "/api/",
    "/api/nothing",
    "/api/upstreams/",
    "/api/upstreams/a/b",
    "/api//servers",
  ]
) {
  Deno.test(`${path} is 404`, async () => {
    const { call } = await adminWorld();
    assertEquals((await call("GET", path)).status, 404);
  });
}

for (
  const id of ["%2e%2e", "%00", "..%2fservers", "a%ff", "constructor", "__proto__", "%E0%A4%A"]
) {
  Deno.test(`a server called ${id} is not found`, async () => {
    const { call } = await adminWorld();
    const found = await Promise.all(
      ["upstreams", "servers", "tools"].map((noun) => call("GET", `/api/${noun}/${id}`)),
    );
    assertEquals(found.map(({ status }) => status), [404, 404, 404]);
  });
}

Deno.test("what is answered is kept by nobody and guessed at by nobody", async () => {
  const { call } = await adminWorld();
  const answers = [
    await call("GET", "/api/upstreams"),
    await call("POST", "/api/servers", { body: { name: "a" } }),
    await call("DELETE", "/api/servers/a"),
    await call("PUT", "/api/servers/a"),
    await call("GET", "/api/openapi.json"),
  ];
  const kept = answers.map(({ headers }) =>
    `${headers.get("cache-control")} ${headers.get("x-content-type-options")}`
  );
  assertEquals(new Set(kept), new Set(["no-store, no-transform nosniff"]));
});
