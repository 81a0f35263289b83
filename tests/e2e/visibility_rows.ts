/**
 * Who sees what, row by row, as security.md, section 4.6, has it, and the tokens of these callers.
 *
 * The items are of Alice, and of the team t1, of which she and Carol are; Bob is of t2. "By claim
 * only" is an external issuer's token (contract.md, section 8, "Identity").
 *
 * @module
 */
import type { TestIssuer, TestKey } from "../support/oidc_issuer.ts";
import { mintToken } from "../support/tokens.ts";

export const ALICE = "alice@example.com";
export const TEAMS = { t1: [ALICE, "carol@example.com"], t2: ["bob@example.com"] };
export const ROOT = "keeper@example.com";

/** In the order of a row's cells. Of one length, so that replies are that apart from the name. */
export const SHOWN = ["pubs", "team", "priv"] as const;
export type Shown = typeof SHOWN[number];
/** What is not there at all. */
export const MISSING = "none";

export interface Row {
  readonly caller: string;
  /** A yes or no for each of `SHOWN`, or the status of whatever is asked. */
  readonly sees: string | 401 | 403;
  /** `undefined` without a credential. */
  readonly token: (external: External) => Promise<string | undefined>;
}

/** An issuer that is trusted for whom it names. */
export interface External {
  readonly issuer: TestIssuer;
  readonly key: TestKey;
}

export const ROWS: readonly Row[] = [
  { caller: "anonymous", sees: "yes no no", token: () => Promise.resolve(undefined) },
  own("alice, absent", ALICE, {}, "yes no no"),
  own("alice, null", ALICE, { teams: null }, "yes no no"),
  own("alice, []", ALICE, { teams: [] }, "yes no no"),
  own("alice, [t1]", ALICE, { teams: ["t1"] }, "yes yes yes"),
  own("alice, [t2]", ALICE, { teams: ["t2"] }, 403),
  own("carol, [t1]", "carol@example.com", { teams: ["t1"] }, "yes yes no"),
  own("bob, [t2]", "bob@example.com", { teams: ["t2"] }, "yes no no"),
  own("bob, [t1]", "bob@example.com", { teams: ["t1"] }, 403),
  own("bob, [t1, t2]", "bob@example.com", { teams: ["t1", "t2"] }, 403),
  own("admin by store, absent", ROOT, {}, "yes yes yes"),
  own("admin by store, null", ROOT, { teams: null }, "yes yes yes"),
  own("admin by store, []", ROOT, { teams: [] }, "yes no no"),
  own("admin by store, [t1]", ROOT, { teams: ["t1"] }, "yes yes no"),
  {
    caller: "admin by claim only, absent",
    sees: "yes no no",
    token: ({ issuer, key }) => issuer.token(key, { sub: "boss@example.com", is_admin: true }),
  },
  ...["t1", 7, {}, [7]].map((teams) =>
    own(`any, teams ${JSON.stringify(teams)}`, ALICE, { teams }, 401)
  ),
];

function own(caller: string, sub: string, claims: object, sees: Row["sees"]): Row {
  return { caller, sees, token: () => mintToken({ sub, ...claims }) };
}
