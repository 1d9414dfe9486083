import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import fc from "fast-check";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { nameFault } from "../../lib/tree/name.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { noise } from "./noise.ts";
import { isWindows, needsSymlinks } from "./system.ts";

/** A file, directory or link of a model tree. */
export type Node =
  | { kind: "file"; content: Uint8Array; mode: number; mtime: bigint }
  | { kind: "directory"; mode: number; mtime: bigint }
  | { kind: "symlink"; target: string; mtime: bigint }
  | { kind: "hardlink"; target: string };

/** A tree by path. Every parent of a path is a directory in it. */
export type Tree = Map<string, Node>;

/** Names that cause problems in programs, if this system allows them. */
const name = fc.oneof(
  fc.constantFrom("a", "b", "c", "d.txt", "sub", "sub2"),
  fc.constantFrom(...[
    "-rf",
    "--",
    "two words",
    "new\nline",
    "tab\t",
    "caf\u00e9",
    "cafe\u0301",
    "\u{1f600}",
    "\uffee",
    "'\"$`\\",
    "a.b",
    "a-b",
    "x".repeat(120),
    "é".repeat(127),
    "* ?",
    "created",
    "updated",
  ].filter((name) => nameFault(name, process.platform) === undefined)),
);
const path = fc.array(name, { minLength: 1, maxLength: 3 })
  .map((names) => names.join("/"));
const mtime = fc.integer({ min: -4000, max: 8_000_000 })
  .map((quarters) => BigInt(quarters) * 250_000_000n);
const content = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 16 }), fc.nat(20_000))
    .map(([seed, length]) => expand(seed, length)),
);

/** Expands a few bytes to bytes that do not repeat. */
function expand(seed: Uint8Array, length: number): Uint8Array {
  return noise(length, seed.reduce((sum, byte) => sum * 31 + byte >>> 0, 7));
}

/** The modes that this system can give to a file, and to a folder. */
const FILE_MODES = isWindows
  ? [0o644, 0o444]
  : [0o644, 0o600, 0o755, 0o444, 0o4755];
const FOLDER_MODES = isWindows ? [0o755] : [0o755, 0o700, 0o555, 0o1777];

const node: fc.Arbitrary<Node> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("file" as const),
      content,
      mode: fc.constantFrom(...FILE_MODES),
      mtime,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("directory" as const),
      mode: fc.constantFrom(...FOLDER_MODES),
      mtime,
    }),
  },
  {
    weight: needsSymlinks.skip === undefined ? 1 : 0,
    arbitrary: fc.record({
      kind: fc.constant("symlink" as const),
      target: fc.constantFrom("a", "../outside", "/etc/passwd", "sub/b", "é\n"),
      mtime,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("hardlink" as const),
      target: path,
    }),
  },
);

const PLAIN: Node = { kind: "directory", mode: 0o755, mtime: 1_000_000_000n };

/** Adds a node. Removes nodes that are in its way or would have no parent. */
function put(tree: Tree, path: string, node: Node): void {
  for (let at = dirname(path); at !== "."; at = dirname(at)) {
    if (tree.get(at)?.kind !== "directory") tree.set(at, PLAIN);
  }
  if (node.kind !== "directory") remove(tree, path);
  tree.set(path, node);
}

function remove(tree: Tree, path: string): void {
  for (const other of [...tree.keys()]) {
    if (other === path || other.startsWith(`${path}/`)) tree.delete(other);
  }
}

/** Keeps only hard links to files. */
function settle(tree: Tree): Tree {
  for (const [path, node] of [...tree]) {
    if (node.kind === "hardlink" && tree.get(node.target)?.kind !== "file") {
      tree.delete(path);
    }
  }
  return tree;
}

/** An arbitrary tree. */
export const anyTree: fc.Arbitrary<Tree> = fc
  .array(fc.tuple(path, node), { maxLength: 12 })
  .map((nodes) => {
    const tree: Tree = new Map();
    for (const [path, node] of nodes) put(tree, path, node);
    return settle(tree);
  });

type Edit =
  | { edit: "put"; path: string; node: Node }
  | {
    edit: "remove" | "append" | "insert" | "touch";
    at: number;
    bytes: Uint8Array;
  }
  | { edit: "move" | "copy"; at: number; to: string };

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ edit: fc.constant("put" as const), path, node }),
  fc.record({
    edit: fc.constantFrom("remove", "append", "insert", "touch"),
    at: fc.nat(),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  }),
  fc.record({ edit: fc.constantFrom("move", "copy"), at: fc.nat(), to: path }),
);

/** A tree, and the tree after some edits. */
export const treeAndEdited: fc.Arbitrary<[Tree, Tree]> = fc
  .tuple(anyTree, fc.array(edit, { maxLength: 8 }))
  .map(([tree, edits]) => {
    const edited: Tree = new Map(tree);
    for (const edit of edits) applyEdit(edited, edit);
    return [tree, settle(edited)];
  });

