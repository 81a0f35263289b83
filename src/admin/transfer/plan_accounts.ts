/**
 * Teams, users, API tokens and revocations of a bundle. Only administrators of the whole gateway
 * import them.
 *
 * @module
 */
import { TOKENS_MAX } from "../../auth/token_service.ts";
import { refuseOwnRights } from "../../auth/user_service.ts";
import { slugFor } from "../../catalog/editing.ts";
import { type Revocation, subjectKey } from "../../domain/account.ts";
import { FaultyRequest, GatewayError } from "../../domain/errors.ts";
import type { UserChange, UserRow } from "../../storage/account_tables.ts";
import type { checkedEntry } from "../api/bundle.ts";
import { LIFE_DAYS_MAX } from "../api/tokens.ts";
import { checkUnrestricted, type Draft, isLeft, type Outcome } from "./draft.ts";
import type { Tables } from "./everything.ts";

type Entry<L extends "teams" | "users" | "tokens" | "revocations"> = ReturnType<
  typeof checkedEntry<L>
>;

const UNCHANGED = { action: "unchanged" } as const;
const SKIPPED = { action: "skipped", reason: "It is there already" } as const;

/** A team is known by its slug: it is never renamed. */
export function planTeam(draft: Draft, entry: Entry<"teams">): Outcome {
  checkUnrestricted(draft.principal, "teams");
  const { name, slug = slugFor(name), members = [] } = entry;
  const description = entry.description ?? undefined;
  const known = draft.teamRows.get(slug);
  if (known === undefined) {
    const id = draft.newId();
    draft.teams.set(slug, id);
    draft.write(async ({ accounts }) => {
      await accounts.teams.create({ id, slug, name, description });
      for (const { email, role = "member" } of members) {
        await accounts.members.put(id, email, role);
      }
    });
    return { action: "created" };
  }
  if (isLeft(draft, "slug", `The team "${slug}"`)) return SKIPPED;
  const { id, revision } = known;
  const roles = new Map(draft.all.members.get(id)?.map(({ key, role }) => [key, role]));
  const added = members.filter(({ email, role }) => {
    const known = roles.get(subjectKey(email));
    return known === undefined || (role !== undefined && role !== known);
  });
  const next = { name, description: description ?? known.description };
  const isRenamed = next.name !== known.name || next.description !== known.description;
  if (!isRenamed && added.length === 0) return UNCHANGED;
  draft.write(async ({ accounts }) => {
    if (isRenamed) await accounts.teams.update(id, revision, next);
    for (const { email, role = "member" } of added) await accounts.members.put(id, email, role);
  });
  return { action: "updated" };
}

export function planUser(draft: Draft, entry: Entry<"users">): Outcome {
  checkUnrestricted(draft.principal, "users");
  const { email, deleted, isAdmin, enabled } = entry;
  const key = subjectKey(email);
  const known = draft.users.get(key);
  if (known === undefined) {
    const user = {
      email,
      fullName: entry.fullName ?? undefined,
      isAdmin: !deleted && (isAdmin ?? false),
      enabled: enabled ?? true,
    };
    draft.write(async ({ accounts }) => {
      const { revision } = await accounts.users.create(user);
      if (deleted) await accounts.users.update(key, revision, { isDeleted: true });
    });
    return { action: "created" };
  }
  if (isLeft(draft, "email", `The user "${email}"`)) return SKIPPED;
  const change = changeOf(known, entry);
  if (change === undefined) return UNCHANGED;
  refuseOwnRights(draft.principal, key, change);
  draft.write(async ({ accounts }) => {
    await accounts.users.update(key, known.revision, change);
    if (deleted) await strip(draft, key, accounts);
  });
  return { action: "updated" };
}

/** `undefined` when nothing would be different. */
function changeOf(known: UserRow, entry: Entry<"users">): UserChange | undefined {
  if (entry.deleted) return known.isDeleted ? undefined : { isDeleted: true, isAdmin: false };
  const { fullName, isAdmin = known.isAdmin, enabled = known.enabled } = entry;
  const next = { fullName: fullName ?? known.fullName, isAdmin, enabled, isDeleted: false };
  const isSame = next.fullName === known.fullName && isAdmin === known.isAdmin &&
    enabled === known.enabled && !known.isDeleted;
  return isSame ? undefined : next;
}

