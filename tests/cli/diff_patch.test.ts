import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { directoryState } from "../../cli/compared_state.ts";
import { compareParts, hunksOf, linesOf } from "../../shared/text_diff.ts";
import { Dir, MemoryStorage, Repository } from "../../mod.ts";
import { needs, run } from "../support/peer.ts";
import { needsPosix } from "../support/system.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

const PROJECT = dirname(dirname(import.meta.dirname!));

/** The kind, permission to execute and content of each path. */
type Stored = Record<string, string>;

/** Returns what git would store for a folder. */
function stored(folder: string): Stored {
  const found: Stored = {};
  for (const path of fs.readdirSync(folder, { recursive: true }) as string[]) {
    if (path === ".git" || path.startsWith(".git/")) continue;
    const place = join(folder, path);
    const stat = fs.lstatSync(place);
    if (stat.isSymbolicLink()) found[path] = `link ${fs.readlinkSync(place)}`;
    else if (stat.isFile()) {
      const kind = stat.mode & 0o100 ? "executable" : "file";
      found[path] = `${kind} ${fs.readFileSync(place, "latin1")}`;
    }
  }
  return found;
}

/** Returns the output of a command as bytes. */
function bytesOf(place: Place, words: string[]): Uint8Array {
  const [program, ...args] = [...COMMAND, ...words];
  return execFileSync(program, args, {
    cwd: place.root,
    env: place.env,
    maxBuffer: 1 << 28,
  });
}

/** Changes a folder in every way that a patch can express. */
function edit(root: string): void {
  const at = (path: string) => join(root, path);
  const lines = Array.from({ length: 60 }, (_, line) => `line ${line}`);
  lines[20] = "line twenty";
  lines.splice(40, 2);
  lines.push("the end");
  fs.writeFileSync(at("text"), lines.join("\n") + "\n");
  fs.writeFileSync(at("unended"), "one\ntwo\n");
  fs.writeFileSync(at("ended"), "one\ntwo");
  fs.writeFileSync(at("latin1"), Buffer.from("caf\xe8\n", "latin1"));
  fs.writeFileSync(at("dos"), "one\r\n2\r\nthree\r\n");
  fs.writeFileSync(at("zeros"), Buffer.from("\0new zeros"));
  fs.writeFileSync(at("random"), Buffer.from(noise(40_000, 5)));
  fs.rmSync(at("gone"));
  fs.rmSync(at("gone-empty"));
  fs.writeFileSync(at("new"), "a new file\n");
  fs.writeFileSync(at("new-empty"), "");
  fs.mkdirSync(at("fresh"));
  fs.renameSync(at("folder/moved"), at("fresh/moved"));
  fs.copyFileSync(at("original"), at("copy of it"));
  fs.appendFileSync(at("original"), "changed after the copy\n");
  fs.chmodSync(at("script"), 0o755);
  fs.chmodSync(at("tool"), 0o644);
  fs.appendFileSync(at("tool"), "more\n");
  fs.rmSync(at("link"));
  fs.symlinkSync("somewhere else", at("link"));
  fs.rmSync(at("file to link"));
  fs.symlinkSync("text", at("file to link"));
  fs.rmSync(at("link to file"));
  fs.writeFileSync(at("link to file"), "no link\n");
  fs.rmSync(at("hard"));
  fs.linkSync(at("text"), at("hard"));
  fs.appendFileSync(at('quoted "é"\ttab'), "more\n");
}

/** Returns bytes that look random, and depend only on the seed. */
function noise(length: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state >>> 16;
  });
}

