import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { applyDiff } from "../../lib/archive/apply_diff.ts";
import { DiffData } from "../../lib/archive/diff_data.ts";
import { DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { needs, run, runText } from "../support/peer.ts";
import { runs } from "../support/runs.ts";
import { withTemp } from "../support/temp.ts";
import {
  roundTimes,
  stateOf,
  treeAndEdited,
  writeTree,
} from "../support/trees.ts";

test("index, difference, data and applyDiff() reproduce the second tree exactly", async () => {
  const property = fc.asyncProperty(
    treeAndEdited,
    fc.constantFrom("hash" as const, "path" as const),
    fc.constantFrom("gzip" as const, "zstd" as const),
    fc.boolean(),
    ([first, second], names, codec, onePass) =>
      withTemp(async (folder) => {
        const [a, b] = [join(folder, "a"), join(folder, "b")];
        const archive = join(folder, "diff.tgz");
        writeTree(a, first);
        writeTree(b, second);
        const before = await DirIndex.of(new Walker(a, { excludes: [] }));
        const stored = DirIndex.decode(before.encode());
        assert.deepEqual(stored.entries, before.entries);
        const dir = new Walker(b, { excludes: [] });
        let diff: DiffIndex;
        if (onePass) {
          const options = { names, codec };
          ({ diff } = await DiffData.capture(dir, stored, archive, options));
        } else {
          diff = DiffIndex.compute(await DirIndex.of(dir), stored);
          const data = new DiffData(diff, dir, stored);
          await data.createArchive(archive, { names, codec });
        }
        const read = DiffIndex.decode(diff.encode());
        assert.deepEqual(read, diff);
        await applyDiff(a, read, archive);
        assert.deepEqual(stateOf(a), stateOf(b));
        assert.deepEqual(fs.readdirSync(folder).sort(), ["a", "b", "diff.tgz"]);
        const after = await DirIndex.of(new Walker(a, { excludes: [] }));
        assert.ok(
          DiffIndex.compute(after, await DirIndex.of(dir)).isEmpty,
        );
      }),
  );
  await fc.assert(property, runs(40, 2000));
});

test(
  "rdiff applies the members of updated/",
  needs("rdiff", "tar"),
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "tree");
      fs.mkdirSync(root);
      const old = crypto.getRandomValues(new Uint8Array(60_000));
      fs.writeFileSync(join(root, "data.bin"), old);
      fs.writeFileSync(join(folder, "old"), old);
      const before = await DirIndex.of(new Walker(root));
      const changed = Uint8Array.from([
        ...old.subarray(0, 30_000),
        1,
        2,
        3,
        ...old.subarray(30_000),
      ]);
      fs.writeFileSync(join(root, "data.bin"), changed);
      const archive = join(folder, "diff.tgz");
      await DiffData.capture(new Walker(root), before, archive, {
        names: "path",
      });
      assert.match(runText("tar", ["-tzf", archive]), /^updated\/data\.bin$/m);
      run("tar", ["-xzf", archive, "-C", folder]);
      run("rdiff", [
        "patch",
        join(folder, "old"),
        join(folder, "updated/data.bin"),
        join(folder, "new"),
      ]);
      assert.deepEqual(
        new Uint8Array(fs.readFileSync(join(folder, "new"))),
        changed,
      );
      assert.ok(fs.statSync(archive).size < 8000);
    });
  },
);

/**
 * Makes a base, and a difference and archive that change the base in every way.
 */
