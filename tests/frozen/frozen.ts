/**
 * Repositories that earlier versions wrote, and the expected results of
 * restoring them.
 *
 * Each folder is named after the commit that wrote it. `make.mjs` shows what
 * the repositories have. They are never written again.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { codecFor } from "../../lib/archive/codec.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import {
  decodeLines,
  encodeLines,
  type Line,
} from "../../lib/bytes/listing.ts";
import { stateOf } from "../support/trees.ts";

const HERE = dirname(fileURLToPath(import.meta.url));

/** The commit that wrote the first frozen repositories. */
export const FIRST = "2abdc44772d73af2249da16fe560885c0e342db6";

/**
 * The state of a path that a restore must produce, with a time that is exact to
 * a microsecond.
 */
export interface FrozenNode {
  kind: "file" | "directory" | "symlink";
  mode?: string;
  mtime: string;
  size?: number;
  sha256?: string;
  target?: string;
  sameFileAs?: string;
}

/** A snapshot, and the state that a restore of it must produce. */
export interface FrozenSnapshot {
  id: string;
  label?: string;
  directory?: string;
  repairs?: string;
  safety?: { before: string; of: string };
  /** The number of the node of each path. */
  tree: Record<string, number>;
  /** In a safety snapshot: the paths that did not exist. */
  absent?: string[];
}

/** The expected findings for a repository. */
export interface Expected {
  about: string;
  snapshots: FrozenSnapshot[];
  removed?: FrozenSnapshot[];
  maxSize?: number;
  damage?: {
    object: string;
    kind: string;
    lost: string[];
    files: { path: string; snapshots: string[] }[];
  }[];
  /** The files of the directory at the time of an interrupted snapshot. */
  next?: Record<string, number>;
  nodes: FrozenNode[];
}

/** A frozen repository. */
export interface Frozen {
  /** The commit and the name of the repository. */
  name: string;
  /** The folder of the repository, which must not be written to. */
  folder: string;
  expected: Expected;
}

/** Returns all frozen repositories. */
export function allFrozen(): Frozen[] {
  const frozen: Frozen[] = [];
  for (const commit of fs.readdirSync(HERE).sort()) {
    if (!/^[0-9a-f]{7}$/.test(commit)) continue;
    for (const name of fs.readdirSync(join(HERE, commit)).sort()) {
      const folder = join(HERE, commit, name, "repository");
      if (!fs.existsSync(folder)) continue;
      const file = join(HERE, commit, name, "expected.json");
      const expected = JSON.parse(fs.readFileSync(file, "utf8"));
      frozen.push({ name: `${commit}/${name}`, folder, expected });
    }
  }
  return frozen;
}

/** Returns the frozen repository with the given name. */
export function frozenNamed(name: string): Frozen {
  return allFrozen().find((one) => one.name === name)!;
}

/**
 * Returns the folder with the archives, indexes and deltas that a commit wrote.
 */
export function frozenFiles(commit: string): string {
  return join(HERE, commit, "files");
}

/** Copies a frozen repository into a folder, in which it can be written to. */
export function thaw(frozen: Frozen, folder: string): string {
  fs.cpSync(frozen.folder, folder, { recursive: true });
  return folder;
}

/**
 * Makes the records of a repository name another directory, so that its next
 * snapshot or an undo can be made in that directory.
 *
 * @param folder The folder of the repository.
 * @param directory The directory whose records are changed.
 * @param instead The new directory, an absolute path without symlinks.
 */
export function rehome(
  folder: string,
  directory: string,
  instead: string,
): void {
  const places = ["snapshots", "removed"].flatMap((name) => {
    const place = join(folder, name);
    if (!fs.existsSync(place)) return [];
    return fs.readdirSync(place).map((file) => join(place, file));
  });
  const idOf = (place: string) => place.replace(/^.*[/\\]/, "");
  places.sort((a, b) => idOf(a) < idOf(b) ? -1 : 1);
  const sums = new Map<string, string>();
  for (const place of places) {
    const bytes = new Uint8Array(fs.readFileSync(place));
    const isRemoved = /[/\\]removed[/\\][^/\\]*$/.test(place);
    let outer: Line | undefined;
    let record = bytes;
    if (isRemoved) {
      outer = decodeLines(bytes, "deltar-removed", 1, place).header;
      record = new TextEncoder().encode(String(outer.record));
    }
    let header: Line;
    try {
      header = decodeLines(record, "deltar-snapshot", 1, place).header;
    } catch {
      // A damaged record stays as it is.
      continue;
    }
    const { format: _format, version: _version, ...fields } = header;
    if (fields.directory === directory) fields.directory = instead;
    const parent = sums.get(String(fields.parent));
    if (parent !== undefined) fields.parentSha256 = parent;
    const written = encodeLines("deltar-snapshot", 1, fields, []);
    sums.set(String(fields.id), toHex(sha256(written)));
    if (outer === undefined) fs.writeFileSync(place, written);
    else {
      const { format: _format, version: _version, ...rest } = outer;
      fs.writeFileSync(
        place,
        encodeLines("deltar-removed", 1, {
          ...rest,
          record: new TextDecoder().decode(written),
        }, []),
      );
    }
  }
}

/** Does the same for the checkpoints of interrupted runs. */
export async function rehomeCheckpoints(
  folder: string,
  directory: string,
  instead: string,
): Promise<void> {
  const codec = codecFor("zstd");
  for (const name of fs.readdirSync(join(folder, "checkpoints"))) {
    const place = join(folder, "checkpoints", name);
    const packed = new Uint8Array(fs.readFileSync(place));
    const bytes = await codec
      .decompressBlock(packed, 1 << 20, { object: place });
    const { header, lines } = decodeLines(bytes, "deltar-checkpoint", 1, place);
    const { format, version, ...fields } = header;
    if (fields.directory === directory) fields.directory = instead;
    const written = encodeLines(
      String(format),
      Number(version),
      fields,
      [...lines].map(([line]) => line),
    );
    fs.writeFileSync(place, await codec.compress(written));
  }
}

/**
 * Compares restored files with the stored ones.
 *
 * @param root The directory.
 * @param frozen The repository.
 * @param tree The numbers of the nodes of the paths.
 * @param failed The paths that could not be restored, and must not exist.
 */
export function assertRestored(
  root: string,
  { name, expected }: Frozen,
  tree: Record<string, number>,
  failed: readonly string[] = [],
): void {
  const found = stateOf(root) as Record<
    string,
    { kind: string; mode: string; mtime: bigint; sameFileAs: string } & {
      content?: string;
    }
  >;
  const wanted = Object.keys(tree).filter((path) => !failed.includes(path));
  assert.deepEqual(Object.keys(found).sort(), wanted.sort(), name);
  for (const path of wanted) {
    const node = expected.nodes[tree[path]];
    const { kind, mode, mtime, content, sameFileAs } = found[path];
    const what = `${name}: ${path}`;
    assert.equal(kind, node.kind, what);
    if (node.mode !== undefined) assert.equal(mode, node.mode, what);
    const off = mtime - BigInt(node.mtime);
    assert.ok(off < 1000n && off > -1000n, `${what}: ${mtime}`);
    if (kind === "file") assert.equal(content, node.sha256, what);
    if (kind === "symlink") assert.equal(content, node.target, what);
    const first = node.sameFileAs ?? path;
    if (!failed.includes(first) && kind === "file") {
      assert.equal(sameFileAs, first, what);
    }
  }
}
