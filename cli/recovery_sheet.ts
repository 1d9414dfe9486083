import type { Repository } from "../mod.ts";
import type { RepositoryKeys } from "../lib/repository/mod.ts";
import { formatDate, showText } from "./text.ts";

/** Returns the lines of the page by which a repository can be read anywhere. */
export function recoverySheet(
  { id, storage }: Repository,
  keys: RepositoryKeys,
): string[] {
  const identities = keys.identities();
  const secret = identities.length === 1
    ? "Secret key. Whoever has this line and the repository can read everything in it:"
    : `Secret keys, the newest first. Whoever has these lines and the repository can
read everything in it:`;
  return `Recovery sheet of a deltar repository
=====================================

Location:   ${showText(storage.location)}
Repository: ${id}
Printed:    ${formatDate(Date.now())}
Recipient:  ${keys.recipient()}

${secret}

    ${identities.join("\n    ")}

To restore with deltar, write ${
    identities.length === 1 ? "this line" : "these lines"
  } into a file KEY:

    DELTAR_IDENTITY=KEY deltar list --repo LOCATION
    DELTAR_IDENTITY=KEY deltar restore latest --repo LOCATION --to FOLDER

To restore without deltar, you need age, zstd, tar, jq and rdiff. Each object is
an age file:

    age -d -i KEY snapshots/ID.json.age
    age -d -i KEY volumes/ID.vol0.tar.zst.age | zstd -dc | tar -tv

The page RECOVERY.md of deltar has a script that restores any snapshot this way.`
    .split("\n");
}
