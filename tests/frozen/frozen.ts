/**
 * Repositories that earlier versions wrote, and what they have to restore to.
 *
 * Each folder is named by the commit that wrote it; `make.mjs` tells what is in
 * them. They are never written again.
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

/** The commit that wrote the first of them. */
export const FIRST = "2abdc44772d73af2249da16fe560885c0e342db6";

/** A path as a restore has to give it; a time within a microsecond. */
export interface FrozenNode {
  kind: "file" | "directory" | "symlink";
  mode?: string;
  mtime: string;
  size?: number;
  sha256?: string;
  target?: string;
  sameFileAs?: string;
}

/** A snapshot, and what it has to restore to. */
export interface FrozenSnapshot {
  id: string;
  label?: string;
  directory?: string;
  repairs?: string;
  safety?: { before: string; of: string };
  /** The number of each path's node. */
  tree: Record<string, number>;
  /** Of a safety snapshot: the paths where nothing was. */
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
  /** The files of the directory when a snapshot of it was interrupted. */
  next?: Record<string, number>;
  nodes: FrozenNode[];
}

/** A frozen repository. */
export interface Frozen {
  /** The commit and the name. */
  name: string;
  /** Where it lies; it is read only. */
  folder: string;
  expected: Expected;
}

/** All frozen repositories. */
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

/** One of them. */
export function frozenNamed(name: string): Frozen {
  return allFrozen().find((one) => one.name === name)!;
}

/** The folder with archives, indexes and deltas that a commit wrote. */
export function frozenFiles(commit: string): string {
  return join(HERE, commit, "files");
}

/** A copy of a frozen repository, which may be written to. */
export function thaw(frozen: Frozen, folder: string): string {
  fs.cpSync(frozen.folder, folder, { recursive: true });
  return folder;
}

/**
 * Makes the records of a repository name another directory, so that its next
 * snapshot, or an undo, can be made anywhere.
 *
 * @param folder The repository's folder.
 * @param directory Of which directory.
 * @param instead What is to be named, an absolute path without symlinks.
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
      // A damaged one stays as it is.
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

/** The same for what interrupted runs tell of the volumes they finished. */
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
 * Holds what was restored against what was stored.
 *
 * @param root The directory.
 * @param frozen Which repository it came from.
 * @param tree The numbers of the paths' nodes.
 * @param failed Paths that could not be restored, and must not be there.
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