/** The files before `edit`. */
function fill(root: string): void {
  const at = (path: string) => join(root, path);
  const write = (path: string, content: string | Uint8Array) =>
    fs.writeFileSync(at(path), content);
  const lines = Array.from({ length: 60 }, (_, line) => `line ${line}`);
  write("text", lines.join("\n") + "\n");
  write("unended", "one\ntwo");
  write("ended", "one\ntwo\n");
  write("latin1", Buffer.from("caf\xe9\n", "latin1"));
  write("dos", "one\r\ntwo\r\nthree\r\n");
  write("zeros", Buffer.from("\0zeros"));
  write("random", noise(30_000, 3));
  write("gone", "gone\n");
  write("gone-empty", "");
  write("original", "an original\n");
  write("script", "#!/bin/sh\n");
  write("tool", "#!/bin/sh\necho\n");
  fs.chmodSync(at("tool"), 0o755);
  fs.mkdirSync(at("folder"));
  write("folder/moved", "moved\n");
  fs.symlinkSync("somewhere", at("link"));
  write("file to link", "a file\n");
  fs.symlinkSync("text", at("link to file"));
  write("hard", "a file of its own\n");
  write('quoted "é"\ttab', "quoted\n");
}

/** Runs `git` in a folder, without the settings of this machine. */
function git(folder: string, ...words: string[]): string {
  const names = ["user.name=t", "user.email=t@t", "core.abbrev=7"];
  const settings = [...names, "core.autocrlf=false"];
  return execFileSync("git", [
    ...settings.flatMap((one) => ["-c", one]),
    ...words,
  ], {
    cwd: folder,
    encoding: "latin1",
    maxBuffer: 1 << 28,
    env: {
      ...process.env,
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CEILING_DIRECTORIES: dirname(folder),
      GIT_PAGER: "cat",
    },
  });
}

/**
 * Runs work in a place with a snapshot of `fill`, after which `edit` was made.
 */
async function withEdits(
  work: (place: Place, old: Stored) => void | Promise<void>,
): Promise<void> {
  await withPlace(async (place) => {
    fill(place.root);
    place.run(["snapshot", "--no-xattrs"]);
    const old = join(place.folder, "old");
    fs.cpSync(place.root, old, { recursive: true, verbatimSymlinks: true });
    const before = stored(old);
    edit(place.root);
    await work(place, before);
  });
}

const posix = needsPosix("modes and symlinks");

test("diff --patch --binary prints the same patch as git", {
  ...needs("git"),
  ...posix,
}, async () => {
  await withEdits((place) => {
    const old = join(place.folder, "old");
    git(old, "init", "-q");
    git(old, "add", "-A");
    git(old, "commit", "-qm", "old");
    fs.cpSync(place.root, place.folder + "/new", {
      recursive: true,
      verbatimSymlinks: true,
    });
    fs.renameSync(join(old, ".git"), join(place.folder, "new/.git"));
    const now = join(place.folder, "new");
    git(now, "add", "-A");
    git(now, "commit", "-qm", "new");
    const words = ["diff", "-M100%", "--no-rename-empty", "--no-color"];
    const range = ["HEAD~1", "HEAD"];
    // git adds a line of the text, and does not quote blanks. deltar omits the
    // checksums of binary files that the patch does not include.
    const wanted = git(now, ...words, ...range)
      .replaceAll(/^(@@ .*? @@).*$/gm, "$1")
      .replaceAll(
        /^diff --git a\/(.* .*) b\/\1$/gm,
        'diff --git "a/$1" "b/$1"',
      )
      .replaceAll(/^index .*\n(?=Binary files)/gm, "");
    const found = bytesOf(place, ["diff", "latest", "--patch"]);
    assert.equal(Buffer.from(found).toString("latin1"), wanted);
    assert.equal(
      Buffer.from(bytesOf(place, ["diff", "latest", "--stat"]))
        .toString("latin1"),
      git(now, ...words, "--stat", ...range),
    );
    // git writes a delta where that is shorter, and zlib differs by version.
    const headers = (text: string) =>
      text.split("\n").filter((line) => /^(?:index|GIT)/.test(line));
    assert.deepEqual(
      headers(
        Buffer.from(bytesOf(place, ["diff", "latest", "--binary"]))
          .toString("latin1"),
      ),
      headers(git(now, ...words, "--binary", ...range)),
    );
  });
});

