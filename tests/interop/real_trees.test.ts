import assert from "node:assert/strict";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { needs, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const project = dirname(dirname(import.meta.dirname!));
const peers = needs("cp", "diff", "find");

/**
 * Returns what `find` prints of a tree: kind, mode, links, time and target by
 * path.
 */
function listing(root: string): Map<string, { state: string; time: number }> {
  const text = runText("find", [root, "-printf", "%P\\t%y %m %n %l\\t%T@\\0"]);
  return new Map(
    text.split("\0").slice(0, -1).map((line) => {
      const [path, state, time] = line.split("\t");
      return [path, { state, time: Number(time.slice(4)) }];
    }),
  );
}

type Listing = ReturnType<typeof listing>;

/** Compares a restored tree with contents and a listing of other programs. */
function assertSame(restored: string, contents: string, wanted: Listing): void {
  runText("diff", ["-r", "--no-dereference", contents, restored]);
  const found = listing(restored);
  assert.equal(found.size, wanted.size);
  for (const [path, { state, time }] of wanted) {
    assert.equal(found.get(path)?.state, state, path);
    // Node cannot set times to the nanosecond.
    assert.ok(Math.abs(found.get(path)!.time - time) < 1e-6, path);
  }
}

/** Edits, creates, deletes and renames files all over the tree. */
function edit(root: string): void {
  const files = [...new Walker(root, { excludes: [] }).entries()]
    .filter(({ kind, size }) => kind === "file" && size > 0);
  const step = Math.max(1, Math.floor(files.length / 40));
  for (const [at, { path }] of files.entries()) {
    if (at % step !== 0) continue;
    const place = join(root, path);
    switch (at / step % 4) {
      case 0:
        fs.chmodSync(place, 0o644);
        fs.appendFileSync(place, "an edit\n");
        break;
      case 1:
        fs.rmSync(place);
        break;
      case 2:
        fs.renameSync(place, `${place}.renamed`);
        break;
      case 3:
        fs.mkdirSync(`${place}.d/empty`, { recursive: true });
        fs.writeFileSync(`${place}.d/new file`, "new\n");
    }
  }
}

/** Copies a tree that may change. If a file vanishes, starts again. */
function copyLive(source: string, target: string): void {
  for (let attempt = 1;; attempt++) {
    try {
      runText("cp", ["-a", source, target]);
      return;
    } catch (error) {
      if (attempt === 5) throw error;
      fs.rmSync(target, { recursive: true, force: true });
    }
  }
}

/**
 * Takes a snapshot of a copy of a tree, changes the copy, takes another
 * snapshot, and restores both.
 */
async function roundTrip(source: string): Promise<void> {
  await withTemp(async (folder) => {
    const root = join(folder, "tree");
    // The tree is copied twice, because it may change while the test runs.
    const untouched = join(folder, "untouched");
    copyLive(source, root);
    runText("cp", ["-a", "--reflink=auto", root, untouched]);
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    const dir = new Walker(root, { excludes: [] });
    const cache = join(folder, "cache");
    const first = listing(root);
    const one = await repository.snapshot(dir, { cache });
    edit(root);
    const two = await repository.snapshot(dir, { cache });
    assert.ok(two.diff.renamed.length > 0 && two.diff.updated.length > 0);
    const cases = [
      [one, untouched, first],
      [two, root, listing(root)],
    ] as const;
    for (const [{ record }, contents, wanted] of cases) {
      const target = join(folder, record.id);
      const { failed } = await repository.restore(record, target);
      assert.deepEqual(failed, []);
      assertSame(target, contents, wanted);
    }
  });
}

test(
  "snapshots of this project's node_modules restore it exactly",
  peers,
  async () => {
    await roundTrip(join(project, "node_modules"));
  },
);

test(
  "snapshots of the system's time zones, which have many links, restore them exactly",
  peers,
  async () => {
    await roundTrip("/usr/share/zoneinfo");
  },
);

test("snapshots of the system's library folder restore it exactly", {
  ...peers,
  ...(!process.env.SLOW && { skip: "takes minutes: set SLOW=1" }),
}, async () => {
  await roundTrip("/usr/lib");
});
