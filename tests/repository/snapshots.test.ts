import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { collect, concat } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { encodeState } from "../../lib/repository/snapshot/state_cache.ts";
import type { TakeOptions } from "../../lib/repository/snapshot/take_snapshot.ts";
import { withSum } from "../../lib/tree/state_file.ts";
import { StateWriter } from "../../lib/tree/state_writer.ts";
import { EntryList } from "../../lib/tree/entry_list.ts";
import { HashReader } from "../../lib/tree/file_reader.ts";
import { indexTree } from "../../lib/tree/index_tree.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import { setTimes } from "../../lib/tree/stat.ts";
import { needsPosix, needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything, later } from "./helpers.ts";

/** Makes a repository in memory, and a folder with an empty directory. */
function withRepository(
  work: (repository: Repository, root: string, folder: string) => Promise<void>,
): Promise<void> {
  return withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    await work(await Repository.create(new MemoryStorage()), root, folder);
  });
}

/**
 * Runs `work` twice, with options with which the remembered state is read into
 * memory, or page by page.
 */
async function withStates(
  work: (
    repository: Repository,
    root: string,
    folder: string,
    states: Pick<TakeOptions, "minPaged">,
  ) => Promise<void>,
): Promise<void> {
  for (const states of [{}, { minPaged: 0 }]) {
    await withRepository((...given) => work(...given, states));
  }
}

const names = (repository: Repository) =>
  [...(repository.storage as MemoryStorage).objects.keys()].sort();

test(
  "snapshot() takes a snapshot only if something changed, even a mode, or if a label is given",
  needsPosix("modes"),
  async () => {
    await withRepository(async (repository, root) => {
      fs.writeFileSync(join(root, "a"), "a");
      const first = await repository.snapshot(everything(root));
      assert.equal(first.isNew, true);
      const objects = names(repository);
      const same = await repository.snapshot(everything(root));
      assert.equal(same.isNew, false);
      assert.equal(same.record.id, first.record.id);
      assert.deepEqual(names(repository), objects);
      const labelled = await repository.snapshot(everything(root), {
        label: "before the move",
      });
      assert.equal(labelled.isNew, true);
      assert.equal(labelled.record.label, "before the move");
      assert.equal(labelled.record.parent, first.record.id);
      fs.chmodSync(root, 0o700);
      const touched = await repository.snapshot(everything(root));
      assert.equal(touched.isNew, true);
      assert.equal(touched.record.root.mode, 0o700);
      const records = await repository.snapshots();
      assert.deepEqual(
        records.map(({ id }) => id),
        [first, labelled, touched].map(({ record }) => record.id),
      );
    });
  },
);

test("snapshot() stores an empty directory, and one that becomes empty", async () => {
  await withRepository(async (repository, root, folder) => {
    const empty = await repository.snapshot(everything(root));
    assert.equal(empty.isNew, true);
    fs.writeFileSync(join(root, "a"), "");
    const { record } = await repository.snapshot(everything(root));
    fs.rmSync(join(root, "a"));
    const again = await repository.snapshot(everything(root));
    await repository.restore(empty.record, join(folder, "1"));
    await repository.restore(record, join(folder, "2"));
    await repository.restore(again.record, join(folder, "3"));
    assert.deepEqual(
      ["1", "2", "3"].map((name) => fs.readdirSync(join(folder, name))),
      [[], ["a"], []],
    );
  });
});

test("find() finds snapshots by id, beginning of an id, and age", async () => {
  await withRepository(async (repository, root) => {
    const missing = { name: "DeltarError", code: "not-found" };
    await assert.rejects(repository.find("latest"), missing);
    const ids: string[] = [];
    for (let at = 0; at < 3; at++) {
      fs.writeFileSync(join(root, "a"), `${at}`);
      ids.push((await repository.snapshot(everything(root))).record.id);
    }
    assert.deepEqual(ids, [...ids].sort());
    const find = async (text: string) => (await repository.find(text)).id;
    assert.equal(await find("latest"), ids[2]);
    assert.equal(await find("latest~0"), ids[2]);
    assert.equal(await find("latest~2"), ids[0]);
    for (const id of ids) {
      assert.equal(await find(id), id);
      assert.equal(await find(id.slice(0, -1)), id);
    }
    for (
      const text of [
        "latest~3",
        "latest~99999999999999999999",
        "latest~-1",
        "latest~",
        "",
        "2",
        "x",
        `${ids[0]}0`,
      ]
    ) await assert.rejects(repository.find(text), missing, text);
    await assert.rejects(repository.find("2"), /the beginning of 3 ids/);
  });
});

