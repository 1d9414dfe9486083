import { DeltarError } from "../bytes/errors.ts";
import { collect } from "../bytes/source.ts";
import type { Storage } from "../storage/storage.ts";
import { parseTime } from "./moment.ts";

/**
 * A small object's bytes, or `undefined` if the storage says, now, that there
 * is none.
 */
export async function readIfThere(
  storage: Storage,
  name: string,
): Promise<Uint8Array | undefined> {
  try {
    return await collect(storage.get(name, { fresh: true }));
  } catch (error) {
    if (error instanceof DeltarError && error.code === "not-found") {
      return undefined;
    }
    throw error;
  }
}

/** The names under a prefix. */
export async function namesUnder(
  storage: Storage,
  prefix: string,
): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list(prefix)) names.push(name);
  return names.sort();
}

/** A valid time of a note, in milliseconds since 1970. */
export function timeOf(value: unknown, object: string): number {
  const time = parseTime(value);
  if (time === undefined) {
    const what = typeof value === "string"
      ? `the time ${JSON.stringify(value.slice(0, 40))} cannot be right`
      : "its time is missing";
    throw new DeltarError("corrupt", what, { object });
  }
  return time;
}