test("git apply applies a patch and its reverse", {
  ...needs("git"),
  ...posix,
}, async () => {
  await withEdits((place, before) => {
    const old = join(place.folder, "old");
    const patch = join(place.folder, "patch");
    fs.writeFileSync(patch, bytesOf(place, ["diff", "latest", "--binary"]));
    git(old, "apply", "--whitespace=nowarn", patch);
    assert.deepEqual(stored(old), stored(place.root));
    git(old, "apply", "--whitespace=nowarn", "-R", patch);
    assert.deepEqual(stored(old), before);
    // The same patch comes from comparing two snapshots.
    place.run(["snapshot", "--no-xattrs"]);
    const words = ["diff", "latest~1", "latest", "--binary"];
    assert.deepEqual(
      Buffer.from(bytesOf(place, words)),
      fs.readFileSync(patch),
    );
  });
});

test("GNU patch applies a patch without binary files", {
  ...needs("patch"),
  ...posix,
}, async () => {
  await withEdits((place) => {
    for (const path of ["zeros", "random"]) {
      fs.copyFileSync(join(place.folder, "old", path), join(place.root, path));
    }
    const input = bytesOf(place, ["diff", "latest", "--patch"]);
    const old = join(place.folder, "old");
    run("patch", ["-p1", "--binary", "-f", "-s"], { cwd: old, input });
    assert.deepEqual(stored(old), stored(place.root));
  });
});

const hasHistory = fs.existsSync(join(PROJECT, ".git"));

test("git apply of the differences between real commits gives their trees", {
  ...needs("git", "tar"),
  ...posix,
  ...!hasHistory && { skip: "needs the history of this project" },
}, async () => {
  const all = git(PROJECT, "rev-list", "--reverse", "HEAD").trim().split("\n");
  const count = Math.min(process.env.SLOW ? 20 : 3, all.length);
  const commits = Array.from(
    { length: count },
    (_, at) => all[Math.round(at * (all.length - 1) / Math.max(1, count - 1))],
  );
  await withPlace((place) => {
    const trees = commits.map((commit, at) => {
      const folder = join(place.folder, `tree${at}`);
      fs.mkdirSync(folder);
      const tar = run("git", ["archive", commit], { cwd: PROJECT });
      run("tar", ["x", "-C", folder], { input: tar });
      vary(folder, at);
      return folder;
    });
    const ids = trees.map((tree) => {
      fs.rmSync(place.root, { recursive: true });
      fs.cpSync(tree, place.root, { recursive: true, verbatimSymlinks: true });
      return place.json(["snapshot", "--no-xattrs"]).id;
    });
    for (let at = 1; at < ids.length; at++) {
      const patch = join(place.folder, "patch");
      const words = ["diff", ids[at - 1], ids[at], "--patch", "--binary"];
      fs.writeFileSync(patch, bytesOf(place, words));
      const old = trees[at - 1];
      git(old, "apply", "--whitespace=nowarn", patch);
      assert.deepEqual(stored(old), stored(trees[at]), commits[at]);
    }
  });
});

/** Adds modes, symlinks, renamed and binary files to a tree of a commit. */
function vary(folder: string, round: number): void {
  const files = fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => fs.lstatSync(join(folder, path)).isFile()).sort();
  for (const [at, path] of files.entries()) {
    const place = join(folder, path);
    switch ((at + round) % 40) {
      case 0:
        fs.chmodSync(place, 0o755);
        break;
      case 1:
        fs.rmSync(place);
        fs.symlinkSync(`../${round}/${path}`, place);
        break;
      case 2:
        fs.renameSync(place, `${place} renamed é`);
        break;
      case 3:
        fs.writeFileSync(`${place}.bin`, noise(1000 + 7 * at, at + round));
        break;
      case 4:
        fs.copyFileSync(place, `${place}.copy`);
    }
  }
}

