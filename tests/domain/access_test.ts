/**
 * Who may see and use what, as a table of cases.
 *
 * @module
 * @see security.md, section 4.6
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  audienceOf,
  mayEnter,
  maySee,
  maySeeItem,
  missingForSubscription,
  missingPermission,
} from "../../src/domain/access.ts";
import { ANONYMOUS, type Principal } from "../../src/domain/principal.ts";
import type { Audience } from "../../src/domain/server.ts";

const PUBLIC = server({ visibility: "public" });
const TEAM = server({ visibility: "team", team: "red" });
const PRIVATE = server({ visibility: "private", owner: "alice@example.com" });

const WHO: readonly (readonly [string, Principal, boolean, boolean, boolean])[] = [
  ["anonymous", ANONYMOUS, true, false, false],
  ["a user without teams claim", user({}), true, false, false],
  ["a user of no teams", user({ teams: [] }), true, false, false],
  ["a user of another team", user({ teams: ["blue"] }), true, false, true],
  ["a user of the team", user({ teams: ["blue", "red"] }), true, true, true],
  [
    "another user of the team",
    user({ subject: "bob@example.com", teams: ["red"] }),
    true,
    true,
    false,
  ],
  [
    "a user whose address is written with other capitals",
    user({ subject: "ALICE@example.com", teams: ["red"] }),
    true,
    true,
    true,
  ],
  [
    "a user of the team to whom nothing belongs",
    user({ teams: ["red"], seesOwn: false }),
    true,
    true,
    false,
  ],
  ["a team that only begins alike", user({ teams: ["red2", "re"] }), true, false, true],
  ["an admin without teams claim", user({ isAdmin: true }), true, true, true],
  ["an admin of no teams", user({ isAdmin: true, teams: [] }), true, false, false],
  [
    "an admin of another team",
    user({ subject: "bob@example.com", isAdmin: true, teams: ["blue"] }),
    true,
    false,
    false,
  ],
];

for (const [who, principal, seesPublic, seesTeam, seesPrivate] of WHO) {
  Deno.test(`${who} ${sees(seesPublic)} a public server`, () => {
    assertEquals(maySee(principal, PUBLIC), seesPublic);
  });
  Deno.test(`${who} ${sees(seesTeam)} a server of the team red`, () => {
    assertEquals(maySee(principal, TEAM), seesTeam);
  });
  Deno.test(`${who} ${sees(seesPrivate)} a private server of alice`, () => {
    assertEquals(maySee(principal, PRIVATE), seesPrivate);
  });
}

Deno.test("a credential for another server does not enter", () => {
  assertEquals(mayEnter(user({ onlyServer: "b" }), "a", "id-of-a"), false);
});

Deno.test("a credential for another server binds an admin too", () => {
  assertEquals(mayEnter(user({ isAdmin: true, onlyServer: "b" }), "a", "id-of-a"), false);
});

Deno.test("a credential for one server enters that one, by slug and by id", () => {
  assertEquals(mayEnter(user({ onlyServer: "a" }), "a", "id-of-a"), true);
  assertEquals(mayEnter(user({ onlyServer: "id-of-a" }), "a", "id-of-a"), true);
});

Deno.test("a credential for one server does not enter what shows all of them", () => {
  assertEquals(mayEnter(user({ onlyServer: "a" })), false);
});

Deno.test("a credential without such a bound enters everything", () => {
  assertEquals(mayEnter(user({})), true);
});

Deno.test("a credential for one server does not open it by itself", () => {
  assertEquals(maySee(user({ onlyServer: "a" }), TEAM), false);
});

const NARROW: Readonly<Record<string, Audience>> = {
  "everybody": PUBLIC,
  "the team red": TEAM,
  "alice alone": PRIVATE,
};
const CALLERS: readonly Principal[] = WHO.map(([, principal]) => principal);

for (const [whose, server] of Object.entries(NARROW)) {
  for (const [whom, audience] of Object.entries(NARROW)) {
    Deno.test(`an item for ${whom}, of a server for ${whose}, is for who sees both`, () => {
      const item = { audience };
      for (const principal of CALLERS) {
        const both = maySee(principal, server) && maySee(principal, audience);
        assertEquals(maySeeItem(principal, { server, item }), both);
      }
    });

    Deno.test(`an item for ${whom}, of a server for ${whose}, is called by the narrower`, () => {
      const names = Object.values(NARROW);
      const narrower = Math.max(names.indexOf(server), names.indexOf(audience));
      assertEquals(audienceOf({ server, item: { audience } }), names[narrower]);
    });
  }

  Deno.test(`an item of which nothing is said, of a server for ${whose}, is for the same`, () => {
    const offered = { server, item: { audience: undefined } };
    assertEquals(audienceOf(offered), server);
    for (const principal of CALLERS) {
      assertEquals(maySeeItem(principal, offered), maySee(principal, server));
    }
  });
}

Deno.test("a team server without a team is nobody's", () => {
  const broken = server({ visibility: "team" });
  assertEquals(maySee(user({ teams: ["red"] }), broken), false);
});

Deno.test("a private server without an owner is nobody's", () => {
  assertEquals(
    maySee({ ...user({ teams: [""] }), subject: "" }, server({ visibility: "private" })),
    false,
  );
});

for (
  const [method, permission] of [
    ["tools/list", "tools.read"],
    ["tools/call", "tools.execute"],
    ["prompts/list", "prompts.read"],
    ["prompts/get", "prompts.read"],
    ["resources/list", "resources.read"],
    ["resources/templates/list", "resources.read"],
    ["resources/read", "resources.read"],
    ["resources/subscribe", "resources.read"],
  ] as const
) {
  Deno.test(`${method} needs ${permission}`, () => {
    assertEquals(missingPermission(user({ permissions: ["servers.read"] }), method), permission);
  });

  Deno.test(`${permission} is enough for ${method}`, () => {
    assertEquals(missingPermission(user({ permissions: [permission] }), method), undefined);
  });

  for (const all of ["*", "admin"]) {
    Deno.test(`"${all}" is enough for ${method}`, () => {
      assertEquals(missingPermission(user({ permissions: [all] }), method), undefined);
    });
  }

  Deno.test(`no restriction is enough for ${method}`, () => {
    assertEquals(missingPermission(user({}), method), undefined);
  });

  Deno.test(`an empty list of permissions is not enough for ${method}`, () => {
    assertEquals(missingPermission(user({ permissions: [] }), method), permission);
  });
}

for (
  const [part, permission] of [
    ["toolsListChanged", "tools.read"],
    ["promptsListChanged", "prompts.read"],
    ["resourcesListChanged", "resources.read"],
    ["resourceSubscriptions", "resources.read"],
  ] as const
) {
  Deno.test(`listening for ${part} needs ${permission}`, () => {
    const principal = user({ permissions: ["tools.execute"] });
    assertEquals(missingForSubscription(principal, { [part]: true }), permission);
  });

  for (const granted of [permission, "*", "admin"]) {
    Deno.test(`"${granted}" is enough to listen for ${part}`, () => {
      const principal = user({ permissions: [granted] });
      assertEquals(missingForSubscription(principal, { [part]: true }), undefined);
    });
  }
}

Deno.test("listening needs the permission for every part of the filter", () => {
  const filter = { toolsListChanged: true, promptsListChanged: true };
  const principal = user({ permissions: ["tools.read"] });
  assertEquals(missingForSubscription(principal, filter), "prompts.read");
});

Deno.test("listening needs nothing more without a restriction", () => {
  assertEquals(missingForSubscription(user({}), { toolsListChanged: true }), undefined);
});

Deno.test("being an admin does not widen a credential that names its permissions", () => {
  const principal = user({ isAdmin: true, permissions: ["tools.read"] });
  assertEquals(missingPermission(principal, "tools/call"), "tools.execute");
});

for (const method of ["server/discover", "completion/complete", "notifications/cancelled", "a/b"]) {
  Deno.test(`${method} needs some permission, whichever`, () => {
    assertEquals(missingPermission(user({ permissions: ["tools.read"] }), method), undefined);
  });

  Deno.test(`${method} is refused to a credential that permits nothing`, () => {
    assertEquals(missingPermission(user({ permissions: [] }), method) !== undefined, true);
  });
}

for (const method of ["constructor", "toString", "__proto__"]) {
  Deno.test(`the method name ${method} is a name like any other`, () => {
    assertEquals(missingPermission(user({ permissions: ["tools.read"] }), method), undefined);
  });
}

function user(more: Partial<Principal>): Principal {
  const { isAdmin = false, teams = isAdmin ? undefined : [] } = more;
  const seesOwn = teams === undefined || teams.length > 0;
  const subject = "alice@example.com";
  return { ...ANONYMOUS, kind: "gateway_jwt", subject, seesOwn, ...more, teams };
}

function server(more: Partial<Audience>): Audience {
  return { visibility: "public", team: undefined, owner: undefined, ...more };
}

function sees(does: boolean): string {
  return does ? "sees" : "does not see";
}
