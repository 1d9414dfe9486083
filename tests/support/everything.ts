import assert from "node:assert/strict";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { needs, run, runText } from "./peer.ts";

const SCRIPT = fileURLToPath(new URL("everything.sh", import.meta.url));

/** Options for a test with a tree that has entries of every kind. */
export const needsEverything: { skip?: string } = needs(
  "bash",
  "setfattr",
  "getfattr",
  "setfacl",
  "setcap",
  "mknod",
  "mkfifo",
  "truncate",
  "filefrag",
  "rsync",
);

/**
 * Makes a tree that has entries of every kind, or changes it.
 *
 * @param as The words before the command, to run it as another user.
 */
export function everything(
  work: "make" | "spoil",
  root: string,
  as: readonly string[] = [],
): void {
  const [program, ...words] = [...as, "bash", SCRIPT, work, root];
  run(program, words, { env: { PATH: process.env.PATH ?? "" } });
}

/** The folder of a tree whose paths are too long for `rsync`. */
const LONG = "long";

/** The path of the socket in a tree. No snapshot contains it. */
export const SOCKET = "special/socket";

const EXCLUDED = [`--exclude=/${LONG}/`, `--exclude=/${SOCKET}`];

/**
 * Returns the changes that `rsync` would make to turn `there` into `wanted`.
 *
 * @param more Additional options of `rsync`.
 */
export function differencesOf(
  wanted: string,
  there: string,
  more: readonly string[] = [],
): string {
  const how = ["-aHAXcni", "--delete", "--modify-window=-1", ...more];
  const places = [`${wanted}/`, `${there}/`];
  return runText("rsync", [...how, ...EXCLUDED, ...places]);
}

/**
 * Deletes the paths of more than 4,095 bytes, which programs that use paths
 * cannot create.
 */
export function withoutLongPaths(root: string): void {
  runText("find", [join(root, LONG), "-mindepth", "1", "-delete"]);
}

/**
 * Deletes from a tree the entries that a program loses, whoever made the
 * archive.
 */
export function withoutFaultsOf(program: "tar" | "bsdtar", root: string): void {
  if (program === "tar") return;
  // libarchive normalizes names, does not know how GNU tar escapes "=" and "%"
  // in the names of attributes, and reads the fraction of a second before 1970
  // as a second after it.
  fs.rmSync(join(root, "names/cafe\u0301"));
  const file = join(root, "attributes/file");
  runText("setfattr", ["-x", "user.odd=name%", file]);
  const old = ["1901-12-14T00:00:00.000000001", "1969-12-31T23:59:59.999999999"]
    .concat("link", "pipe").map((name) => join(root, "times", name));
  const whole = ["-h", "-d", "1950-01-01T00:00:00Z"];
  runText("touch", [...whole, ...old]);
  const deep = [join(root, LONG), "-name", "file", "-execdir", "touch"];
  runText("find", [...deep, ...whole, "{}", ";"]);
}

/** The state of a tree, for a later comparison. */
export interface KeptTree {
  /** A copy of the tree, without the folder with long paths. */
  readonly copy: string;
  readonly long: string;
  readonly holes: Record<string, string>;
}

/** Stores the state of a tree in a new folder. */
export function keepTree(root: string, copy: string): KeptTree {
  const how = ["-aHAX", "--sparse", "--modify-window=-1"];
  runText("rsync", [...how, ...EXCLUDED, `${root}/`, `${copy}/`]);
  assert.equal(differencesOf(root, copy), "");
  return { copy, long: longState(root), holes: holesOf(root) };
}

/** Asserts that a tree has a stored state. */
export function assertSameTree(there: string, wanted: KeptTree): void {
  assert.equal(differencesOf(wanted.copy, there), "");
  assert.equal(longState(there), wanted.long);
  assert.deepEqual(holesOf(there), wanted.holes);
}

/**
 * Returns the state of the folder with long paths: kinds, modes, owners, link
 * counts, sizes, times, targets, contents and extended attributes.
 */
function longState(root: string): string {
  const lines = (...expression: string[]) =>
    runText("find", [LONG, ...expression], { cwd: root })
      .split("\n").sort().join("\n");
  return [
    lines("-type", "d", "-printf", "%y %m %U:%G %T@ %P\\n"),
    lines("!", "-type", "d", "-printf", "%y %m %U:%G %n %s %T@ %l %P\\n"),
    lines("-type", "f", "-execdir", "sha256sum", "{}", ";"),
    lines("-execdir", "getfattr", "-h", "-d", "-m", "-", "{}", ";"),
  ].join("\n");
}

/**
 * Returns the ranges with data of the files with holes. Files of at most 1 MiB
 * are restored without their holes.
 */
function holesOf(root: string): Record<string, string> {
  const folder = join(root, "holes");
  const files = fs.readdirSync(folder).map((name) => join(folder, name))
    .filter((file) => fs.statSync(file).size > 1 << 20);
  return Object.fromEntries(
    files.map((file) => [basename(file), dataOf(file)]),
  );
}

/**
 * Returns the ranges of a file with data, in blocks of the file system, as
 * `filefrag` shows them.
 */
export function dataOf(file: string): string {
  const shown = runText("filefrag", ["-s", "-v", file]);
  const ranges: [number, number][] = [];
  for (const [, start, end] of shown.matchAll(/^ +\d+: +(\d+)\.\. +(\d+):/gm)) {
    const last = ranges.at(-1);
    // A range of the file can be in several places on the disk.
    if (last !== undefined && last[1] + 1 === Number(start)) {
      last[1] = Number(end);
    } else ranges.push([Number(start), Number(end)]);
  }
  return ranges.map((range) => range.join("-")).join(" ");
}

/** Creates the socket of a tree, which exists until the test ends. */
export function makeSocket(root: string): Promise<void> {
  const server = createServer().unref();
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(join(root, SOCKET), resolve);
  });
}
