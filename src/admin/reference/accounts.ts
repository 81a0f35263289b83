/**
 * Teams and users, where the document of the reference system has them.
 *
 * @module
 * @see reference/behaviour.md, section 7.8
 */
import { subjectKey } from "../../domain/account.ts";
import { slugOf } from "../../domain/server.ts";
import { email } from "../api/schemas.ts";
import { type Entry, entryOf, isObject, NotTaken } from "./entry.ts";
import { slugFor } from "./names.ts";
import type { OwnNotes } from "./notes.ts";
import { referencesTo } from "./register.ts";
import { descriptionOf } from "./texts.ts";
import { fitting, isOff, type World } from "./world.ts";

export function takeTeam(world: World, entry: Entry, notes: OwnNotes): void {
  const name = entry.text("name");
  if (name === undefined) throw new NotTaken('It has no "name"');
  if (entry.flag("is_personal")) {
    throw new NotTaken("It is somebody's personal team: what is private needs no team here");
  }
  if (isOff(entry)) throw new NotTaken("It is switched off");
  const wanted = slugFor(name, entry.text("slug"));
  // Who may join by themselves: nobody may here.
  entry.any("visibility");
  const team = fitting(world, "teams", {
    name,
    description: descriptionOf(entry, notes),
    members: membersOf(entry, notes),
  });
  const slug = world.teamSlugs.take(wanted);
  if (slug !== wanted) notes.lost(`Its slug is "${slug}" here: another one has "${wanted}"`);
  world.lists.teams.push(slug === slugOf(name) ? team : { ...team, slug });
  world.teams.add(referencesTo(entry), slug);
}

type Member = { email: string; role: "owner" | "member" };

function membersOf(entry: Entry, { lost }: OwnNotes): Member[] | undefined {
  const given = entry.list("members") ?? [];
  const members = new Map<string, Member>();
  for (const each of given) {
    const member = entryOf(isObject(each) ? each : { email: each });
    const address = email.safeParse(member.peek("user_email") ?? member.peek("email"));
    if (!address.success || isOff(member)) continue;
    const role = member.peek("role") === "owner" ? "owner" : "member";
    members.set(subjectKey(address.data), { email: address.data, role });
  }
  const left = given.length - members.size;
  if (left > 0) lost(`Members left out, as they have no address or are switched off: ${left}`);
  return members.size === 0 ? undefined : [...members.values()];
}

export function takeUser(world: World, entry: Entry): void {
  const address = entry.text("email");
  if (address === undefined) throw new NotTaken('It has no "email"');
  const user = fitting(world, "users", {
    email: address,
    fullName: entry.text("full_name"),
    isAdmin: entry.flag("is_admin") ? true : undefined,
    enabled: isOff(entry) ? false : undefined,
  });
  const key = subjectKey(address);
  if (world.userKeys.has(key)) throw new NotTaken("A user before it has the same address");
  world.userKeys.add(key);
  world.lists.users.push(user);
}
