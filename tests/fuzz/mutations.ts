/**
 * Mutations of repositories. Each one makes a change that damage, an attacker
 * or another program could make.
 */
import { Buffer } from "node:buffer";
import { listingOf, pack, unpack } from "./listing.ts";
import type { Model } from "./model.ts";
import type { Random } from "./random.ts";
import {
  type Json,
  type JsonObject,
  otherObject,
  otherText,
  otherValue,
} from "./values.ts";

/**
 * Changes a model. Returns a description of the change, or nothing if no change
 * was possible.
 */
export type Mutation = (random: Random, model: Model) => string | undefined;

/** Changes bytes, regardless of their meaning. */
export function otherBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  const at = random.below(copy.length + 1);
  switch (random.below(6)) {
    case 0:
      return copy.subarray(0, at);
    case 1:
      return Buffer.concat([copy, copy.subarray(at)]);
    case 2:
      return Buffer.concat([
        copy.subarray(0, at),
        copy.subarray(at + 1 + random.below(64)),
      ]);
    case 3:
      for (let n = 1 + random.below(20); n > 0 && copy.length > 0; n--) {
        copy[random.below(copy.length)] = random.below(256);
      }
      return copy;
    case 4:
      if (copy.length >= 8) {
        const value = random.pick([0, -1, 2 ** 31 - 1, 2 ** 31]);
        copy.writeInt32BE(value | 0, random.below(copy.length - 3));
      }
      return copy;
    default:
      if (copy.length > 0) copy[at % copy.length] ^= 1 << random.below(8);
      return copy;
  }
}

/** Changes any line of a listing, usually the first. */
function changeLine(prefix: string): Mutation {
  return (random, model) => {
    const names = model.names(prefix).filter((n) => model.listings.has(n));
    if (names.length === 0) return undefined;
    const name = random.pick(names);
    const lines = model.change(name);
    if (lines.length === 0) return undefined;
    const at = random.chance(0.4) ? 0 : random.below(lines.length);
    lines[at] = otherObject(random, lines[at], model.pool);
    return `line ${at} of ${name}: ${JSON.stringify(lines[at]).slice(0, 200)}`;
  };
}

/** Changes the order of the lines of a listing, or repeats or removes lines. */
const changeLines: Mutation = (random, model) => {
  const name = random.pick([...model.listings.keys()]);
  const lines = model.change(name);
  const at = random.below(lines.length);
  const kind = random.pick(["removed", "doubled", "moved", "all reversed"]);
  if (kind === "removed") lines.splice(at, 1);
  else if (kind === "doubled") lines.splice(at, 0, lines[at]);
  else if (kind === "moved") {
    lines.splice(random.below(lines.length), 0, ...lines.splice(at, 1));
  } else lines.reverse();
  return `a line of ${name} is ${kind}`;
};

/**
 * Changes the entries of a tree, from which files, links and folders are
 * created.
 */
const changeEntry: Mutation = (random, model) => {
  const names = model.names("trees/").filter((n) => model.listings.has(n));
  if (names.length === 0) return undefined;
  const name = random.pick(names);
  const entries = model.change(name).filter(({ path }) => path !== undefined);
  if (entries.length === 0) return undefined;
  const entry = random.pick(entries);
  const what = random.below(9);
  const before = JSON.stringify(entry);
  if (what === 0) {
    entry.path = otherText(random, String(entry.path), model.pool);
  } else if (what === 1) {
    entry.path = `${random.pick(entries).path}/${
      random.pick(["x", "..", "a"])
    }`;
  } else if (what === 2) {
    entry.kind = "symlink";
    entry.target = random.pick(["../canary", "/", ".", "..", "../canary/file"]);
    delete entry.content;
  } else if (what === 3) {
    entry.kind = "hardlink";
    entry.target = random.pick([
      String(random.pick(entries).path),
      "../canary/file",
      String(entry.path),
    ]);
    delete entry.content;
  } else if (what === 4) {
    entry.path = ".deltar-stage-p1-00000000-0badcafe-journal";
  } else if (what === 5 && Array.isArray(entry.content)) {
    const pieces = entry.content as JsonObject[];
    const piece = random.pick(pieces);
    piece.volume = random.pick([
      "settings/20991231T000000Z-000000.json",
      ...model.names(),
    ]);
  } else if (what === 6 && Array.isArray(entry.content)) {
    entry.content = otherValue(random, entry.content, model.pool);
  } else if (what === 7) {
    for (const key of ["uid", "gid", "mode", "mtime"]) {
      if (random.chance(0.5)) {
        entry[key] = otherValue(random, entry[key], model.pool);
      }
    }
  } else Object.assign(entry, otherObject(random, entry, model.pool));
  // A reader refuses entries that are out of order immediately.
  if (random.chance(0.7)) sortEntries(model.listings.get(name)!);
  return `entry in ${name}: ${before.slice(0, 120)} is ` +
    JSON.stringify(entry).slice(0, 200);
};