test("a tree has only a few layers, and each snapshot stores only changes", async () => {
  await withRepository(async (repository, root) => {
    for (let at = 0; at < 300; at++) {
      fs.writeFileSync(join(root, `file${at}`), `${at}`);
    }
    await repository.snapshot(everything(root));
    let entries = 0;
    for (let at = 0; at < 60; at++) {
      fs.writeFileSync(join(root, `file${at * 7 % 300}`), `changed ${at}`);
      if (at % 9 === 4) fs.rmSync(join(root, `file${at + 100}`));
      const { record } = await repository.snapshot(everything(root));
      assert.ok(record.layers.length <= 9, `${record.layers.length} layers`);
      entries += record.layers.at(-1)!.entries;
    }
    assert.ok(entries < 60 * 2 * 8, `${entries} entries were written`);
    const index = await repository.tree(await repository.find("latest"));
    assert.deepEqual(
      index.entries.map(({ path }) => path),
      fs.readdirSync(root).sort(),
    );
  });
});

test("snapshot() notices an edit directly after a snapshot that keeps the size", async () => {
  await withStates(async (repository, root, folder, states) => {
    const cache = join(folder, "cache");
    const file = join(root, "a");
    fs.writeFileSync(file, "one");
    setTimes(file, 1_700_000_000_000_000_000n);
    const options: TakeOptions = { ...states, cache };
    await repository.snapshot(everything(root), options);
    fs.writeFileSync(file, "two");
    setTimes(file, 1_700_000_000_000_000_000n);
    const { isNew, diff } = await repository.snapshot(
      everything(root),
      options,
    );
    assert.equal(isNew, true);
    assert.deepEqual(diff.updated, ["a"]);
  });
});

test("snapshot() does not read files that the cache knows, and works without a valid cache", async () => {
  await withStates(async (repository, root, folder, states) => {
    const cache = join(folder, "cache");
    for (const name of ["a", "b"]) fs.writeFileSync(join(root, name), name);
    const options: TakeOptions = { ...states, cache };
    const snapshot = () =>
      later(10, () => repository.snapshot(everything(root), options));
    await snapshot();
    const [file] = fs.readdirSync(cache).map((name) => join(cache, name));
    const { record } = await snapshot();
    // The forged state is used, which shows that the cache is read.
    const forge = async (snapshot: string) => {
      const writer = new StateWriter();
      const states = { writer, newest: 2n ** 63n };
      const list = new EntryList(writer);
      const sha256Of = (text: string) =>
        toHex(sha256(new TextEncoder().encode(text)));
      const { skipped } = await indexTree(
        everything(root),
        {
          add(entry, place, isOther) {
            if (entry.path === "a") entry.sha256 = sha256Of("a");
            list.add(entry, place, isOther);
          },
        },
        new HashReader(),
        {},
        states,
      );
      const parts = encodeState(snapshot, list, skipped, writer.finish());
      // Each part is valid until the next one is requested.
      const copies = withSum(parts).map((part) => part.slice());
      fs.writeFileSync(file, concat([...copies]));
    };
    fs.writeFileSync(join(root, "a"), "A");
    await forge(record.id);
    assert.equal((await snapshot()).isNew, false);
    await forge("20200101T000000Z-000000");
    const seen = await snapshot();
    assert.equal(seen.isNew, true);
    assert.deepEqual(seen.diff.updated, ["a"]);
    const harms = [
      () => fs.rmSync(file),
      () => fs.truncateSync(file, fs.statSync(file).size - 1),
      () => fs.truncateSync(file, 40),
      () => fs.writeFileSync(file, ""),
      () => {
        const bytes = fs.readFileSync(file);
        bytes[bytes.length >> 1] ^= 1;
        fs.writeFileSync(file, bytes);
      },
      () => {
        fs.rmSync(cache, { recursive: true });
        fs.writeFileSync(cache, "in the way");
      },
    ];
    for (const [at, harm] of harms.entries()) {
      harm();
      assert.equal((await snapshot()).isNew, false, `harm ${at}`);
      fs.writeFileSync(join(root, "b"), `b${at}`);
      const { diff } = await snapshot();
      assert.deepEqual(diff.updated, ["b"], `harm ${at}`);
    }
  });
});

