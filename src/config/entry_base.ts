/**
 * What entries of both kinds have: a name that becomes a slug, an audience, a switch.
 *
 * @module
 */
import { z } from "zod";
import { type Audience, isSlug, slugOf, VISIBILITIES } from "../domain/server.ts";
import type { Reading } from "./reading.ts";

export const BASE_FIELDS = {
  title: z.string().optional(),
  visibility: z.enum(VISIBILITIES).optional(),
  team: z.string().optional(),
  owner: z.string().optional(),
  enabled: z.boolean().optional(),
  disabled: z.boolean().optional(),
};

interface BaseEntry {
  readonly visibility?: Audience["visibility"] | undefined;
  readonly team?: string | undefined;
  readonly owner?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly disabled?: boolean | undefined;
}

/** Clients write either `disabled` or `enabled`: one that says no is enough. */
export function isEnabled({ enabled, disabled }: BaseEntry): boolean {
  return enabled !== false && disabled !== true;
}

export function readSlug({ problems }: Reading, name: string, path: string): string {
  const slug = slugOf(name);
  if (!isSlug(slug)) problems.push(`${path}: the name needs letters or digits, at most 128`);
  return slug;
}

export function readAudience({ problems }: Reading, entry: BaseEntry, path: string): Audience {
  const { visibility = "public", team, owner } = entry;
  if (visibility === "team" && !team) problems.push(`${path}.team: needed with "team"`);
  if (visibility === "private" && !owner) problems.push(`${path}.owner: needed with "private"`);
  return {
    visibility,
    team: visibility === "team" ? team : undefined,
    owner: visibility === "private" ? owner : undefined,
  };
}
