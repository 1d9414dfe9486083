import assert from "node:assert/strict";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type {
  HistoryOptions,
  PathVersion,
  SnapshotRecord,
} from "../../lib/repository/mod.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { withCache } from "../../lib/repository/with_cache.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { changedFields } from "../../lib/tree/mod.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { CountingStorage } from "../support/counting_storage.ts";
import { withTemp } from "../support/temp.ts";
import { everything, noise } from "./helpers.ts";

/** A directory, and the repository of its snapshots. */
class Work {
  readonly root: string;
  readonly repository: Repository;

  constructor(root: string, repository: Repository) {
    this.root = root;
    this.repository = repository;
  }

  write(path: string, text: string): void {
    const place = join(this.root, path);
    fs.mkdirSync(dirname(place), { recursive: true });
    fs.writeFileSync(place, text);
  }

  remove(path: string): void {
    fs.rmSync(join(this.root, path), { recursive: true });
  }

  rename(from: string, to: string): void {
    fs.renameSync(join(this.root, from), join(this.root, to));
  }

  async take(label?: string, excludes: string[] = []): Promise<SnapshotRecord> {
    const walker = new Walker(this.root, { excludes });
    return (await this.repository.snapshot(walker, { label })).record;
  }

  async history(
    path: string,
    options?: HistoryOptions,
  ): Promise<PathVersion[]> {
    const last = await this.repository.find("latest");
    return await Array.fromAsync(this.repository.history(last, path, options));
  }
}

function withWork(
  work: (at: Work) => Promise<void>,
  storage = new MemoryStorage(),
): Promise<void> {
  return withTemp(async (root) => {
    await work(new Work(root, await Repository.create(storage)));
  });
}

/** Returns the label, the change and the size of each version. */
function shown(versions: readonly PathVersion[]): unknown[] {
  return versions.map(({ record, change, entry }) => [
    record.label,
    change,
    ...entry === undefined ? [] : [entry.size],
  ]);
}

test("history() continues with the snapshots of former paths", () =>
  withWork(async (at) => {
    at.write("new/a", "one");
    const take = (path: string) => {
      const walker = new Walker(join(at.root, path));
      return at.repository.snapshot(walker);
    };
    await take("new");
    at.rename("new", "moved");
    at.write("moved/a", "second");
    await take("moved");
    const sizes = async (former?: string[]) =>
      (await at.history("a", { former })).map(({ entry }) => entry?.size);
    assert.deepEqual(await sizes(), [6]);
    assert.deepEqual(await sizes([join(at.root, "new")]), [6, 3]);
  }));

test("history() names each version of a file once, with the change", async () => {
  await withWork(async (at) => {
    at.write("other", "1");
    await at.take("before it");
    at.write("a", "one");
    await at.take("first");
    at.write("other", "2");
    await at.take("of another");
    fs.utimesSync(join(at.root, "a"), 1, 1);
    await at.take("only its time");
    at.write("a", "three");
    await at.take("second");
    at.remove("a");
    await at.take("deleted");
    await at.take("still deleted");
    at.write("a", "one");
    const last = await at.take("back");
    assert.deepEqual(shown(await at.history("a")), [
      ["back", "created", 3],
      ["deleted", "deleted"],
      ["second", "updated", 5],
      ["only its time", "touched", 3],
      ["first", "created", 3],
    ]);
    assert.deepEqual(await at.history("never"), []);
    await at.repository.label(last, "renamed label");
    assert.equal((await at.history("a"))[0].record.label, "renamed label");
    await assert.rejects(at.history("../a"), { code: "unsafe" });
  });
});

