/**
 * Teams of a started gateway, made through its API.
 *
 * @module
 */
import { mintToken } from "./tokens.ts";

/**
 * @param origin of the gateway
 * @param teams members by slug
 */
export async function haveTeams(
  origin: string,
  teams: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const token = await mintToken({ is_admin: true, sub: "teams@example.com" });
  const send = async (method: string, path: string, body: unknown) => {
    const response = await fetch(`${origin}/api/teams${path}`, {
      method,
      headers: { "Authorization": `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  };
  for (const [slug, members] of Object.entries(teams)) {
    await send("POST", "", { name: slug, slug });
    for (const email of members) {
      await send("PUT", `/${slug}/members/${encodeURIComponent(email)}`, { role: "member" });
    }
  }
}