/** A tree, and its states after some rounds of edits. */
export const treeLife: fc.Arbitrary<Tree[]> = fc
  .tuple(
    anyTree,
    fc.array(fc.array(edit, { maxLength: 4 }), { minLength: 3, maxLength: 9 }),
  )
  .map(([first, rounds]) => {
    const life = [first];
    for (const edits of rounds) {
      const next: Tree = new Map(life.at(-1));
      for (const edit of edits) applyEdit(next, edit);
      life.push(settle(next));
    }
    return life;
  });

function applyEdit(tree: Tree, edit: Edit): void {
  if (edit.edit === "put") return put(tree, edit.path, edit.node);
  if (tree.size === 0) return;
  const path = [...tree.keys()][edit.at % tree.size];
  const node = tree.get(path)!;
  if (edit.edit === "remove") remove(tree, path);
  else if (edit.edit === "move" || edit.edit === "copy") {
    if (node.kind !== "file") return;
    if (edit.edit === "move") remove(tree, path);
    put(tree, edit.to, node);
  } else if (node.kind === "file" && "bytes" in edit) {
    const at = edit.edit === "append" ? node.content.length : edit.at % 97;
    const bytes = edit.edit === "touch" ? new Uint8Array() : edit.bytes;
    const content = Uint8Array.from([
      ...node.content.subarray(0, at),
      ...bytes,
      ...node.content.subarray(at),
    ]);
    tree.set(path, { ...node, content, mtime: node.mtime + 250_000_000n });
  }
}

/**
 * Changes a model tree on the disk into another one, without changing equal
 * parts.
 */
export function rewriteTree(root: string, before: Tree, after: Tree): void {
  const linked = new Set(
    [...before, ...after].flatMap(([path, node]) =>
      node.kind === "hardlink" ? [path, node.target] : []
    ),
  );
  const kept = new Set<string>();
  for (const [path, node] of before) {
    if (node.kind === "directory") fs.chmodSync(join(root, path), 0o755);
    if (after.get(path) === node && !linked.has(path)) kept.add(path);
  }
  for (const path of [...before.keys()].sort().reverse()) {
    const isFolder = before.get(path)!.kind === "directory";
    if (kept.has(path)) continue;
    if (!isFolder) fs.unlinkSync(join(root, path));
    else if (after.get(path)?.kind !== "directory") {
      fs.rmdirSync(join(root, path));
    }
  }
  writeTree(root, after, kept);
}

/** Creates a model tree on the disk. The files in `kept` already exist. */
export function writeTree(
  root: string,
  tree: Tree,
  kept: ReadonlySet<string> = new Set(),
): void {
  const paths = [...tree.keys()].sort();
  fs.mkdirSync(root, { recursive: true });
  for (const path of paths) {
    if (tree.get(path)!.kind === "directory") {
      fs.mkdirSync(join(root, path), { recursive: true });
    }
  }
  for (const path of paths) {
    if (kept.has(path)) continue;
    const node = tree.get(path)!;
    const place = join(root, path);
    if (node.kind === "file") {
      fs.writeFileSync(place, node.content);
      fs.chmodSync(place, node.mode);
      setTimes(place, node.mtime);
    } else if (node.kind === "symlink") {
      fs.symlinkSync(node.target, place);
      setTimes(place, node.mtime);
    }
  }
  for (const path of paths) {
    const node = tree.get(path)!;
    if (node.kind === "hardlink") {
      fs.linkSync(join(root, node.target), join(root, path));
    }
  }
  for (const path of paths.reverse()) {
    const node = tree.get(path)!;
    if (node.kind === "directory") {
      fs.chmodSync(join(root, path), node.mode);
      setTimes(join(root, path), node.mtime);
    }
  }
}

/** Gives all files times that every runtime can set exactly. */
export function roundTimes(root: string): void {
  for (const entry of fs.readdirSync(root, { withFileTypes: true })) {
    const place = join(root, entry.name);
    if (entry.isDirectory()) roundTimes(place);
    setTimes(place, lstat(place).mtime / 1_000_000_000n * 1_000_000_000n);
  }
}

/** Returns everything that is visible of a tree on the disk, for comparison. */
export function stateOf(root: string): Record<string, unknown> {
  const state: Record<string, unknown> = {};
  const links = new Map<string, string>();
  const visit = (path: string) => {
    for (const name of fs.readdirSync(join(root, path)).sort()) {
      const at = path === "" ? name : `${path}/${name}`;
      const place = join(root, at);
      const stat = lstat(place);
      const inode = `${stat.device}:${stat.inode}`;
      if (!links.has(inode)) links.set(inode, at);
      state[at] = {
        kind: stat.kind,
        mode: stat.mode.toString(8),
        mtime: stat.mtime,
        sameFileAs: links.get(inode),
        content: stat.kind === "file"
          ? toHex(sha256(fs.readFileSync(place)))
          : stat.kind === "symlink"
          ? fs.readlinkSync(place)
          : undefined,
      };
      if (stat.kind === "directory") visit(at);
    }
  };
  visit("");
  return state;
}