/** Sorts entries in path order. */
export function sortEntries(lines: JsonObject[]): void {
  const pathOf = ({ path, gone }: JsonObject) => path ?? gone;
  const entries = lines.filter((line) => typeof pathOf(line) === "string");
  const key = (line: JsonObject) => String(pathOf(line)).replaceAll("/", "\0");
  entries.sort((a, b) => key(a) < key(b) ? -1 : 1);
  let at = 0;
  for (const [index, line] of lines.entries()) {
    if (typeof pathOf(line) === "string") lines[index] = entries[at++];
  }
}

/** Changes bytes of an object, including its checksums. */
const changeBytes: Mutation = (random, model) => {
  const name = random.pick(model.names());
  const lines = model.listings.get(name);
  const bytes = lines === undefined
    ? model.raw.get(name)!
    : /\.(?:zst|gz)$/.test(name)
    ? pack(name, listingOf(lines))
    : listingOf(lines);
  model.listings.delete(name);
  model.raw.set(name, otherBytes(random, bytes));
  return `bytes of ${name}`;
};

/** Changes the content of a volume, in whole frames. */
const changeVolume: Mutation = (random, model) => {
  const names = model.names("volumes/").concat(model.names("signatures/"));
  if (names.length === 0) return undefined;
  const name = random.pick(names);
  let plain: Uint8Array;
  try {
    plain = unpack(name, model.raw.get(name)!);
  } catch {
    return undefined;
  }
  model.raw.set(name, pack(name, otherBytes(random, plain)));
  if (random.chance(0.8)) {
    // The volume now has one frame, so the references that must be right are
    // corrected.
    const { length } = model.raw.get(name)!;
    for (const layer of model.names("trees/")) {
      for (const line of model.listings.get(layer) ?? []) {
        for (const piece of [line.content ?? [], line.signature ?? []].flat()) {
          const reference = piece as JsonObject;
          if (reference?.volume !== name || reference.offset !== 0) continue;
          reference.length = length;
          model.changed.add(layer);
        }
      }
    }
  }
  return `content of ${name}`;
};

/** Removes an object, or replaces it with another one. */
const moveObject: Mutation = (random, model) => {
  const names = model.names();
  const name = random.pick(names);
  const other = random.pick(names);
  const isListing = model.listings.has(other);
  model.listings.delete(name);
  model.raw.delete(name);
  if (random.chance(0.5) || name === other) return `${name} is gone`;
  if (isListing) {
    model.listings.set(name, structuredClone(model.listings.get(other)!));
    model.changed.add(name);
  } else model.raw.set(name, model.raw.get(other)!);
  return `${name} is a copy of ${other}`;
};

const TIMES = [
  "2025-06-01T00:00:00.000Z",
  "2026-11-25T00:00:00.000Z",
  "9999-12-31T23:59:59.999Z",
  "+275760-09-13T00:00:00.000Z",
  "-000001-01-01T00:00:00.000Z",
];
const IDS = [
  "20200101T000000Z-000000",
  "20250601T130000Z-000fff",
  "20991231T000000Z-000000",
  "99991231T235959Z-fff000",
  "99999999T999999Z-ffffff",
  "00000000T000000Z-000000",
];

