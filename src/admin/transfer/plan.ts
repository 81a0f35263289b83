/**
 * Works out an import: what becomes of each record of a bundle, and what has to be written for it.
 *
 * @module
 */
import { isUnrestricted } from "../../domain/access.ts";
import { subjectKey } from "../../domain/account.ts";
import { type ErrorCode, type Fault, FaultyRequest, GatewayError } from "../../domain/errors.ts";
import type { ItemKind } from "../../domain/item.ts";
import { slugOf } from "../../domain/server.ts";
import { type Bundle, type BundleList, checkedEntry } from "../api/bundle.ts";
import { type Action, createDraft, type Draft, type DraftDeps, type Outcome } from "./draft.ts";
import { planRevocation, planTeam, planToken, planUser } from "./plan_accounts.ts";
import { planItem } from "./plan_items.ts";
import { planOwn } from "./plan_own.ts";
import { planServer, planUpstream } from "./plan_servers.ts";

export interface PlannedRecord {
  readonly kind: string;
  readonly name: string;
  readonly action: Action;
  readonly reason?: string | undefined;
  readonly newName?: string | undefined;
}

export interface Plan {
  readonly records: readonly PlannedRecord[];
  readonly draft: Draft;
  /** Empty when it can be carried out. */
  readonly refusals: readonly Refusal[];
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly faults: readonly Fault[];
}

/** Whoever is named comes before whoever names it. */
const PLANNERS: readonly {
  readonly list: BundleList;
  readonly kind: string;
  readonly plan: (draft: Draft, entry: unknown, name: string) => Outcome | Promise<Outcome>;
}[] = [
  {
    list: "teams",
    kind: "team",
    plan: (draft, entry) => planTeam(draft, checkedEntry("teams", entry)),
  },
  {
    list: "users",
    kind: "user",
    plan: (draft, entry) => planUser(draft, checkedEntry("users", entry)),
  },
  {
    list: "upstreams",
    kind: "upstream",
    plan: (draft, entry) => planUpstream(draft, checkedEntry("upstreams", entry)),
  },
  {
    list: "tools",
    kind: "tool",
    plan: (draft, entry, name) => planOwn(draft, "tool", checkedEntry("tools", entry), name),
  },
  {
    list: "prompts",
    kind: "prompt",
    plan: (draft, entry, name) => planOwn(draft, "prompt", checkedEntry("prompts", entry), name),
  },
  {
    list: "resources",
    kind: "resource",
    plan(draft, entry, name) {
      const checked = checkedEntry("resources", entry);
      const kind: ItemKind = checked.uri === undefined ? "template" : "resource";
      return planOwn(draft, kind, checked, name);
    },
  },
  {
    list: "items",
    kind: "item",
    plan: (draft, entry) => planItem(draft, checkedEntry("items", entry)),
  },
  {
    list: "servers",
    kind: "server",
    plan: (draft, entry) => planServer(draft, checkedEntry("servers", entry)),
  },
  {
    list: "tokens",
    kind: "token",
    plan: (draft, entry) => planToken(draft, checkedEntry("tokens", entry)),
  },
  {
    list: "revocations",
    kind: "revocation",
    plan: (draft, entry) => planRevocation(draft, checkedEntry("revocations", entry)),
  },
];

export async function planImport(bundle: Bundle, deps: DraftDeps): Promise<Plan> {
  const draft = createDraft(deps);
  const records: PlannedRecord[] = [];
  const refusals: Refusal[] = [];
  for (const { list, kind, plan } of PLANNERS) {
    const seen = new Set<string>();
    for (const [i, entry] of (bundle[list] ?? []).entries()) {
      await deps.pace();
      const name = nameOf(entry, list);
      try {
        refuseDouble(seen, keyOf(entry, list));
        records.push({ kind, name, ...noted(draft, await plan(draft, entry, name)) });
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        const refusal = refusalOf(error, `${list}.${i}`);
        refusals.push(refusal);
        const reason = refusal.faults.map(({ path, message }) => `${path} ${message}`).join("; ");
        records.push({ kind, name, action: "failed", reason });
      }
    }
  }
  if (bundle.teamsHaveBeen && !deps.all.teamsHaveBeen && isUnrestricted(deps.principal)) {
    draft.write(({ accounts }) => accounts.teams.begin());
  }
  return { records, draft, refusals };
}

/** A team that nobody knows hides what it is the only one to see. */
function noted({ unknownTeams }: Draft, outcome: Outcome): Outcome {
  const [team] = unknownTeams;
  unknownTeams.clear();
  if (team === undefined) return outcome;
  const text = `There is no team "${team}" here: only administrators see it`;
  return { ...outcome, reason: outcome.reason === undefined ? text : `${outcome.reason}. ${text}` };
}

function refuseDouble(seen: Set<string>, key: string | undefined): void {
  if (key === undefined) return;
  if (!seen.has(key)) return void seen.add(key);
  throw new FaultyRequest("invalid_request", "The record is there twice", [
    { path: "", message: "is in the bundle twice" },
  ]);
}

function refusalOf(error: GatewayError, at: string): Refusal {
  const faults = error instanceof FaultyRequest ? error.faults : [];
  const placed = faults.map(({ path, message }) => ({
    path: path === "" ? at : `${at}.${path}`,
    message,
  }));
  return {
    code: error.code,
    faults: placed.length > 0 ? placed : [{ path: at, message: error.message }],
  };
}

const NAME_CHARS_MAX = 200;

/** For the report, of what may be anything. */
function nameOf(entry: unknown, list: BundleList): string {
  const { name, email, uri, uriTemplate, upstream, upstreamName, jti, subject } = textsOf(entry);
  const parts = list === "items"
    ? [upstream, upstreamName]
    : list === "resources"
    ? [uri ?? uriTemplate]
    : [name ?? email ?? jti ?? subject];
  return parts.filter((part) => part !== undefined).join(" ").slice(0, NAME_CHARS_MAX);
}

/** By what a record is known; `undefined` where several may be alike. */
function keyOf(entry: unknown, list: BundleList): string | undefined {
  const { name, slug, email, uri, uriTemplate, upstream, kind, upstreamName, id } = textsOf(entry);
  switch (list) {
    case "teams":
    case "upstreams":
    case "servers":
      return slug ?? slugOf(name ?? "");
    case "users":
      return subjectKey(email ?? "");
    case "tools":
    case "prompts":
      return name;
    case "resources":
      return uri ?? uriTemplate;
    case "items":
      return JSON.stringify([upstream, kind, upstreamName]);
    case "tokens":
      return id;
    case "revocations":
      return undefined;
  }
}

function textsOf(entry: unknown): Readonly<Record<string, string | undefined>> {
  if (typeof entry !== "object" || entry === null) return {};
  return Object.fromEntries(
    Object.entries(entry).filter(([, value]) => typeof value === "string"),
  );
}