test("history() does not report a skipped or excluded path as deleted [S10]", async () => {
  await withWork(async (at) => {
    at.write("folder/a", "one");
    await at.take("first");
    await at.take("skipped", ["/folder/"]);
    await at.take("still skipped", ["a"]);
    await at.take("seen again");
    at.write("folder/a", "three");
    await at.take("second");
    await at.take("skipped before it was deleted", ["a"]);
    at.remove("folder/a");
    await at.take("deleted");
    assert.deepEqual(shown(await at.history("folder/a")), [
      ["deleted", "deleted"],
      ["second", "updated", 5],
      ["first", "created", 3],
    ]);
    const folder = await at.history("folder");
    assert.deepEqual(
      folder.map(({ record, inside }) => [record.label, inside]),
      [
        ["second", { created: 0, updated: 1, deleted: 0 }],
        ["first", undefined],
      ],
    );
    await at.take("excluded after it was deleted", ["a"]);
    assert.equal((await at.history("folder/a"))[0].record.label, "deleted");
  });
});

test("history() ignores and reports snapshots that are damaged", async () => {
  const storage = new MemoryStorage();
  await withWork(async (at) => {
    for (const text of ["one", "two"]) {
      at.write("a", text);
      await at.take();
    }
    const [first] = await at.repository.snapshots();
    storage.objects.set(first.layers[0].name, new Uint8Array(10));
    await assert.rejects(at.history("a"), { code: "truncated" });
    const told: string[] = [];
    const versions = await at.history("a", {
      onDamage: ({ code }) => told.push(code),
    });
    assert.ok(told.length > 0);
    assert.ok(told.every((code) => code === "truncated"));
    assert.ok(versions.every(({ record }) => record.id !== first.id));
  }, storage);
});

test("history() follows a renamed file from both its old and its new path", async () => {
  await withWork(async (at) => {
    for (let n = 0; n < 20; n++) at.write(`other${n}`, `other ${n}`);
    at.write("old", "first text");
    await at.take("created");
    at.write("old", "second text");
    await at.take("updated");
    at.rename("old", "middle");
    await at.take("renamed");
    at.rename("middle", "new");
    await at.take("renamed again");
    at.write("copy", "other 7");
    await at.take("copied");
    at.write("new", "third text");
    await at.take("updated again");
    const versions = [
      ["new", "updated"],
      ["new", "renamed", "middle"],
      ["middle", "renamed", "old"],
      ["old", "updated"],
      ["old", "created"],
    ];
    const follow = true;
    for (const path of ["old", "middle", "new"]) {
      const found = await at.history(path, { follow });
      assert.deepEqual(
        found.map(({ path, change, from }) =>
          [path, change, from].filter(Boolean)
        ),
        versions,
        path,
      );
    }
    const [copy] = await at.history("copy", { follow });
    assert.deepEqual([copy.change, copy.from], ["copied", "other7"]);
    const [deleted] = await at.history("old");
    assert.deepEqual([deleted.change, deleted.to], ["deleted", "middle"]);
    // Another file got the old path, so the history does not continue after the
    // rename.
    at.write("old", "something else");
    await at.take("another");
    const [another, moved, ...more] = await at.history("old", { follow });
    assert.equal(another.change, "created");
    assert.deepEqual([moved.change, moved.to], ["deleted", "middle"]);
    assert.equal(more.length, 2);
    at.remove("new");
    await at.take("deleted");
    const [last] = await at.history("middle", { follow });
    assert.deepEqual([last.path, last.change], ["new", "deleted"]);
  });
});

test("history() follows a renamed file whose content a purge stored again", async () => {
  await withWork(async (at) => {
    const secret = noise(9000, 1);
    fs.writeFileSync(join(at.root, "secret"), secret);
    await at.take();
    at.rename("secret", "old");
    await at.take();
    fs.appendFileSync(join(at.root, "old"), "more");
    await at.take();
    at.rename("old", "new");
    await at.take();
    const { storedAgain } = await at.repository.purge(["secret"], {
      all: true,
    });
    assert.deepEqual(storedAgain, ["new", "old"]);
    const versions = await at.history("new", { follow: true });
    assert.deepEqual(
      versions.map(({ path, change, from }) => [path, change, from]),
      [["new", "renamed", "old"], ["old", "created", undefined]],
    );
  });
});

