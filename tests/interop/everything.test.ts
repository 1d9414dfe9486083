/**
 * A tree with entries of every kind is stored in a repository, restored,
 * restored over a changed tree, and passed through the archives of other
 * programs.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { canUseXattrs } from "../../lib/tree/open_folder.ts";
import { CLI, COMMAND, type Outcome } from "../cli/helpers.ts";
import { makeBinary } from "../support/binary.ts";
import {
  assertSameTree,
  differencesOf,
  everything,
  keepTree,
  makeSocket,
  needsEverything,
  SOCKET,
} from "../support/everything.ts";
import {
  give,
  needsOtherUser,
  NOBODY_ID,
  OtherUser,
} from "../support/other_user.ts";
import { lastingTemp, withTemp } from "../support/temp.ts";
import { isRoot } from "../support/xattrs.ts";

/** Runs the command with `--json`, and returns its code and what it printed. */
// deno-lint-ignore no-explicit-any
type Run = (...words: string[]) => any;

const AS_USER = isRoot
  ? [
    "setpriv",
    `--reuid=${NOBODY_ID}`,
    `--regid=${NOBODY_ID}`,
    "--clear-groups",
  ]
  : [];

/** Options for a test that runs as an ordinary user, too. */
const asUser = needsEverything.skip === undefined && isRoot
  ? needsOtherUser
  : needsEverything;
/** Options for a test that only root can run. */
const asRoot = isRoot ? needsEverything : {
  skip: "needs to be root: devices, capabilities, owners, files that their " +
    "owner cannot read, the attributes trusted.* and security.*",
};

const shared = lastingTemp();
after(() => shared.remove());
let binary: string | undefined;

/**
 * Returns a function that runs the command in a folder, with the runtime of
 * this test or, if this runtime cannot read attributes, as the binary.
 *
 * @param isUser Whether the command runs as an ordinary user.
 */
function commandIn(folder: string, isUser: boolean): Run {
  const isOther = isUser && isRoot;
  if (isOther && canUseXattrs()) {
    const user = new OtherUser(folder);
    return (...words) => {
      const all = [CLI, ...words, "--json"];
      return parsed(words, user.run(all, { cwd: folder }));
    };
  }
  const home = join(folder, "home");
  fs.mkdirSync(home);
  if (!canUseXattrs()) {
    fs.chmodSync(shared.folder, 0o755);
    binary ??= makeBinary(shared.folder);
  }
  if (isOther) fs.chownSync(home, NOBODY_ID, NOBODY_ID);
  const [program, ...first] = [
    ...isOther ? AS_USER : [],
    ...binary === undefined ? COMMAND : [binary],
  ];
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    DENO_DIR: process.env.DENO_DIR ??
      join(process.env.HOME ?? folder, ".cache/deno"),
  };
  return (...words) => {
    const { status, stdout, stderr } = spawnSync(
      program,
      [...first, ...words, "--json"],
      { cwd: folder, env, encoding: "utf8", maxBuffer: 1 << 26 },
    );
    return parsed(words, { code: status, out: stdout, err: stderr });
  };
}

// deno-lint-ignore no-explicit-any
function parsed(words: string[], { code, out, err }: Outcome): any {
  try {
    return { code, ...JSON.parse(out) };
  } catch {
    throw new Error(`${words.join(" ")}: ${code}: ${out}${err}`);
  }
}

for (const [who, options] of [["root", asRoot], ["a user", asUser]] as const) {
  test(
    `everything is stored, restored, and restored over a changed tree, as ${who}`,
    options,
    async () => {
      const isUser = who === "a user";
      const as = isUser ? AS_USER : [];
      await withTemp(async (folder) => {
        const run = commandIn(folder, isUser);
        // The files that the command creates are in a folder of the user.
        const own = join(folder, "own");
        fs.mkdirSync(own);
        if (isUser && isRoot) {
          fs.chmodSync(folder, 0o755);
          fs.chownSync(own, NOBODY_ID, NOBODY_ID);
        }
        const [root, repository] = ["tree", "repository"]
          .map((name) => join(own, name));
        const at = ["--repo", repository];
        everything("make", root, as);
        await makeSocket(root);
        const first = keepTree(root, join(folder, "first"));
        const one = run("snapshot", root, ...at, "--init");
        assert.deepEqual([one.code, one.skipped], [0, [
          { path: SOCKET, reason: "special", detail: "a socket" },
        ]]);
        const out = join(own, "out");
        const restored = run("restore", one.id, ...at, "--to", out);
        assert.deepEqual([restored.code, restored.failed], [0, []]);
        assertSameTree(out, first);
        assert.equal(fs.existsSync(join(out, SOCKET)), false);

        everything("spoil", root, as);
        const spoilt = keepTree(root, join(folder, "spoilt"));
        assert.notEqual(differencesOf(first.copy, root), "");
        const two = run("snapshot", root, ...at);
        assert.equal(two.code, 0);
        const other = join(own, "other");
        assert.equal(run("restore", two.id, ...at, "--to", other).code, 0);
        assertSameTree(other, spoilt);

        const over = ["--to", root, "--delete", "--root-attributes"];
        const mended = run("restore", one.id, ...at, ...over);
        assert.deepEqual([mended.code, mended.failed], [0, []]);
        assertSameTree(root, first);
        assert.ok(fs.lstatSync(join(root, SOCKET)).isSocket());
        const again = run("snapshot", root, ...at, "--label", "mended");
        assert.deepEqual([again.code, again.isNew], [0, true]);
        const undone = run("undo", root, ...at);
        assert.deepEqual([undone.code, undone.failed], [0, []]);
        assertSameTree(root, spoilt);
        const redone = run("redo", root, ...at);
        assert.deepEqual([redone.code, redone.failed], [0, []]);
        assertSameTree(root, first);
        const verified = run("verify", "--data", ...at);
        assert.deepEqual([verified.code, verified.damage], [0, []]);
      });
    },
  );
}

test("paths of root that an ordinary user cannot restore are named", {
  ...asRoot.skip ? asRoot : needsOtherUser,
}, async () => {
  await withTemp((folder) => {
    const root = join(folder, "tree");
    const repository = join(folder, "repository");
    everything("make", root);
    const { id } = commandIn(folder, false)(
      "snapshot",
      root,
      "--repo",
      repository,
      "--init",
    );
    fs.rmSync(join(folder, "home"), { recursive: true });
    fs.chmodSync(folder, 0o755);
    give(repository);
    const run = commandIn(folder, true);
    const own = join(folder, "own");
    fs.mkdirSync(own);
    give(own);
    const out = join(own, "out");
    const done = run("restore", id, "--repo", repository, "--to", out);
    assert.equal(done.code, 3);
    const named = new Set<string>(
      done.failed.map(({ path }: { path: string }) => path),
    );
    assert.ok(done.ownersUnset > 300, `${done.ownersUnset}`);
    for (const path of ["special/block", "special/large", "attributes/all"]) {
      assert.ok(named.has(path), path);
    }
    const lines = differencesOf(root, out, ["--no-owner", "--no-group"])
      .split("\n").filter((line) => line !== "");
    // Each further name of a file or pipe is listed under its first name.
    const differing = lines.filter((line) => !line.startsWith("h")).map(
      (line) => line.slice(12).replace(/ [-=]> .*/, "").replace(/\/$/, ""),
    );
    assert.deepEqual(
      differing.filter((path) => !named.has(path)),
      [],
      lines.join("\n"),
    );
  });
});
