import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { noise } from "../support/noise.ts";

/** The size of the large file of a project, in bytes. */
export const LARGE = 300 * 2 ** 20;

/**
 * Makes a real project: a clone of this one, with some thousands of files of a
 * dependency, a nested repository, a large binary file, an ignored folder, and
 * an ignored file that cannot be generated again.
 */
export function makeProject(
  folder: string,
  root: string,
  editor: string,
): void {
  const git = (cwd: string, ...words: string[]) =>
    execFileSync("git", words, {
      cwd,
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...process.env,
        GIT_AUTHOR_NAME: "a",
        GIT_AUTHOR_EMAIL: "a@example.org",
        GIT_COMMITTER_NAME: "a",
        GIT_COMMITTER_EMAIL: "a@example.org",
      },
    });
  fs.mkdirSync(folder, { recursive: true });
  git(folder, "clone", "-q", "--no-hardlinks", root, ".");
  fs.cpSync(
    join(editor, "lib", "vscode", "extensions", "node_modules", "typescript"),
    join(folder, "vendor", "typescript"),
    { recursive: true },
  );
  const modules = join(editor, "lib", "vscode", "node_modules");
  fs.cpSync(modules, join(folder, "vendor", "modules"), {
    recursive: true,
    filter: (path) => !path.endsWith(".node") && !path.includes("/.bin"),
  });
  const nested = join(folder, "nested");
  fs.mkdirSync(nested);
  git(nested, "init", "-q");
  fs.writeFileSync(join(nested, "inner.txt"), "inside\n");
  git(nested, "add", "-A");
  git(nested, "commit", "-q", "-m", "inner");
  fs.writeFileSync(join(nested, "untracked.txt"), "not in git\n");
  fs.writeFileSync(join(folder, ".env"), "SECRET=1\n");
  fs.writeFileSync(join(folder, ".gitignore"), ".env\n/build/\n");
  fs.mkdirSync(join(folder, "build"));
  fs.writeFileSync(join(folder, "build", "out.js"), "made\n");
  fs.writeFileSync(join(folder, "notes.md"), "first thoughts\n");
  const large = fs.openSync(join(folder, "large.bin"), "w");
  const piece = noise(2 ** 20);
  for (let at = 0; at < LARGE; at += piece.length) {
    // The number makes all pieces differ.
    new DataView(piece.buffer).setUint32(0, at);
    fs.writeSync(large, piece);
  }
  fs.closeSync(large);
}

/**
 * The SHA-256 of the files that `stateOf` has read, by the path and the state of
 * the file.
 */
const sums = new Map<string, string>();

/**
 * The time in milliseconds during which a file might change again although its
 * times remain the same.
 */
const TIME_STEP_MS = 100;

/**
 * Returns every path with the SHA-256 of a file, the target of a link, or the
 * word for a folder.
 */
export function stateOf(
  folder: string,
  isWanted: (path: string) => boolean = () => true,
): Map<string, string> {
  const state = new Map<string, string>();
  const visit = (path: string) => {
    for (const name of fs.readdirSync(join(folder, path)).sort()) {
      const at = path === "" ? name : `${path}/${name}`;
      if (!isWanted(at)) continue;
      const place = join(folder, at);
      const stat = fs.lstatSync(place);
      if (stat.isDirectory()) {
        state.set(`${at}/`, "");
        visit(at);
      } else if (stat.isSymbolicLink()) {
        state.set(at, `-> ${fs.readlinkSync(place)}`);
      } else if (stat.isFile()) state.set(at, knownSumOf(place));
    }
  };
  visit("");
  return state;
}

/**
 * Returns the SHA-256 of a file. Reads the file only if it has changed since the
 * last time. The system changes the ctime of a file each time that the file is
 * written, and programs cannot set it.
 */
function knownSumOf(file: string): string {
  const { size, ino, mtimeNs, ctimeNs, ctimeMs } = fs.lstatSync(file, {
    bigint: true,
  });
  const key = [file, size, ino, mtimeNs, ctimeNs].join(" ");
  let sum = sums.get(key);
  if (sum === undefined) {
    const isSettled = Date.now() - Number(ctimeMs) > TIME_STEP_MS;
    sum = sumOf(file);
    if (isSettled) sums.set(key, sum);
  }
  return sum;
}

function sumOf(file: string): string {
  const sum = createHash("sha256");
  const buffer = new Uint8Array(1 << 20);
  const handle = fs.openSync(file, "r");
  for (;;) {
    const length = fs.readSync(handle, buffer);
    if (length === 0) break;
    sum.update(buffer.subarray(0, length));
  }
  fs.closeSync(handle);
  return sum.digest("hex");
}