test("history() prefers a file with the same name as the other path", async () => {
  await withWork(async (at) => {
    for (let n = 0; n < 20; n++) at.write(`other${n}`, `other ${n}`);
    for (const path of ["a/1", "a/2", "a/3"]) at.write(path, "same text");
    await at.take();
    at.rename("a", "b");
    await at.take();
    const [moved] = await at.history("b/2");
    assert.deepEqual([moved.change, moved.from], ["renamed", "a/2"]);
    const [deleted] = await at.history("a/3");
    assert.deepEqual([deleted.change, deleted.to], ["deleted", "b/3"]);
  });
});

test("history() follows a renamed folder from both its old and its new path", async () => {
  await withWork(async (at) => {
    for (let n = 0; n < 20; n++) at.write(`other/${n}`, `other ${n}`);
    for (const name of ["a", "b", "in/c"]) at.write(`old/${name}`, name);
    at.write("old/empty", "");
    await at.take("created");
    at.write("old/a", "changed");
    await at.take("updated");
    at.rename("old", "middle");
    await at.take("renamed");
    fs.mkdirSync(join(at.root, "above"));
    at.rename("middle", "above/new");
    at.write("above/new/d", "a new file");
    await at.take("renamed again");
    at.remove("above/new/b");
    await at.take("updated again");
    const follow = true;
    for (const path of ["old", "middle", "above/new"]) {
      const found = await at.history(path, { follow });
      assert.deepEqual(
        found.map(({ path, change, from }) =>
          [path, change, from].filter(Boolean)
        ),
        [
          ["above/new", "updated"],
          ["above/new", "renamed", "middle"],
          ["middle", "renamed", "old"],
          ["old", "updated"],
          ["old", "created"],
        ],
        path,
      );
    }
    const [inner] = await at.history("above/new/in");
    assert.deepEqual([inner.change, inner.from], ["renamed", "middle/in"]);
    // A copy of a folder counts as a new folder.
    for (const name of ["a", "in/c"]) at.write(`copy/${name}`, name);
    await at.take("copied");
    const [copy] = await at.history("copy", { follow });
    assert.deepEqual([copy.change, copy.from], ["created", undefined]);
  });
});

test("history() ends for files that exchanged their paths", async () => {
  await withWork(async (at) => {
    for (let n = 0; n < 20; n++) at.write(`other${n}`, `other ${n}`);
    at.write("a", "text");
    for (let round = 0; round < 4; round++) {
      await at.take();
      const [from, to] = round % 2 === 0 ? ["a", "b"] : ["b", "a"];
      at.rename(from, to);
    }
    await at.take();
    for (const path of ["a", "b"]) {
      const versions = await at.history(path, { follow: true });
      assert.deepEqual(
        versions.map(({ path, change }) => `${change} ${path}`),
        ["renamed a", "renamed b", "renamed a", "renamed b", "created a"],
      );
    }
  });
});

test("history() reads records and layers from the cache of the machine that took the snapshots", async () => {
  await withTemp(async (root) => {
    const far = new CountingStorage();
    const storage = withCache(far, new MemoryStorage());
    const at = new Work(root, await Repository.create(storage));
    for (let n = 0; n < 30; n++) at.write(`other${n}`, `other ${n}`);
    for (let n = 0; n < 25; n++) {
      at.write("a", `${n}`);
      await at.take();
    }
    const repository = await Repository.open(storage);
    const last = await repository.find("latest");
    far.reset();
    const versions = await Array.fromAsync(repository.history(last, "a"));
    assert.equal(versions.length, 25);
    assert.ok(far.requests <= 3, `${far.requests}`);
  });
});

