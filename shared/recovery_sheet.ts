import { formatDate } from "./text.ts";

/** The fields of a recovery sheet. */
export interface RecoverySheet {
  /** The location of the repository, as it is printed. */
  location: string;
  /** The URL of the S3 server, if one was given. */
  endpoint?: string;
  /** The id of the repository. */
  id: string;
  /** The recipient that new objects are encrypted for (`age1…`). */
  recipient: string;
  /**
   * The identities of the repository (`AGE-SECRET-KEY-1…`), the newest first.
   */
  identities: readonly string[];
  /** The time of printing, in milliseconds since 1970. */
  printed: number;
}

/**
 * Returns the text of a recovery sheet, which ends with a newline. Anyone who
 * has the sheet and the encrypted repository can read everything in the
 * repository.
 */
export function recoverySheet(
  { location, endpoint, id, recipient, identities, printed }: RecoverySheet,
): string {
  const isOne = identities.length === 1;
  const secret = isOne
    ? "Secret key. Whoever has this line and the repository can read everything in it:"
    : `Secret keys, the newest first. Whoever has these lines and the repository can
read everything in it:`;
  return `Recovery sheet of a deltar repository
=====================================

Location:   ${location}${endpoint ? `\nS3 server:  ${endpoint}` : ""}
Repository: ${id}
Printed:    ${formatDate(printed)}
Recipient:  ${recipient}

${secret}

    ${identities.join("\n    ")}

To restore with deltar, write ${
    isOne ? "this line" : "these lines"
  } into a file KEY:

    DELTAR_IDENTITY=KEY deltar list --repo LOCATION
    DELTAR_IDENTITY=KEY deltar restore ID --repo LOCATION --to FOLDER

To restore without deltar, you need age, zstd, tar, jq and rdiff. Each object
whose name ends in .age is an age file:

    age -d -i KEY snapshots/ID.json.age
    age -d -i KEY volumes/ID.vol0.tar.zst.age | zstd -dc | tar -tv

The page RECOVERY.md of deltar has a script that restores any snapshot this way.
`;
}
