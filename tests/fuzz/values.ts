import type { Random } from "./random.ts";

/** Any value that JSON can represent. */
export type Json = null | boolean | number | string | Json[] | {
  [key: string]: Json;
};
/** A line of a listing. */
export type JsonObject = { [key: string]: Json };

const NUMBERS: readonly Json[] = [
  0,
  -1,
  1,
  1.5,
  7,
  255,
  4096,
  65_535,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 32 + 1,
  2 ** 40,
  2 ** 53 - 1,
  2 ** 53,
  1e308,
  -0,
];

const TEXTS: readonly string[] = [
  "",
  ".",
  "..",
  "/",
  "a/../b",
  "../canary/file",
  "../../canary/file",
  "a//b",
  "a/",
  "/etc/hostname",
  "a\0b",
  "a\\..\\b",
  "c:\\x",
  "CON",
  "\u001b[31mred\u001b[0m",
  "\u007f\u009b31m",
  "\u202egnp.exe",
  "\ud800",
  "\uffff",
  "x".repeat(300),
  "x".repeat(5000),
  "seg/".repeat(3000) + "end",
  ".deltar-stage-p1-00000000-0badcafe-journal",
  ".deltar-stage-p1-00000000-1",
  ".deltarignore",
  "deltar.json",
  "settings/20991231T000000Z-000000.json",
  "settings/20250601T000000Z-000000.json",
  "volumes/20250601T000000Z-000000.vol0.tar.zst",
  "volumes/../deltar.json",
  "trees/20250601T000000Z-000000.ndjson.zst",
  "snapshots/20250601T000000Z-000000.json",
  "removed/20250601T000000Z-000000.json",
  "20250601T000000Z-000000",
  "99991231T235959Z-fff000",
  "20259999T999999Z-000000",
  "20250601T000000Z-000000-safety",
  "latest",
  "file",
  "directory",
  "symlink",
  "hardlink",
  "whole",
  "delta",
  "gzip",
  "restore",
  "absent",
  "lost",
  "0777",
  "04755",
  "07777",
  "-1.5",
  "9999999999999999999",
  "-9999999999999999999.999999999",
  "2025-06-01T00:00:00.000Z",
  "9999-12-31T23:59:59.999Z",
  "+275760-09-13T00:00:00.000Z",
  "-271821-04-20T00:00:00.000Z",
  "+300000-01-01T00:00:00.000Z",
  "0".repeat(64),
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "AAAA",
  "/////w==",
  "__proto__",
  "constructor",
];

/** The names of fields that can be added. */
const KEYS: readonly string[] = [
  "path",
  "kind",
  "mode",
  "mtime",
  "uid",
  "gid",
  "size",
  "sha256",
  "target",
  "content",
  "signature",
  "gone",
  "object",
  "skipped",
  "label",
  "parent",
  "repairs",
  "safety",
  "rules",
  "layers",
  "frames",
  "filter",
  "first",
  "maxSize",
  "reuses",
  "purged",
  "condemned",
  "version",
  "__proto__",
  "toString",
  "length",
];

/** The source of other values of the same kind. */
export interface Pool {
  /** Texts that occur in the corpus. */
  texts: readonly string[];
}

/** Returns another text in place of the given one. */
export function otherText(random: Random, text: string, pool: Pool): string {
  switch (random.below(7)) {
    case 0:
      return random.pick(TEXTS);
    case 1:
    case 2:
      return pool.texts.length > 0 ? random.pick(pool.texts) : text;
    case 3: {
      const at = random.below(text.length + 1);
      return text.slice(0, at) + random.pick(TEXTS) + text.slice(at);
    }
    case 4: {
      const at = random.below(text.length + 1);
      const char = String.fromCharCode(random.below(128));
      return text.slice(0, at) + char + text.slice(at + 1);
    }
    case 5:
      return text.slice(0, random.below(text.length + 1));
    default:
      return `${text}${random.pick(TEXTS)}`;
  }
}

/** Returns another number in place of the given one. */
export function otherNumber(random: Random, number: number): Json {
  if (random.chance(0.4)) return random.pick(NUMBERS);
  if (random.chance(0.5)) return number + random.below(5) - 2;
  return Math.floor(number * random.pick([0.5, 2, 10, 1000, 1e6]));
}

/** Returns another value in place of the given one. */
export function otherValue(random: Random, value: Json, pool: Pool): Json {
  if (random.chance(0.12)) {
    return random.pick<Json>([
      null,
      true,
      0,
      "",
      [],
      {},
      [[]],
      [null],
      -1,
      "1",
    ]);
  }
  if (typeof value === "string") return otherText(random, value, pool);
  if (typeof value === "number") return otherNumber(random, value);
  if (typeof value === "boolean") return !value;
  if (Array.isArray(value)) return otherArray(random, value, pool);
  if (value !== null) return otherObject(random, value, pool);
  return random.pick<Json>([0, "", {}, []]);
}

function otherArray(random: Random, array: Json[], pool: Pool): Json[] {
  const copy = [...array];
  const at = random.below(copy.length + 1);
  switch (random.below(6)) {
    case 0:
      copy.splice(at, 1);
      return copy;
    case 1:
      copy.splice(at, 0, copy.length > 0 ? random.pick(copy) : 0);
      return copy;
    case 2:
      return copy.reverse();
    case 3:
      if (copy.length === 0) return copy;
      return Array.from(
        { length: random.pick([2, 20, 2000]) },
        () => random.pick(copy),
      );
    default:
      if (copy.length === 0) return [random.pick(TEXTS)];
      copy[at % copy.length] = otherValue(random, copy[at % copy.length], pool);
      return copy;
  }
}

/** Returns an object with a change, usually of one field. */
export function otherObject(
  random: Random,
  object: JsonObject,
  pool: Pool,
): JsonObject {
  // An earlier mutation may have left any value here.
  const keys = Object.keys(object ?? {});
  const copy = { ...object };
  const set = (key: string, value: Json) =>
    // This defines a field of that name, and does not set the prototype.
    Object.defineProperty(copy, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  if (keys.length === 0 || random.chance(0.06)) {
    set(random.pick(KEYS), random.pick<Json>([...TEXTS, ...NUMBERS]));
    return copy;
  }
  const key = random.pick(keys);
  if (random.chance(0.1)) delete copy[key];
  else if (random.chance(0.08)) {
    const other = random.pick(keys);
    [copy[key], copy[other]] = [copy[other], copy[key]];
  } else set(key, otherValue(random, copy[key], pool));
  return copy;
}

/** Returns all texts in some values, for a pool. */
export function textsIn(
  value: Json,
  found: Set<string> = new Set(),
): Set<string> {
  if (typeof value === "string") {
    if (value.length < 400) found.add(value);
  } else if (Array.isArray(value)) {
    for (const one of value) textsIn(one, found);
  } else if (value !== null && typeof value === "object") {
    for (const one of Object.values(value)) textsIn(one, found);
  }
  return found;
}