async function makeCase(folder: string) {
  const root = join(folder, "base");
  fs.mkdirSync(join(root, "gone"), { recursive: true });
  fs.writeFileSync(join(root, "gone/file"), "going");
  fs.writeFileSync(join(root, "kept"), "kept");
  const old = "line\n".repeat(4000);
  fs.writeFileSync(join(root, "log"), old);
  fs.writeFileSync(join(root, "moved"), "some content");
  roundTimes(root);
  const before = await DirIndex.of(new Walker(root));
  const next = join(folder, "next");
  fs.cpSync(root, next, { recursive: true, preserveTimestamps: true });
  fs.rmSync(join(next, "gone"), { recursive: true });
  fs.appendFileSync(join(next, "log"), "one more line\n");
  fs.renameSync(join(next, "moved"), join(next, "moved2"));
  fs.writeFileSync(join(next, "new"), "a new file");
  roundTimes(next);
  const archive = join(folder, "diff.tgz");
  const { diff } = await DiffData.capture(new Walker(next), before, archive);
  return { root, next, diff, archive };
}

test("applyDiff() refuses a base in another state, and does not change it", async () => {
  const harms: [string, (root: string) => void][] = [
    ["changed", (root) => fs.appendFileSync(join(root, "log"), "x")],
    ["absent", (root) => fs.rmSync(join(root, "log"))],
    [
      "would lose bytes",
      (root) => fs.writeFileSync(join(root, "gone/file"), "other"),
    ],
    [
      "more in a folder",
      (root) => fs.writeFileSync(join(root, "gone/more"), ""),
    ],
    ["there already", (root) => fs.writeFileSync(join(root, "new"), "mine")],
    [
      "renamed from",
      (root) => fs.writeFileSync(join(root, "moved"), "Some content"),
    ],
    ["a link", (root) => {
      fs.renameSync(join(root, "gone"), join(root, "elsewhere"));
      fs.symlinkSync("elsewhere", join(root, "gone"));
    }],
  ];
  for (const [what, harm] of harms) {
    await withTemp(async (folder) => {
      const { root, diff, archive } = await makeCase(folder);
      harm(root);
      const state = stateOf(root);
      await assert.rejects(applyDiff(root, diff, archive), {
        name: "DeltarError",
        code: what === "a link" ? /mismatch|unsafe/ : "mismatch",
      }, what);
      assert.deepEqual(stateOf(root), state, what);
    });
  }
});

test(
  "applyDiff() refuses an archive with a flipped bit or a truncated one, and changes nothing",
  needs("cp"),
  async () => {
    await withTemp(async (folder) => {
      const { root, next, diff, archive } = await makeCase(folder);
      const whole = Uint8Array.from(fs.readFileSync(archive));
      run("cp", ["-a", root, join(folder, "pristine")]);
      const state = stateOf(root);
      const attempt = async (bytes: Uint8Array, what: string) => {
        fs.writeFileSync(archive, bytes);
        try {
          await applyDiff(root, diff, archive);
        } catch (error) {
          assert.equal(
            (error as Error).name,
            "DeltarError",
            `${what}: ${error}`,
          );
          assert.deepEqual(stateOf(root), state, what);
          return;
        }
        // A changed bit in an unused field of a gzip header need not be
        // detected, but changed content must be.
        assert.deepEqual(stateOf(root), stateOf(next), what);
        fs.rmSync(root, { recursive: true });
        run("cp", ["-a", join(folder, "pristine"), root]);
      };
      for (let at = 0; at < whole.length; at++) {
        const bytes = whole.slice();
        bytes[at] ^= 1 << at % 8;
        if (isIdleHeaderByte(whole, at)) continue;
        await attempt(bytes, `bit at ${at}`);
      }
      for (let at = 0; at < whole.length; at += 7) {
        await attempt(whole.subarray(0, at), `cut at ${at}`);
      }
      fs.writeFileSync(archive, whole);
      await applyDiff(root, diff, archive);
      assert.deepEqual(stateOf(root), stateOf(next));
    });
  },
);

/**
 * Returns whether a byte is in the time, level or system of a gzip header (RFC
 * 1952), which do not affect the content.
 */
function isIdleHeaderByte(bytes: Uint8Array, at: number): boolean {
  for (let start = Math.max(0, at - 9); start <= at - 4; start++) {
    if (bytes[start] === 0x1f && bytes[start + 1] === 0x8b) return true;
  }
  return false;
}
