/**
 * OpenAPI documents as REST tools.
 *
 * @module
 * @see contract.md, section 8, "OpenAPI import"
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { LIMITS } from "../../../src/domain/limits.ts";
import { importOpenApi, type ImportOptions } from "../../../src/catalog/openapi/import.ts";
import { createArgumentCheck } from "../../../src/policy/guardrails/argument_schema.ts";
import { restToolFaults } from "../../../src/upstream/rest/tool_faults.ts";
import { DOCUMENTS, expectedOf, imported, textOf } from "./fixtures.ts";

for (const document of DOCUMENTS) {
  Deno.test(`${document} becomes exactly the tools and notes that are expected`, async () => {
    const found = await imported(await textOf(document));
    assertEquals(JSON.parse(JSON.stringify(found)), await expectedOf(document));
  });

  Deno.test(`${document} becomes tools whose arguments can be checked`, async () => {
    const { tools } = await imported(await textOf(document));
    const { faultOf } = createArgumentCheck({ unusable: () => {} });
    const faults = tools.map((
      { name, inputSchema },
    ) => [name, faultOf(JSON.stringify(inputSchema))]);
    assertEquals(faults.filter(([, fault]) => fault !== undefined), []);
    assertEquals(tools.flatMap(restToolFaults), []);
  });

  Deno.test(`${document} gives the same the second time`, async () => {
    const text = await textOf(document);
    assertEquals(await imported(text), await imported(text));
  });
}

Deno.test("object, JSON text and YAML text are the same document", async () => {
  const text = await textOf("polymorphism.json");
  const ofText = await imported(text);
  assertEquals(await imported(JSON.parse(text)), ofText);
  // YAML takes JSON; a comment makes it none.
  assertEquals(await imported(`# YAML\n${text}`), ofText);
});

const DOCUMENT = {
  openapi: "3.1.0",
  servers: [{ url: "https://api.example.com/v1" }],
  security: [{ key: [] }],
  paths: {
    "/pets": {
      get: { operationId: "listPets", tags: ["pets", "read"] },
      post: { operationId: "addPet", tags: ["pets"] },
    },
    "/pets/{id}": { delete: { operationId: "deletePet", tags: ["pets"], parameters: [anId()] } },
    "/status": { get: { operationId: "status", security: [] } },
  },
  components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
};

function anId() {
  return { name: "id", in: "path", required: true, schema: { type: "string" } };
}

for (
  const [what, options, names] of [
    ["everything", {}, ["listPets", "addPet", "deletePet", "status"]],
    ["a tag", { include: { tags: ["read", "other"] } }, ["listPets"]],
    ["a method", { include: { methods: ["get"] } }, ["listPets", "status"]],
    ["a path", { include: { paths: ["/pets"] } }, ["listPets", "addPet"]],
    ["a pattern of paths", { include: { paths: ["/pets*"] } }, ["listPets", "addPet", "deletePet"]],
    ["all that is given", { include: { tags: ["pets"], methods: ["GET", "DELETE"] } }, [
      "listPets",
      "deletePet",
    ]],
    ["all but a method", { exclude: { methods: ["DELETE"] } }, ["listPets", "addPet", "status"]],
    ["all but what fits in all", { exclude: { methods: ["GET"], tags: ["pets"] } }, [
      "addPet",
      "deletePet",
      "status",
    ]],
    ["what is not excluded, whatever is included", {
      include: { tags: ["pets"] },
      exclude: { paths: ["/pets"] },
    }, ["deletePet"]],
    ["names with a prefix", { prefix: "shop_", include: { methods: ["POST"] } }, ["shop_addPet"]],
    ["nothing", { include: { tags: [] } }, []],
  ] satisfies [string, ImportOptions, string[]][]
) {
  Deno.test(`an import of ${what} has ${names.join(", ") || "no tools"}`, async () => {
    const { tools, excluded } = await imported(DOCUMENT, options);
    assertEquals([tools.map(({ name }) => name), excluded], [names, 4 - names.length]);
  });
}

for (
  const [baseUrl, documentUrl, servers, url] of [
    [
      "https://own.example.com/base/",
      undefined,
      DOCUMENT.servers,
      "https://own.example.com/base/pets",
    ],
    ["http://127.0.0.1:8080", undefined, undefined, "http://127.0.0.1:8080/pets"],
    [undefined, undefined, DOCUMENT.servers, "https://api.example.com/v1/pets"],
    [
      undefined,
      "https://docs.example.com/a/openapi.json",
      [{ url: "../v2" }],
      "https://docs.example.com/v2/pets",
    ],
    [
      undefined,
      "https://docs.example.com/a/openapi.json",
      undefined,
      "https://docs.example.com/pets",
    ],
  ] as const
) {
  const given = `base ${baseUrl}, document at ${documentUrl}, servers ${JSON.stringify(servers)}`;
  Deno.test(`${given}: ${url}`, async () => {
    const { tools } = await imported({ ...DOCUMENT, servers }, { baseUrl, documentUrl });
    assertEquals(tools[0]?.url, url);
  });
}

Deno.test("without any server, each operation says what is missing", async () => {
  const { tools, skipped } = await imported({ ...DOCUMENT, servers: undefined });
  assertEquals([tools.length, skipped.length], [0, 4]);
  assert.match(skipped[0]!.reason, /^No server can be called without a base URL/);
});

for (
  const baseUrl of [
    "",
    "a",
    "ftp://a/",
    "https://a:b@c/",
    "https://a/?b",
    "https://a/#b",
    "https://{a}/",
  ]
) {
  Deno.test(`the base URL ${JSON.stringify(baseUrl)} is refused`, async () => {
    const error = await imported(DOCUMENT, { baseUrl }).catch((error) => error);
    assertEquals(error.faults?.map(({ path }: { path: string }) => path), ["baseUrl"]);
  });
}

Deno.test("a prefix that no name can begin with is refused", async () => {
  for (const prefix of ["a b", "a/", "x".repeat(33)]) {
    await assertRejects(imported(DOCUMENT, { prefix }), { code: "invalid_request" });
  }
});

Deno.test("credentials go to the operations that want some, and are in no report", async () => {
  const auth = { type: "bearer", token: "s3cr3t-canary" } as const;
  const { tools, ...report } = await imported(DOCUMENT, { auth });
  assertEquals(tools.map((tool) => [tool.name, tool.auth]), [
    ["listPets", auth],
    ["addPet", auth],
    ["deletePet", auth],
    ["status", undefined],
  ]);
  assertEquals(JSON.stringify(report).includes(auth.token), false);
});

Deno.test("a document that speaks of no security gives credentials to all", async () => {
  const auth = { type: "bearer", token: "t" } as const;
  const { tools } = await imported({ ...DOCUMENT, security: undefined }, { auth });
  assertEquals(tools[0]!.auth, auth);
});

Deno.test("a name that is taken gets a number, and stays within 64 characters", async () => {
  const paths = Object.fromEntries(
    Array.from({ length: 12 }, (_, i) => [`/${i}`, { get: { operationId: "x".repeat(80) } }]),
  );
  const { tools } = await imported({ ...DOCUMENT, paths });
  assertEquals(new Set(tools.map(({ name }) => name)).size, 12);
  assertEquals(tools.every(({ name }) => name.length <= 64), true);
});

for (
  const [what, source, code, text] of [
    ["nothing", "", "invalid_request", "It is empty"],
    ["a list", "[]", "invalid_request", "is no object"],
    ["text", "hello", "invalid_request", "is no object"],
    ["Swagger 2.0", { swagger: "2.0" }, "invalid_request", 'is of version "2.0"'],
    ["something newer", { openapi: "4.0.0" }, "invalid_request", 'is of version "4.0.0"'],
    ["something else", { hello: 1 }, "invalid_request", 'has no member "openapi"'],
    ["JSON that ends early", '{"openapi": "3.0.0"', "invalid_request", "is no JSON"],
    ["YAML that is none", "a: [", "invalid_request", "is neither JSON nor YAML"],
    ["two documents", "---\na: 1\n---\nb: 1\n", "invalid_request", "several documents"],
    ["a name twice", "openapi: 3.0.0\nopenapi: 3.0.0\n", "invalid_request", "must be unique"],
    ["too much text", "a".repeat(LIMITS.openApiChars + 1), "too_large", "larger than 4 MiB"],
    ["what is nested without end", "[".repeat(5_000) + "]".repeat(5_000), "too_large", "nested"],
  ] as const
) {
  Deno.test(`${what} is no document`, async () => {
    const error = await imported(source).catch((error) => error);
    assertEquals([error.code, error.message.includes(text)], [code, true], error.message);
  });
}

Deno.test("YAML that stands for very much is refused, and not written out", async () => {
  const lines = Array.from({ length: 12 }, (_, i) => {
    const items = Array(9).fill(i === 0 ? "x" : `*a${i - 1}`).join(", ");
    return `a${i}: &a${i} [${items}]`;
  });
  const error = await imported(`openapi: 3.1.0\n${lines.join("\n")}\n`).catch((error) => error);
  assert.match(error.message, /Excessive alias count/);
});

Deno.test("YAML tags make nothing but values", async () => {
  const text = 'openapi: 3.1.0\nx: !!js/function "function () {}"\npaths: {}\n';
  assertEquals((await imported(text)).tools, []);
});

Deno.test("names that all objects have are names like any other", async () => {
  const text = JSON.stringify(DOCUMENT).replaceAll('"id"', '"__proto__"').replace(
    "{id}",
    "{__proto__}",
  );
  const { tools } = await imported(text);
  assertEquals(tools[2]!.parameters, [{ name: "__proto__", in: "path" }]);
  assertEquals(({} as Record<string, unknown>).type, undefined);
});

Deno.test("SSRF-11: nothing is ever fetched", async () => {
  const { fetch } = globalThis;
  let fetched = 0;
  globalThis.fetch = () => Promise.reject(new Error(String(++fetched)));
  try {
    await imported(await textOf("recursion.json"));
  } finally {
    globalThis.fetch = fetch;
  }
  assertEquals(fetched, 0);
});

for (const form of ["JSON", "YAML"]) {
  Deno.test(`others get their turn between operations, ${form}`, async () => {
    const operations = 300;
    const paths = Array.from({ length: operations }, (_, i) => `"/${i}": {"get": {}}`);
    const json =
      `{"openapi": "3.1.0", "servers": [{"url": "https://a.example"}], "paths": {${paths}}}`;
    const yaml = `openapi: 3.1.0\nservers: [{url: "https://a.example"}]\npaths:\n${
      paths.map((path) => `  ${path}\n`).join("")
    }`;
    let asked = 0;
    const { tools } = await importOpenApi(form === "JSON" ? json : yaml, {}, () => {
      asked++;
      return Promise.resolve();
    });
    assertEquals([tools.length, asked >= operations], [operations, true]);
  });
}