test("two directories share a repository, and two snapshots are taken at the same time", async () => {
  await withRepository(async (repository, root, folder) => {
    const other = join(folder, "other");
    fs.mkdirSync(other);
    for (const place of [root, other]) {
      for (let at = 0; at < 20; at++) {
        fs.writeFileSync(join(place, `${at}`), `${place} ${at}`);
      }
    }
    for (let round = 0; round < 3; round++) {
      roundTimes(root);
      roundTimes(other);
      const results = await Promise.all(
        [root, other, root].map((place) =>
          repository.snapshot(everything(place), { label: `${round}` })
        ),
      );
      for (const { record } of results) {
        const target = join(folder, `${record.id}`);
        const { failed } = await repository.restore(record, target);
        assert.deepEqual(failed, []);
        assert.deepEqual(stateOf(target), stateOf(record.directory));
      }
      for (const place of [root, other]) {
        fs.writeFileSync(join(place, "3"), `${round}`);
        fs.rmSync(join(place, `${round + 10}`));
      }
    }
    assert.equal((await repository.snapshots()).length, 9);
  });
});

test("restore() restores parts of a snapshot, even with hard links whose first name is not selected", async () => {
  await withRepository(async (repository, root, folder) => {
    fs.mkdirSync(join(root, "a"));
    fs.mkdirSync(join(root, "b/c"), { recursive: true });
    fs.mkdirSync(join(root, "b-"));
    fs.writeFileSync(join(root, "a/first"), "linked");
    fs.linkSync(join(root, "a/first"), join(root, "b/second"));
    fs.linkSync(join(root, "a/first"), join(root, "b/c/third"));
    fs.writeFileSync(join(root, "b-/other"), "other");
    const { record } = await repository.snapshot(everything(root));
    let count = 0;
    const restore = async (paths: string[]) => {
      const target = join(folder, `restored${count++}`);
      const result = await repository.restore(record, target, { paths });
      assert.deepEqual(result.failed, []);
      return { target, found: Object.keys(stateOf(target)), result };
    };
    const { target, found, result } = await restore(["b"]);
    assert.deepEqual(found, ["b", "b/c", "b/c/third", "b/second"]);
    assert.equal(result.files, 1);
    assert.equal(result.links, 1);
    for (const path of ["b/second", "b/c/third"]) {
      assert.equal(fs.readFileSync(join(target, path), "utf8"), "linked");
      assert.equal(fs.statSync(join(target, path)).nlink, 2);
    }
    assert.deepEqual((await restore(["b/c/third"])).found, [
      "b",
      "b/c",
      "b/c/third",
    ]);
    assert.deepEqual((await restore(["b-/other", "a", "a/first"])).found, [
      "a",
      "a/first",
      "b-",
      "b-/other",
    ]);
    const third = await repository.readFile(record, "b/c/third");
    assert.equal(new TextDecoder().decode(await collect(third)), "linked");
    const absent = { name: "DeltarError", code: "not-found" };
    const unsafe = { name: "DeltarError", code: "unsafe" };
    const into = join(folder, "never");
    const refused = (paths: string[], error: object) =>
      assert.rejects(repository.restore(record, into, { paths }), error);
    await refused(["absent"], absent);
    await refused(["a", "b/c/th"], absent);
    await refused(["../root"], unsafe);
    await refused(["/etc"], unsafe);
    await assert.rejects(repository.readFile(record, "b"), absent);
    await assert.rejects(repository.readFile(record, "x"), absent);
    assert.equal(fs.existsSync(into), false);
  });
});

test(
  "restore() writes into a folder with other files, or through a link to the folder",
  needsSymlinks,
  async () => {
    await withRepository(async (repository, root, folder) => {
      fs.writeFileSync(join(root, "a"), "a");
      const { record } = await repository.snapshot(everything(root));
      const target = join(folder, "target");
      fs.mkdirSync(target);
      fs.writeFileSync(join(target, "mine"), "mine");
      await assert.rejects(repository.restore(record, join(target, "mine")), {
        name: "DeltarError",
        code: "exists",
      });
      assert.deepEqual(fs.readdirSync(target), ["mine"]);
      await repository.restore(record, target);
      assert.deepEqual(fs.readdirSync(target).sort(), ["a", "mine"]);
      await repository.revert(target);
      assert.deepEqual(fs.readdirSync(target), ["mine"]);
      fs.rmSync(join(target, "mine"));
      fs.chmodSync(target, 0o700);
      fs.symlinkSync(target, join(folder, "link"));
      setTimes(root, 1_600_000_000_000_000_000n);
      const second = await repository.snapshot(everything(root), {
        label: "x",
      });
      const options = { rootAttributes: true };
      await repository.restore(second.record, join(folder, "link"), options);
      assert.equal(fs.readFileSync(join(target, "a"), "utf8"), "a");
      assert.equal(fs.statSync(target).mtimeMs, 1_600_000_000_000);
      assert.equal(fs.statSync(target).mode, fs.statSync(root).mode);
    });
  },
);