test(
  "diff --patch writes bytes of any encoding as they are",
  posix,
  async () => {
    await withPlace((place) => {
      place.write({ a: "" });
      fs.writeFileSync(join(place.root, "a"), Buffer.from([0xe9, 0x1b, 10]));
      place.run(["snapshot"]);
      fs.writeFileSync(join(place.root, "a"), Buffer.from([0xe8, 0x1b, 10]));
      const found = Buffer.from(bytesOf(place, ["diff", "latest", "-p"]));
      assert.ok(found.includes(Buffer.from([45, 0xe9, 0x1b, 10])));
      assert.ok(found.includes(Buffer.from([43, 0xe8, 0x1b, 10])));
    });
  },
);

test("diff --word marks words, --unified sets the context", async () => {
  await withPlace((place) => {
    place.write({ a: "1\n2\nthe old words\n4\n5\n" });
    place.run(["snapshot"]);
    place.write({ a: "1\n2\nthe new words\n4\n5\n" });
    const word = place.run(["diff", "latest", "--word"]).out;
    assert.match(word, /^the \[-old-\]\{\+new\+\} words$/m);
    const { out } = place.run(["diff", "latest", "--unified", "0"]);
    assert.match(out, /^@@ -3 \+3 @@\n-the old words\n\+the new words\n$/m);
  });
});

test("diff treats large files as binary and says so", async () => {
  await withPlace((place) => {
    const line = "a line of a large file\n".repeat(400_000);
    place.write({ large: line });
    place.run(["snapshot"]);
    place.write({ large: line + "more\n" });
    const { out, err, code } = place.run(["diff", "latest", "--patch"]);
    assert.match(out, /^Binary files a\/large and b\/large differ$/m);
    assert.match(err, /large: compared as a binary file, because it is larger/);
    assert.equal(code, 0);
    const { changes } = place.json(["diff", "latest", "--stat"]);
    assert.equal(changes[0].isBinary, true);
    place.run(["snapshot"]);
    place.write({ large: "\n".repeat(500_001) });
    assert.match(place.run(["diff", "latest", "-p"]).out, /^Binary files/m);
  });
});

test("diff replaces the whole text if almost every line changed", async () => {
  const text = (
    word: string,
  ) => [
    "first\n",
    ...Array.from({ length: 9000 }, (_, at) => `${word}${at}\n`),
  ];
  const runs = await compareParts(text("old"), text("new"));
  assert.deepEqual(
    runs.map(({ old, now, isSame }) => [old.length, now.length, isSame]),
    [[1, 1, true], [9000, 9000, false]],
  );
});

test("compareParts and hunksOf reproduce both texts", async () => {
  for (let seed = 1; seed < 200; seed++) {
    const bytes = noise(60, seed);
    const lines = (part: Uint8Array) =>
      [...part].map((byte) => `${byte % 5}\n`);
    const [old, now] = [
      lines(bytes.subarray(0, 30)),
      lines(bytes.subarray(30)),
    ];
    const runs = await compareParts(old, now);
    assert.deepEqual(runs.flatMap((run) => run.old), old);
    assert.deepEqual(runs.flatMap((run) => run.now), now);
    for (const context of [0, 1, 3]) {
      for (
        const { oldStart, newStart, runs: parts } of hunksOf(runs, context)
      ) {
        const before = parts.flatMap((run) => run.old);
        const after = parts.flatMap((run) => run.now);
        assert.deepEqual(old.slice(oldStart, oldStart + before.length), before);
        assert.deepEqual(now.slice(newStart, newStart + after.length), after);
      }
    }
  }
});

test("linesOf keeps every character", () => {
  for (const text of ["", "\n", "a", "a\n", "a\n\n", "\r\na\r\n", "\n\nb"]) {
    assert.equal(linesOf(text).join(""), text);
    assert.ok(linesOf(text).every((line) => /^[^\n]*\n?$/.test(line) && line));
  }
});

