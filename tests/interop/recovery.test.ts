import assert from "node:assert/strict";
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Repository } from "../../lib/repository/repository.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { needs, runText } from "../support/peer.ts";
import { runs } from "../support/runs.ts";
import { withTemp } from "../support/temp.ts";
import {
  roundTimes,
  stateOf,
  treeAndEdited,
  writeTree,
} from "../support/trees.ts";

const guide = join(dirname(import.meta.dirname!), "../docs/RECOVERY.md");
const script = /```sh\n([\s\S]*?)```/.exec(readFileSync(guide, "utf8"))![1];
const peers = needs("tar", "zstd", "jq", "rdiff", "sha256sum");

function recover(folder: string, id: string, target: string): void {
  const file = join(folder, "recover.sh");
  writeFileSync(file, script);
  runText("sh", [file, join(folder, "repository"), id, target]);
}

test("the recipe of docs/RECOVERY.md gets any tree back", peers, async () => {
  const property = fc.asyncProperty(
    treeAndEdited,
    fc.constantFrom("zstd" as const, "gzip" as const),
    ([first, second], codec) =>
      withTemp(async (folder) => {
        const storage = new LocalStorage(join(folder, "repository"));
        const repository = await Repository.create(storage, { codec });
        const root = join(folder, "tree");
        writeTree(root, first);
        const one = await repository.snapshot(
          new Walker(root, { excludes: [] }),
        );
        const state = stateOf(root);
        rmSync(root, { recursive: true, force: true });
        writeTree(root, second);
        const two = await repository.snapshot(
          new Walker(root, { excludes: [] }),
          { label: "second" },
        );
        recover(folder, one.record.id, join(folder, "one"));
        assert.deepEqual(stateOf(join(folder, "one")), state);
        recover(folder, two.record.id, join(folder, "two"));
        assert.deepEqual(stateOf(join(folder, "two")), stateOf(root));
      }),
  );
  await fc.assert(property, runs(6, 200));
});

test("the recipe applies chains of deltas to large files", peers, async () => {
  await withTemp(async (folder) => {
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    const root = join(folder, "tree");
    const content = crypto.getRandomValues(new Uint8Array(60_000));
    writeTree(
      root,
      new Map([["log", { kind: "file", content, mode: 0o600, mtime: 0n }]]),
    );
    const large = join(root, "large");
    for (let part = 0; part < 60; part++) {
      appendFileSync(large, crypto.getRandomValues(new Uint8Array(50_000)));
    }
    for (let version = 0; version < 4; version++) {
      appendFileSync(large, `line ${version}\n`);
      appendFileSync(join(root, "log"), `line ${version}\n`);
      roundTimes(root);
      await repository.snapshot(new Walker(root));
    }
    const record = await repository.find("latest");
    const tree = await repository.tree(record);
    assert.equal(tree.byPath.get("large")?.content?.length, 4);
    recover(folder, record.id, join(folder, "restored"));
    assert.deepEqual(stateOf(join(folder, "restored")), stateOf(root));
  });
});

test("the recipe follows volumes that were moved", peers, async () => {
  await withTemp(async (folder) => {
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    const root = join(folder, "tree");
    writeTree(root, new Map());
    for (const name of ["a", "b", "c", "d"]) {
      // Each larger than a frame.
      const file = join(root, name);
      for (let part = 0; part < 20; part++) {
        appendFileSync(file, crypto.getRandomValues(new Uint8Array(60_000)));
      }
    }
    roundTimes(root);
    await repository.snapshot(new Walker(root));
    const times = 3;
    for (let time = 0; time < times; time++) {
      rmSync(join(root, ["b", "c", "d"][time]));
      appendFileSync(join(root, "a"), "more");
      roundTimes(root);
      const { record } = await repository.snapshot(new Walker(root));
      const prune = { grace: 0, repackBelow: 1, patience: 4 };
      const { repacked } = await repository.prune({ last: 1 }, prune);
      assert.ok(repacked > 0);
      recover(folder, record.id, join(folder, `restored${time}`));
      assert.deepEqual(stateOf(join(folder, `restored${time}`)), stateOf(root));
    }
    const moves = await Array.fromAsync(storage.list("moves/"));
    assert.ok(moves.length >= times);
  });
});
