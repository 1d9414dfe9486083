import { isAbsolute } from "node:path";
import process from "node:process";
import { DeltarError, type SnapshotRecord } from "../mod.ts";
import { placeOf } from "../lib/repository/mod.ts";

/**
 * Returns the absolute path of a snapshot's directory or, if the snapshot has
 * several directories, of the folder that contains them.
 *
 * @param record The snapshot.
 * @param advice The sentence that says what to do if the path is not absolute
 * on this system.
 * @throws {DeltarError} `unsafe` if the path is not absolute on this system. On
 * Windows, `/work` is relative to the current drive. On other systems,
 * `C:\work` is relative to the current directory.
 */
export function placeHere(record: SnapshotRecord, advice: string): string {
  const place = placeOf(record);
  const isHere = process.platform === "win32"
    ? /^(?:[a-z]:[\\/]|[\\/]{2})/i.test(place)
    : isAbsolute(place);
  if (isHere) return place;
  throw new DeltarError(
    "unsafe",
    `the snapshot's directory is not an absolute path on this system: ${place}. ` +
      advice,
  );
}