test("diff refuses content that changed since it was compared", async () => {
  await withPlace(async (place) => {
    place.write({ a: "a\n" });
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const { record } = await repository.snapshot(new Dir(place.root));
    place.write({ a: "changed\n" });
    const { index } = await repository.tree(record);
    const options = { repository: undefined, checksum: true };
    const state = await directoryState(place.root, record, index, options);
    const entry = state.index.get("a")!;
    const read = async () =>
      Buffer.concat(await Array.fromAsync(state.open(entry))).toString();
    assert.equal(await read(), "changed\n");
    for (const content of ["CHANGED\n", "longer than before\n", "short\n"]) {
      place.write({ a: content });
      await assert.rejects(read, { code: "mismatch", path: "a" });
    }
    fs.rmSync(join(place.root, "a"));
    await assert.rejects(read, { code: "io", path: "a" });
  });
});

test("diff --binary names a damaged binary file and continues", async () => {
  await withPlace((place) => {
    const repo = join(place.folder, "repo");
    const run = (words: string[]) => place.run([...words, "--repo", repo]);
    place.write({ binary: "\0old", gone: "gone\n" });
    run(["snapshot", "--init"]);
    const volumes = join(repo, "volumes");
    const known = new Set(fs.readdirSync(volumes));
    place.write({ binary: "\0new content" });
    fs.rmSync(join(place.root, "gone"));
    run(["snapshot"]);
    for (const name of fs.readdirSync(volumes)) {
      if (!known.has(name)) fs.writeFileSync(join(volumes, name), "damaged");
    }
    const { code, out, err } = run(["diff", "latest~1", "latest", "--binary"]);
    assert.equal(code, 3, err);
    assert.match(err, /^deltar: .*binary/m);
    assert.match(out, /^-gone$/m);
    assert.doesNotMatch(out, /binary/);
    const patch = run(["diff", "latest~1", "latest", "--patch"]);
    assert.equal(patch.code, 0, patch.err);
    assert.match(patch.out, /^Binary files a\/binary and b\/binary differ$/m);
  });
});

test(
  "diff --binary names a file that changes while its patch is written, and continues",
  posix,
  async () => {
    await withPlace(async (place) => {
      place.write({ large: "\0old\n", last: "old\n" });
      place.run(["snapshot", "--init"]);
      // The pipe holds only a small part of the patch, so `diff` is still reading
      // the file when the test changes it.
      const content = Buffer.from(noise(12 << 20, 1));
      content[0] = 0;
      fs.writeFileSync(join(place.root, "large"), content);
      place.write({ last: "new\n" });
      const [program, ...args] = [...COMMAND, "diff", "latest", "--binary"];
      const child = spawn(program, args, { cwd: place.root, env: place.env });
      let out = "";
      let err = "";
      child.stderr.setEncoding("latin1").on("data", (text) => err += text);
      const ended = once(child, "close");
      for await (const text of child.stdout.setEncoding("latin1")) {
        if (out === "") fs.truncateSync(join(place.root, "large"), 9 << 20);
        out += text;
      }
      assert.deepEqual(await ended, [3, null]);
      assert.match(err, /large: changed during the comparison/);
      assert.match(out, /^\+new$/m);
    });
  },
);

test("a reader that closes the output early ends diff quietly", {
  ...needs("head"),
  ...posix,
}, async () => {
  await withPlace((place) => {
    place.run(["snapshot", "--allow-empty"]);
    const lines = Array.from({ length: 200_000 }, (_, at) => `line ${at}\n`);
    place.write({ large: lines.join("") });
    const words = [...COMMAND, "diff", "latest", "--patch"];
    const line = `set -o pipefail; "$0" "$@" | head -1`;
    const { status, stdout, stderr } = spawnSync(
      "bash",
      ["-c", line, ...words],
      {
        cwd: place.root,
        env: place.env,
        encoding: "utf8",
      },
    );
    assert.equal(stdout, "diff --git a/large b/large\n");
    assert.equal(stderr, "");
    assert.equal(status, 0);
  });
});
