import type { CodecName } from "../archive/codec.ts";

/** The object that makes a storage a repository. */
export const SETTINGS = "deltar.json";
/** Where commit records lie. */
export const SNAPSHOTS = "snapshots/";

/** The name of a snapshot's commit record. */
export function recordName(id: string): string {
  return `${SNAPSHOTS}${id}.json`;
}

/** The id that a commit record's name holds, if it is one. */
export function idOfRecord(name: string): string | undefined {
  const id = name.slice(SNAPSHOTS.length).replace(/\.json$/, "");
  return name === recordName(id) && ID.test(id) ? id : undefined;
}

/** The name of a snapshot's tree layer. */
export function layerName(id: string, codec: CodecName): string {
  return `trees/${id}.ndjson.${codec === "zstd" ? "zst" : "gz"}`;
}

/** The name of volume `n` of a snapshot's content or signatures. */
export function volumeName(
  folder: "volumes" | "signatures",
  id: string,
  n: number,
  codec: CodecName,
): string {
  return `${folder}/${id}.vol${n}.${codec === "zstd" ? "tar.zst" : "tgz"}`;
}

const ID = /^\d{8}T\d{6}Z-[0-9a-f]{6}$/;

/**
 * A new id: the time to the second, readable; then the milliseconds and
 * chance, three hexadecimal digits each. Ids sort by time.
 *
 * @param now The time, in milliseconds since 1970.
 * @param chance A number from 0 up to 1.
 */
export function newId(now: number, chance: number): string {
  const time = new Date(now).toISOString();
  const seconds = time.slice(0, 19).replaceAll(/[-:]/g, "");
  const hex = (value: number) => value.toString(16).padStart(3, "0");
  return `${seconds}Z-${hex(now % 1000)}${hex(Math.floor(chance * 4096))}`;
}
