import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { applyDiff } from "../../lib/archive/apply_diff.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { collect } from "../../lib/bytes/source.ts";
import { compose } from "../../lib/delta/compose.ts";
import { patchBytes } from "../../lib/delta/patch.ts";
import { bytesAccess } from "../../lib/delta/random_access.ts";
import { signBytes } from "../../lib/delta/sign.ts";
import { Signature } from "../../lib/delta/signature.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { withTemp } from "../support/temp.ts";
import {
  assertRestored,
  type Expected,
  type Frozen,
  frozenFiles,
} from "./frozen.ts";

const posix = { skip: process.platform === "win32" && "needs POSIX" };
const folder = frozenFiles("2abdc44");
const expected = JSON.parse(
  fs.readFileSync(join(folder, "expected.json"), "utf8"),
) as Expected & Record<"before" | "after", Record<string, number>>;
const frozen: Frozen = { name: "files", folder, expected };
const read = (name: string) =>
  new Uint8Array(fs.readFileSync(join(folder, name)));

for (const name of ["tree.tgz", "tree.tar.zst"]) {
  test(
    `TarVolume.extractAll() extracts all of ${name} [frozen]`,
    posix,
    async () => {
      await withTemp(async (target) => {
        const storage = new LocalStorage(folder);
        await TarVolume.fromVolumes(storage, [name]).extractAll(target);
        assertRestored(target, frozen, expected.before);
      });
    },
  );
}

test(
  "TarVolume.open() opens frozen volumes by their index",
  posix,
  async () => {
    const storage = new LocalStorage(join(folder, "volumes"));
    for (const index of [undefined, null]) {
      await withTemp(async (target) => {
        const archive = await TarVolume.open(storage, "key", { index });
        assert.ok(archive.volumes.length > 1);
        await archive.extractAll(target);
        assertRestored(target, frozen, expected.before);
      });
    }
  },
);

test("DirIndex.fromFile() and DiffIndex.fromFile() read frozen files", async () => {
  const before = await DirIndex.fromFile(join(folder, "before.index.ndjson"));
  const after = await DirIndex.fromFile(join(folder, "after.index.ndjson"));
  const diff = await DiffIndex.fromFile(join(folder, "diff.ndjson"));
  for (const [index, tree] of [[before, "before"], [after, "after"]] as const) {
    const wanted = expected[tree];
    assert.deepEqual(
      index.entries.map(({ path }) => path).sort(),
      Object.keys(wanted).sort(),
    );
    for (const { path, kind, sha256 } of index.entries) {
      if (kind !== "file") continue;
      assert.equal(sha256, expected.nodes[wanted[path]].sha256, path);
    }
  }
  assert.deepEqual(DiffIndex.compute(after, before).changes, diff.changes);
});

test("applyDiff() applies a frozen difference", posix, async () => {
  const diff = await DiffIndex.fromFile(join(folder, "diff.ndjson"));
  await withTemp(async (target) => {
    const storage = new LocalStorage(folder);
    await TarVolume.fromVolumes(storage, ["tree.tgz"]).extractAll(target);
    await applyDiff(target, diff, join(folder, "diff.tgz"));
    assertRestored(target, frozen, expected.after);
  });
});

test("patchBytes() and compose() apply frozen deltas", async () => {
  const [basis, last] = [read("basis"), read("last")];
  const [one, two] = [read("one.delta"), read("two.delta")];
  assert.deepEqual(patchBytes(patchBytes(basis, one), two), last);
  assert.deepEqual(patchBytes(basis, read("both.delta")), last);
  const both = await collect(compose(bytesAccess(one), two));
  assert.deepEqual(patchBytes(basis, both), last);
  const signature = Signature.decode(read("signature"));
  assert.deepEqual(signature.encode(), signBytes(basis).encode());
});