/** Adds an object that somebody else could have stored. */
export const plant: Mutation = (
  random: Random,
  model: Model,
): string | undefined => {
  const id = random.pick(IDS);
  const records = model.names("snapshots/")
    .filter((name) => model.listings.has(name));
  const put = (name: string, lines: Json[]) => {
    model.raw.delete(name);
    model.listings.set(name, lines as JsonObject[]);
    model.changed.add(name);
    return `planted ${name}: ${JSON.stringify(lines[0]).slice(0, 160)}`;
  };
  const header = (format: string, fields: JsonObject = {}) => ({
    format: `deltar-${format}`,
    version: 1,
    ...fields,
  });
  const time = random.pick(TIMES);
  const volumes = [
    ...model.names("volumes/"),
    ...model.names("trees/"),
    ...model.names("signatures/"),
  ];
  switch (random.below(9)) {
    case 0:
      return put(`settings/${id}.json`, [
        header("settings", { maxSize: random.pick([0, 1, 1000, 2 ** 53 - 1]) }),
      ]);
    case 1: {
      if (records.length === 0) return undefined;
      const record = structuredClone(
        model.listings.get(random.pick(records))![0] ?? {},
      );
      record.id = id;
      if (random.chance(0.7)) record.time = time;
      // The next snapshot follows this one.
      if (random.chance(0.5) && model.directory !== undefined) {
        record.directory = model.directory;
      }
      if (random.chance(0.3)) record.parent = random.pick(IDS);
      return put(`snapshots/${id}.json`, [record]);
    }
    case 2:
      return put(`garbage/${id}.json`, [
        header("garbage", { time, purged: random.some(IDS, 0.3) }),
        ...random.some(volumes, 0.7).map((name) => ({
          name,
          since: random.pick(TIMES),
          condemned: random.chance(0.7),
        })),
        ...random.chance(0.3)
          ? [{ running: id, count: 0, since: random.pick(TIMES) }]
          : [],
      ]);
    case 3: {
      const layers = records.length === 0
        ? []
        : model.listings.get(random.pick(records))![0]?.layers ?? [];
      return put(`running/${id}.json`, [
        header("running", {
          id,
          time,
          layers,
          reuses: random.some(IDS, 0.3),
          parent: random.pick(IDS),
        }),
      ]);
    }
    case 4: {
      if (records.length === 0) return undefined;
      const record = listingOf(model.listings.get(random.pick(records))!);
      return put(`removed/${id}.json`, [
        header("removed", {
          id,
          removed: time,
          reason: random.pick(["policy", "\u001b[2Jgone", ""]),
          record: Buffer.from(record).toString("utf8"),
        }),
      ]);
    }
    case 5: {
      if (volumes.length === 0) return undefined;
      const [from, to] = [random.pick(volumes), random.pick(volumes)];
      const object = (name: string) => ({
        name,
        size: model.raw.get(name)?.length ?? 1000,
        sha256: "0".repeat(64),
      });
      if (random.chance(0.5)) model.raw.delete(from);
      return put(`moves/${from}.json`, [
        header("move", { from: object(from), to: object(to) }),
        { offset: 0, length: 500, to: random.pick([0, 1, 100]) },
      ]);
    }
    case 6:
      return put(`lease/${random.pick(["1", "2", "999999999999999"])}.json`, [
        header("lease", {
          holder: id,
          process: random.pick(["p1-00000000", "p999999-12345678", "x"]),
        }),
      ]);
    case 7:
      return put(`labels/${random.pick(IDS)}.${id}.json`, [
        header("label", {
          snapshot: random.pick(IDS),
          time,
          label: random.pick(["\u001b[31m", "x".repeat(3000), "a\nb"]),
        }),
      ]);
    default: {
      const lines = [
        header("checkpoint", {
          directory: random.pick(["/tmp/deltar-frozen/life", "/"]),
          object: random.chance(0.5)
            ? random.pick([...volumes, "x"])
            : { name: random.pick([...volumes, "x"]), size: 1, sha256: "" },
        }),
        {
          path: random.pick(["a", "../x"]),
          sha256: "0".repeat(64),
          size: 5,
          content: { form: "whole", size: 5, volume: volumes[0] ?? "x" },
        },
      ];
      return put(`checkpoints/${id}.0.ndjson.zst`, lines);
    }
  }
};

/**
 * The mutations. A mutation that is listed several times is chosen more often.
 */
export const MUTATIONS: readonly Mutation[] = [
  changeEntry,
  changeEntry,
  changeEntry,
  changeLine("snapshots/"),
  changeLine("snapshots/"),
  changeLine("trees/"),
  changeLine("trees/"),
  changeLine("moves/"),
  changeLine("removed/"),
  changeLine("garbage/"),
  changeLine("running/"),
  changeLine("checkpoints/"),
  changeLine("settings/"),
  changeLine("labels/"),
  changeLine("proofs/"),
  changeLine("lease/"),
  changeLine("deltar.json"),
  changeLines,
  changeBytes,
  changeVolume,
  changeVolume,
  moveObject,
  plant,
  plant,
  plant,
];