test("a newer format is refused with advice", async () => {
  const storage = new MemoryStorage();
  const settings = encodeLines("deltar-repository", 3, { id: "x" }, []);
  await storage.put("deltar.json", settings);
  await assert.rejects(Repository.open(storage), {
    name: "DeltarError",
    code: "unsupported",
    message: /at most version 2; update deltar/,
  });
  await assert.rejects(Repository.create(storage), { code: "exists" });
  await assert.rejects(Repository.open(new MemoryStorage()), {
    name: "DeltarError",
    code: "not-found",
  });
  for (const id of ["../../x", "", "a/b", 5]) {
    const bad = encodeLines("deltar-repository", 1, { id, codec: "gzip" }, []);
    await storage.put("deltar.json", bad);
    await assert.rejects(Repository.open(storage), {
      name: "DeltarError",
      code: "corrupt",
    });
  }
});

test("snapshots of one source follow each other, regardless of the path of the directory", async () => {
  await withRepository(async (repository, root, folder) => {
    const source = "photos";
    const cache = join(folder, "cache");
    fs.writeFileSync(join(root, "a"), "a".repeat(10_000));
    const own = await repository.snapshot(everything(root), { cache });
    const first = await repository
      .snapshot(everything(root), { source, cache });
    assert.equal(first.record.directory, source);
    assert.equal(first.record.parent, undefined);
    const moved = join(folder, "moved");
    fs.cpSync(root, moved, { recursive: true, preserveTimestamps: true });
    fs.appendFileSync(join(moved, "a"), "b");
    const second = await repository
      .snapshot(everything(moved), { source, cache });
    assert.equal(second.record.directory, source);
    assert.equal(second.record.parent, first.record.id);
    assert.deepEqual(second.diff.counts.updated, 1);
    const same = await repository
      .snapshot(everything(moved), { source, cache });
    assert.equal(same.isNew, false);
    const unnamed = await repository.snapshot(everything(moved), { cache });
    assert.equal(unnamed.record.parent, undefined);
    const latest = await repository.find("latest", { directory: source });
    assert.equal(latest.id, second.record.id);
    assert.equal(
      (await repository.find("latest", { directory: root })).id,
      own.record.id,
    );
    const versions = await Array.fromAsync(repository.history(latest, "a"));
    assert.equal(versions.length, 2);
    const target = join(folder, "target");
    await repository.restore(latest, target);
    assert.equal(
      fs.readFileSync(join(target, "a"), "utf8"),
      "a".repeat(10_000) + "b",
    );
    assert.deepEqual((await repository.verify({ data: true })).damage, []);
    for (const source of ["", "x".repeat(4097)]) {
      await assert.rejects(
        repository.snapshot(everything(root), { source }),
        TypeError,
      );
    }
  });
});

test("fileReader() reads the data of many files once", async () => {
  await withRepository(async (repository, root) => {
    for (let at = 0; at < 50; at++) {
      fs.writeFileSync(join(root, `file${at}`), `content ${at}`);
    }
    const { record } = await repository.snapshot(everything(root));
    const { storage } = repository;
    const get = storage.get.bind(storage);
    let reads = 0;
    storage.get = (name, options) => {
      if (name.startsWith("volumes/")) reads++;
      return get(name, options);
    };
    const read = repository.fileReader(record);
    for (let at = 0; at < 50; at++) {
      const bytes = await collect(await read(`file${at}`));
      assert.equal(new TextDecoder().decode(bytes), `content ${at}`);
    }
    assert.equal(reads, 1);
    await assert.rejects(read("nothing"), { code: "not-found" });
  });
});

test("entryReader() reads only the versions of a file", async () => {
  await withRepository(async (repository, root) => {
    const text = (at: number) => `${"content\n".repeat(1000)}${at}\n`;
    for (let at = 0; at < 10; at++) {
      fs.writeFileSync(join(root, "file"), text(at));
      await repository.snapshot(everything(root));
    }
    const last = (await repository.snapshots()).at(-1)!;
    const versions = await Array.fromAsync(repository.history(last, "file"));
    const { storage } = repository;
    const get = storage.get.bind(storage);
    const names: string[] = [];
    storage.get = (name, options) => {
      names.push(name);
      return get(name, options);
    };
    const read = repository.entryReader();
    const texts: string[] = [];
    for (const { entry } of versions) {
      assert.ok(entry?.kind === "file");
      texts.push(new TextDecoder().decode(await collect(read(entry))));
    }
    assert.deepEqual(texts, versions.map((_, at) => text(9 - at)));
    assert.ok(names.every((name) => name.startsWith("volumes/")));
    assert.equal(names.length, new Set(names).size);
  });
});
