/**
 * `sallyport keys rotate`: seals stored credentials with a new key.
 *
 * @module
 */
import { systemClock } from "../platform/clock.ts";
import { migrate } from "../storage/migrate.ts";
import { createKeyring } from "../storage/sealed.ts";
import { type ResealCounts, resealSecrets } from "../storage/tables/reseal.ts";
import { configFrom, parseOptions, UsageError } from "./args.ts";
import { withDatabase } from "./database_place.ts";
import { encryptionSecretOf } from "./encryption_secret.ts";

export async function keys(args: readonly string[]): Promise<number> {
  const [action, ...options] = args;
  if (action !== "rotate") throw new UsageError('"keys" is followed by "rotate"');
  const config = configFrom(parseOptions(options, {}));
  const keyring = createKeyring(await encryptionSecretOf(config), config.encryptionSecretPrevious);
  const counts = await withDatabase(config, async (database) => {
    await migrate(database, { clock: systemClock });
    return await resealSecrets(database, keyring);
  });
  for (const line of report(counts)) console.log(line);
  return counts.unreadable === 0 ? 0 : 1;
}

function report({ resealed, current, unreadable, unreadableOf }: ResealCounts): readonly string[] {
  return [
    `Sealed anew with the current key: ${resealed}`,
    `Sealed with it already: ${current}`,
    `Opened by neither key: ${unreadable}`,
    ...unreadableOf.map((name) => `  ${name}: its credentials have to be set again`),
  ];
}