test("history() of a folder counts the changes in it", async () => {
  await withWork(async (at) => {
    for (let n = 0; n < 30; n++) at.write(`other/${n}`, `other ${n}`);
    at.write("folder/a", "a");
    at.write("folder/sub/b", "b");
    at.write("folder-2/c", "c");
    await at.take("created");
    at.write("folder-2/c", "changed");
    at.write("other/1", "changed");
    await at.take("another folder");
    at.write("folder/sub/b", "changed");
    at.write("folder/new", "new");
    await at.take("updated");
    at.remove("folder/a");
    await at.take("one deleted");
    fs.chmodSync(join(at.root, "folder"), 0o700);
    await at.take("touched");
    for (let n = 0; n < 30; n++) at.write(`other/${n}`, `rewritten ${n}`);
    await at.take("a full layer");
    at.remove("folder");
    await at.take("deleted");
    const versions = await at.history("folder");
    assert.deepEqual(
      versions.map(({ record, change, inside }) => [
        record.label,
        change,
        ...inside === undefined ? [] : [Object.values(inside)],
      ]),
      [
        ["deleted", "deleted"],
        ["touched", "touched"],
        ["one deleted", "updated", [0, 0, 1]],
        ["updated", "updated", [1, 1, 0]],
        ["created", "created"],
      ],
    );
  });
});

test("history() continues in the directory from which a directory was moved", async () => {
  await withTemp(async (folder) => {
    const repository = await Repository.create(new MemoryStorage());
    const [old, moved] = ["old", "moved"].map((name) => join(folder, name));
    fs.mkdirSync(old);
    for (let n = 0; n < 20; n++) fs.writeFileSync(join(old, `other${n}`), "");
    fs.writeFileSync(join(old, "a"), "one");
    await repository.snapshot(everything(old));
    fs.writeFileSync(join(old, "a"), "three");
    await repository.snapshot(everything(old));
    fs.renameSync(old, moved);
    fs.writeFileSync(join(moved, "b"), "b");
    await repository.snapshot(everything(moved), { continues: old });
    fs.writeFileSync(join(moved, "a"), "four!");
    const { record } = await repository.snapshot(everything(moved));
    const versions = await Array.fromAsync(repository.history(record, "a"));
    assert.deepEqual(
      versions.map(({ record }) => record.directory),
      [moved, old, old],
    );
  });
});

test("history() uses only snapshots of the machine and directory", async () => {
  await withTemp(async (folder) => {
    const storage = new MemoryStorage();
    await Repository.create(storage);
    const root = join(folder, "root");
    const other = join(folder, "other");
    const take = async (id: string, root: string, text: string) => {
      const repository = await Repository.open(storage, { machine: { id } });
      fs.mkdirSync(root, { recursive: true });
      fs.writeFileSync(join(root, "a"), text);
      return (await repository.snapshot(everything(root))).record;
    };
    await take("one", root, "1");
    await take("two", root, "22");
    await take("one", other, "333");
    const last = await take("one", root, "4444");
    const repository = await Repository.open(storage);
    const versions = await Array.fromAsync(repository.history(last, "a"));
    assert.deepEqual(versions.map(({ entry }) => entry?.size), [4, 1]);
  });
});

test("history() continues before a repaired snapshot, and after a damaged one", async () => {
  for (const isRepaired of [true, false]) {
    const storage = new MemoryStorage();
    await withTemp(async (folder) => {
      const [root, other] = ["root", "other"].map((name) => join(folder, name));
      const repository = await Repository.create(storage);
      const take = async (label: string, files: Record<string, string>) => {
        fs.mkdirSync(root, { recursive: true });
        for (const [name, text] of Object.entries(files)) {
          fs.writeFileSync(join(root, name), text);
        }
        const onDamage = () => {};
        const { record } = await repository
          .snapshot(everything(root), { label, onDamage });
        // The snapshot directly before the next one is of another directory.
        fs.mkdirSync(other, { recursive: true });
        fs.writeFileSync(join(other, label), label);
        await repository.snapshot(everything(other), { onDamage });
        return record;
      };
      await take("first", { a: "one" });
      const { id } = await take("second", { b: "lost" });
      const name = isRepaired
        ? `volumes/${id}.vol0.tar.zst`
        : `trees/${id}.ndjson.zst`;
      assert.ok(storage.objects.delete(name));
      if (isRepaired) {
        const { replaced } = await repository.repair();
        assert.equal(replaced.length, 1);
      } else await take("third", { a: "three" });
      const last = await repository.find(isRepaired ? "second" : "third");
      assert.equal(last.parent, undefined);
      const versions = await Array.fromAsync(
        repository.history(last, "a", { onDamage: () => {} }),
      );
      assert.deepEqual(
        shown(versions),
        isRepaired
          ? [["first", "created", 3]]
          : [["third", "updated", 5], ["first", "created", 3]],
      );
    });
  }
});

