import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";
import { everything, later, noise } from "./helpers.ts";

const SMALL = noise(20_000, 1);
const LARGE = noise(3_000_000, 2);

/**
 * Makes a repository, and a function that takes a snapshot and restores it
 * immediately.
 */
async function withRoot(
  work: (
    write: (name: string, bytes: Uint8Array) => void,
    snapshot: () => Promise<{
      stored: number;
      /** Returns the path under which the first piece of a file was stored. */
      owner: (name: string) => string | undefined;
      /** Returns the path under which the signature of a file was stored. */
      signer: (name: string) => string | undefined;
    }>,
  ) => Promise<void>,
): Promise<void> {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const repository = await Repository.create(new MemoryStorage());
    await work(
      (name, bytes) => fs.writeFileSync(join(root, name), bytes),
      async () => {
        const { record } = await later(
          5,
          () => repository.snapshot(everything(root)),
        );
        const target = join(folder, "restored");
        const { failed } = await repository.restore(record, target);
        assert.deepEqual(failed, []);
        for (const name of fs.readdirSync(root)) {
          const [was, is] = [root, target]
            .map((at) => fs.readFileSync(join(at, name)));
          assert.ok(was.equals(is), name);
        }
        fs.rmSync(target, { recursive: true });
        const { damage } = await repository.verify({ data: true });
        assert.deepEqual(damage, []);
        const { byPath } = await repository.tree(record);
        const entry = (name: string) => byPath.get(name)!;
        return {
          stored: record.counts.stored,
          owner: (name) => entry(name).content![0].path ?? name,
          signer: (name) =>
            entry(name).signature && (entry(name).signature!.path ?? name),
        };
      },
    );
  });
}

test("small files with the same content are stored once", async () => {
  await withRoot(async (write, snapshot) => {
    for (let at = 0; at < 10; at++) write(`same${at}`, SMALL);
    write("empty1", new Uint8Array());
    write("empty2", new Uint8Array());
    const first = await snapshot();
    assert.ok(first.stored < 25_000, `${first.stored}`);
    assert.equal(first.owner("same9"), "same0");
    assert.equal(first.owner("empty2"), "empty2");
    // One of the files changes. The others stay the same.
    write("same4", SMALL.toReversed());
    const second = await snapshot();
    assert.equal(second.owner("same4"), "same4");
    assert.equal(second.owner("same5"), "same0");
  });
});

test("large files with the same content are stored once", async () => {
  await withRoot(async (write, snapshot) => {
    write("a", LARGE);
    write("b", LARGE);
    // This file has the same length and the same beginning.
    const other = LARGE.slice();
    other[2_500_000]++;
    write("c", other);
    const first = await snapshot();
    assert.ok(first.stored < 6_200_000, `${first.stored}`);
    assert.equal(first.owner("b"), "a");
    assert.equal(first.signer("b"), "a");
    assert.equal(first.owner("c"), "c");
    // The signature of one file is used for the delta of the other.
    const edited = LARGE.slice();
    edited[1_000_000]++;
    write("b", edited);
    const second = await snapshot();
    assert.ok(second.stored < 10_000, `${second.stored}`);
    assert.equal(second.signer("b"), "a");
  });
});