/** As removing a user does: memberships and API tokens go. */
async function strip({ all }: Draft, key: string, accounts: Tables["accounts"]): Promise<void> {
  for (const { id, ownerKey } of all.tokens) {
    if (ownerKey === key) await accounts.tokens.remove(id);
  }
  for (const [team, members] of all.members) {
    if (members.some((one) => one.key === key)) await accounts.members.remove(team, key);
  }
}

const DAY_MS = 86_400_000;

/** A token of which the hash is not known opens nothing. */
export function planToken(draft: Draft, entry: Entry<"tokens">): Outcome {
  checkUnrestricted(draft.principal, "API tokens");
  const { all, nowMs, secrets } = draft;
  const { id, name, owner, teams, scopes } = entry;
  const hashes = secrets?.tokens ?? {};
  const hash = Object.hasOwn(hashes, id) ? hashes[id] : undefined;
  const createdMs = Date.parse(entry.createdAt);
  const expiresMs = Date.parse(entry.expiresAt);
  checkTimes(createdMs, expiresMs, nowMs);
  if (all.tokens.some((token) => token.id === id)) {
    isLeft(draft, "id", `The API token "${name}"`);
    return SKIPPED;
  }
  if (expiresMs <= nowMs) return { action: "skipped", reason: "It has expired" };
  if (hash === undefined) {
    return { action: "skipped", reason: "Only a bundle with a passphrase brings API tokens along" };
  }
  if (all.tokens.some((token) => token.hash === hash)) return SKIPPED;
  const ownerKey = subjectKey(owner);
  const count = draft.tokenCounts.get(ownerKey) ?? 0;
  if (count >= TOKENS_MAX) throw tooMany(owner);
  draft.tokenCounts.set(ownerKey, count + 1);
  const onlyServer = scopes?.server_id ?? undefined;
  draft.write(({ accounts }) =>
    accounts.tokens.create({
      id,
      hash,
      name,
      ownerKey,
      owner,
      // A team that is not there stays one that its owner is not in.
      teams: teams === "*" ? "stored" : teams?.map((team) => draft.teams.get(team) ?? team),
      permissions: scopes?.permissions ?? undefined,
      onlyServer: onlyServer && (draft.newSlugs.get(onlyServer) ?? onlyServer),
      createdMs,
      expiresMs,
    })
  );
  return { action: "created" };
}

function tooMany(owner: string): GatewayError {
  return new GatewayError("conflict", `${owner} would have more than ${TOKENS_MAX} API tokens`);
}

/** @throws {FaultyRequest} for what no API token could have */
function checkTimes(createdMs: number, expiresMs: number, nowMs: number): void {
  const lifeMs = LIFE_DAYS_MAX * DAY_MS;
  const faults = [
    ...Number.isFinite(createdMs) && createdMs <= nowMs + DAY_MS ? [] : ["createdAt"],
    ...expiresMs > createdMs && expiresMs - createdMs <= lifeMs ? [] : ["expiresAt"],
  ].map((path) => ({ path, message: "is no time that an API token could have" }));
  if (faults.length === 0) return;
  throw new FaultyRequest("invalid_request", "The API token cannot be imported", faults);
}

export function planRevocation(draft: Draft, entry: Entry<"revocations">): Outcome {
  checkUnrestricted(draft.principal, "revocations");
  const { nowMs, all } = draft;
  const tokenId = entry.jti ?? undefined;
  const subject = entry.subject ?? undefined;
  const saidMs = entry.createdAt === undefined ? nowMs : Date.parse(entry.createdAt);
  // One of the future would revoke what is not made yet.
  const createdMs = Number.isFinite(saidMs) ? Math.min(saidMs, nowMs) : nowMs;
  const covers = (one: Revocation) =>
    tokenId !== undefined
      ? one.tokenId === tokenId
      : one.subject !== undefined && subjectKey(one.subject) === subjectKey(subject!) &&
        one.createdMs >= createdMs;
  if (all.revocations.some(covers)) {
    isLeft(draft, tokenId === undefined ? "subject" : "jti", "The revocation");
    return SKIPPED;
  }
  const id = draft.newId();
  const reason = entry.reason ?? undefined;
  draft.write(({ accounts }) =>
    accounts.revocations.create({ id, tokenId, subject, reason, createdMs })
  );
  return { action: "created" };
}