/** Returns numbers that look random, from 0 up to but not including `most`. */
function randomNumbers(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % most;
  };
}

for (const seed of [1, 2, 3]) {
  test(`history() and findPaths() agree with all trees, seed ${seed}`, async () => {
    await withWork(async (at) => {
      const random = randomNumbers(seed);
      const { repository } = at;
      for (let n = 0; n < 120; n++) at.write(`d${n % 7}/f${n}`, `${n}`);
      for (let n = 0; n < 70; n++) {
        for (let change = random(4); change > 0; change--) {
          const number = random(8);
          const path = `d${number % 7}/f${number}`;
          const place = join(at.root, path);
          if (random(4) > 0) at.write(path, "x".repeat(random(3)));
          else if (fs.existsSync(place)) at.remove(path);
        }
        if (random(20) === 0) {
          for (let n = 20; n < 120; n++) at.write(`d${n % 7}/f${n}`, `${n}!`);
        }
        await at.take(undefined);
      }
      // Removed snapshots leave gaps.
      if (seed > 1) {
        for (const record of (await repository.snapshots()).slice(1, -1)) {
          if (random(2) === 0) await repository.forget(record);
        }
      }
      const records = await repository.snapshots();
      const trees = await Promise.all(
        records.map(async (record) => (await repository.tree(record)).byPath),
      );
      const found = new Map(
        (await repository.findPaths("f*", { directory: at.root }))
          .map((one) => [one.path, one]),
      );
      for (let number = 0; number < 12; number++) {
        const path = `d${number % 7}/f${number}`;
        const expected: string[] = [];
        const present: string[] = [];
        trees.forEach((tree, index) => {
          const entry = tree.get(path);
          const before = trees[index - 1]?.get(path);
          const { id } = records[index];
          if (entry !== undefined) present.push(id);
          const isSame = entry === undefined || before === undefined
            ? entry === before
            : changedFields(entry, before).length === 0;
          if (!isSame) expected.push(`${id} ${entry?.sha256}`);
        });
        assert.deepEqual(
          (await at.history(path)).map(({ record, entry }) =>
            `${record.id} ${entry?.sha256}`
          ),
          expected.reverse(),
          path,
        );
        const one = found.get(path);
        assert.deepEqual(
          [one?.first.id, one?.last.id, one?.count ?? 0],
          [present.at(0), present.at(-1), present.length],
          path,
        );
      }
    });
  });
}

test("history() reads only a few objects of many snapshots", async () => {
  const storage = new CountingStorage();
  await withWork(async (at) => {
    for (let n = 0; n < 400; n++) at.write(`f${n}`, `${n}`);
    for (let n = 0; n < 200; n++) {
      at.write(`f${n}`, `changed ${n}`);
      if (n === 120) at.write("f399", "changed");
      await at.take();
    }
    for (const [path, versions] of [["f398", 1], ["f399", 2]] as const) {
      const repository = await Repository.open(storage);
      storage.reset();
      const last = await repository.find("latest", { directory: at.root });
      const found = await Array.fromAsync(
        repository.history(last, path, { follow: true }),
      );
      assert.equal(found.length, versions);
      assert.ok(storage.requests <= 25, `${path}: ${storage.requests}`);
    }
  }, storage);
});
