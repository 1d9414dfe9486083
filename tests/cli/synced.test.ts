import assert from "node:assert/strict";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { needs, runText } from "../support/peer.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

/**
 * Returns the system calls that a command makes, in the order of their
 * completion.
 */
function callsOf(place: Place, words: string[]): string[] {
  const trace = join(place.folder, "trace");
  runText("env", [
    ...Object.entries(place.env).map(([key, value]) => `${key}=${value}`),
    ...["strace", "-f", "-y", "-s", "4096", "-o", trace],
    ...[
      "-e",
      "trace=/^(openat|rename|renameat2?|unlink|unlinkat|fsync|syncfs)$",
    ],
    ...COMMAND,
    ...words,
  ], { cwd: place.root });
  const begun = new Map<string, string>();
  return fs.readFileSync(trace, "utf8").split("\n").flatMap((line) => {
    const [, thread, rest] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const cut = rest?.indexOf(" <unfinished");
    if (cut === undefined) return [];
    if (cut >= 0) {
      begun.set(thread, rest.slice(0, cut));
      return [];
    }
    const [, end] = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest) ?? [];
    return end === undefined ? rest : begun.get(thread) + end;
  });
}

/**
 * Returns the paths that a call names, including the folders of its names.
 * Descriptors are printed with the paths of these folders, or as
 * `/proc/PID/fd`.
 *
 * @param folders The paths of descriptors. Each `openat` adds one.
 */
function pathsOf(call: string, folders: Map<string, string>): string[] {
  const [, fd, opened] = / = (\d+)<([^>]*)>$/.exec(call) ?? [];
  if (call.startsWith("openat") && fd !== undefined) folders.set(fd, opened);
  const named = call.matchAll(/(?:<([^<>]*)>, )?"([^"]+)"/g);
  return [...named].map(([, folder, path]) => {
    const [, at, rest] = /^\/proc\/(?:\d+|self)\/fd\/(\d+)(.*)$/.exec(path) ??
      [];
    if (at !== undefined) return `${folders.get(at)}${rest}`;
    return path.startsWith("/") ? path : `${folder}/${path}`;
  });
}

/** Returns whether a command created or removed something at a path. */
function hasTaken(path: string, calls: readonly string[]): boolean {
  const folders = new Map<string, string>();
  return calls.some((call) => {
    const paths = pathsOf(call, folders);
    return !call.startsWith("openat") && paths.includes(path);
  });
}

/** Returns the paths that are not on the disk when the journal is deleted. */
function unsynced(root: string, calls: readonly string[]): string[] {
  const dirty = new Set<string>();
  const flushed = new Set<string>();
  const folders = new Map<string, string>();
  let ends = 0;
  for (const call of calls) {
    const paths = pathsOf(call, folders);
    if (!/ = 0$/.test(call)) continue;
    if (call.startsWith("syncfs")) dirty.clear();
    else if (call.startsWith("fsync")) {
      const [, path] = /<([^>]+)>/.exec(call)!;
      flushed.add(path);
      dirty.delete(path);
    } else if (call.startsWith("rename")) {
      const [from, to] = paths;
      if (!to.startsWith(`${root}/`)) continue;
      // A symlink is on the disk as soon as its folder is.
      const isFile = !fs.lstatSync(to).isSymbolicLink();
      if (isFile && !flushed.has(from)) dirty.add(to);
      dirty.add(dirname(to));
    } else {
      const [path] = paths;
      if (path.endsWith("-journal") && dirname(path) === root) {
        ends++;
        if (dirty.size > 0) return [...dirty];
      } else if (path.startsWith(`${root}/`)) {
        dirty.add(dirname(path));
      }
    }
  }
  assert.equal(ends, 1, "the journal goes once");
  return [];
}

test(
  "restore flushes all restored paths to the disk before it deletes the journal",
  {
    ...needs("strace"),
    ...process.platform !== "linux" && { skip: "strace is of Linux" },
  },
  async () => {
    await withPlace((place) => {
      place.write({ "a/new": "new", "b/changed": "as it was", same: "same" });
      place.write({
        large: "line\n".repeat(500_000),
        unreadable: "unreadable",
      });
      fs.chmodSync(join(place.root, "unreadable"), 0o200);
      fs.symlinkSync("same", join(place.root, "link"));
      place.run(["snapshot", "--repo", "../repository"]);
      const words = ["restore", "latest", "--repo", "../repository", "--to"];
      const to = join(place.folder, "to");
      const fresh = callsOf(place, [...words, to]);
      assert.ok(hasTaken(`${to}/a/new`, fresh));
      assert.deepEqual(unsynced(to, fresh), []);
      fs.rmSync(join(to, "a/new"));
      fs.writeFileSync(join(to, "b/changed"), "as it is");
      fs.writeFileSync(join(to, "b/more"), "more");
      const over = callsOf(place, [...words, to, "--delete"]);
      assert.ok(hasTaken(`${to}/b/more`, over));
      assert.deepEqual(unsynced(to, over), []);
      assert.equal(fs.readFileSync(join(to, "a/new"), "utf8"), "new");
    });
  },
);
