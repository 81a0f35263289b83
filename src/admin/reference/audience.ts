/**
 * Who may see an entry of the reference system's document.
 *
 * Nothing is shown to more people than before: where it cannot be said to whom, it is private.
 *
 * @module
 * @see reference/behaviour.md, section 7.3
 */
import { email } from "../api/schemas.ts";
import type { Visibility } from "../../domain/server.ts";
import type { Entry } from "./entry.ts";
import type { OwnNotes } from "./notes.ts";

export interface Audience {
  readonly visibility?: Visibility;
  /** Its slug. */
  readonly teamId?: string;
  readonly owner?: string;
}

/** @param teamOf slug of a team in the document, by its id, name or slug */
export function audienceOf(
  entry: Entry,
  teamOf: (reference: string) => string | undefined,
  { lost }: OwnNotes,
): Audience {
  const references = [entry.text("team_id"), entry.text("team")];
  const isOfTeam = references[0] !== undefined;
  const given = entry.text("visibility")?.toLowerCase() ?? (isOfTeam ? "team" : undefined);
  const owner = ownerOf(entry);
  if (given === undefined || given === "public") {
    return { ...given && { visibility: given }, ...owner };
  }
  if (given === "private") return { visibility: given, ...owner };
  if (given !== "team") {
    lost('Its "visibility" is unknown: it is private here');
    return { visibility: "private", ...owner };
  }
  const teamId = references.flatMap((one) => one === undefined ? [] : teamOf(one) ?? [])[0];
  if (teamId !== undefined) return { visibility: "team", teamId, ...owner };
  lost("Its team is not among the teams of the document: it is private here");
  return { visibility: "private", ...owner };
}

function ownerOf(entry: Entry): Audience {
  const address = email.safeParse(entry.text("owner_email"));
  return address.success ? { owner: address.data } : {};
}
