import assert from "node:assert/strict";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { encrypt, newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { encodeRecord } from "../../lib/repository/format/snapshot_record.ts";
import type { FoundPath, SnapshotRecord } from "../../lib/repository/mod.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { CountingStorage } from "../support/counting_storage.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

function write(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    const place = join(root, path);
    fs.mkdirSync(dirname(place), { recursive: true });
    fs.writeFileSync(place, text);
  }
}

function paths(found: readonly FoundPath[]): string[] {
  return found.map(({ path }) => path);
}

test("findPaths() matches names and whole paths as gitignore does", async () => {
  await withTemp(async (root) => {
    const repository = await Repository.create(new MemoryStorage());
    write(root, {
      "notes.md": "1",
      "docs/notes.md": "2",
      "docs/old/Notes.MD": "3",
      "docs.md/a": "4",
      "!odd": "5",
      "#odd": "6",
    });
    await repository.snapshot(everything(root));
    const cases: [string, string[]][] = [
      ["*.md", ["docs/notes.md", "docs.md", "notes.md"]],
      ["notes.md", ["docs/notes.md", "notes.md"]],
      ["*.md/", ["docs.md"]],
      ["/notes.md", ["notes.md"]],
      ["docs/*.md", ["docs/notes.md"]],
      ["docs/**", ["docs/notes.md", "docs/old", "docs/old/Notes.MD"]],
      ["!odd", ["!odd"]],
      ["#odd", ["#odd"]],
      ["none", []],
    ];
    for (const [pattern, expected] of cases) {
      assert.deepEqual(
        paths(await repository.findPaths(pattern)),
        expected,
        pattern,
      );
    }
    const folded = await repository.findPaths("NOTES.md", { ignoreCase: true });
    assert.deepEqual(paths(folded), [
      "docs/notes.md",
      "docs/old/Notes.MD",
      "notes.md",
    ]);
  });
});

test("findPaths() counts only the snapshots in which an entry matches the conditions", async () => {
  await withTemp(async (root) => {
    const repository = await Repository.create(new MemoryStorage());
    const take = async (text?: string) => {
      if (text === undefined) fs.rmSync(join(root, "a"));
      else write(root, { a: text });
      const label = `${text}`;
      return (await repository.snapshot(everything(root), { label })).record;
    };
    for (let n = 0; n < 20; n++) write(root, { [`other${n}`]: "" });
    const taken: SnapshotRecord[] = [];
    for (const text of ["1", "22", "333", undefined, "4444", "5", "6"]) {
      taken.push(await take(text));
    }
    const found = async (isWanted?: (size: number) => boolean) => {
      const [one] = await repository.findPaths("a", {
        directory: root,
        ...isWanted && { isWanted: ({ size }) => isWanted(size) },
      });
      const at = (id: string) => taken.findIndex((record) => record.id === id);
      return one &&
        [at(one.first.id), at(one.last.id), one.count, one.entry.size];
    };
    assert.deepEqual(await found(), [0, 6, 6, 1]);
    assert.deepEqual(await found((size) => size > 1), [1, 4, 3, 4]);
    assert.deepEqual(await found((size) => size === 1), [0, 6, 3, 1]);
    assert.equal(await found((size) => size > 9), undefined);
  });
});

test("findPaths() searches one directory of a machine, or all of them", async () => {
  await withTemp(async (folder) => {
    const storage = new MemoryStorage();
    await Repository.create(storage);
    const roots = ["one", "two"].map((name) => join(folder, name));
    for (const id of ["here", "elsewhere"]) {
      const repository = await Repository.open(storage, { machine: { id } });
      for (const root of roots) {
        write(root, { a: "", [`of ${id}`]: "" });
        await repository.snapshot(everything(root));
      }
    }
    const repository = await Repository.open(storage, {
      machine: { id: "here" },
    });
    const [directory] = roots;
    assert.deepEqual(paths(await repository.findPaths("*", { directory })), [
      "a",
      "of here",
    ]);
    const all = await repository.findPaths("a");
    assert.deepEqual(
      all.map(({ last }) => `${last.machine?.id} ${last.directory}`).sort(),
      ["elsewhere", "here"].flatMap((id) =>
        roots.map((root) => `${id} ${root}`)
      ),
    );
    await assert.rejects(repository.findPaths("a", { directory: folder }), {
      code: "not-found",
    });
  });
});

test("findPaths() ignores and reports snapshots that are damaged", async () => {
  await withTemp(async (root) => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    for (let n = 0; n < 20; n++) write(root, { [`other${n}`]: "" });
    for (const text of ["1", "22", "333"]) {
      write(root, { a: text, [`new${text}`]: "" });
      await repository.snapshot(everything(root));
    }
    const records = await repository.snapshots();
    const [, second, third] = records;
    const own = second.layers.find(({ name }) => name.includes(second.id));
    assert.ok(own !== undefined);
    assert.ok(third.layers.every(({ name }) => name !== own.name));
    storage.objects.set(own.name, new Uint8Array(own.size));
    await assert.rejects(repository.findPaths("a"), { code: "corrupt" });
    const told: string[] = [];
    const [found] = await repository.findPaths("a", {
      onDamage: ({ object = "" }) => told.push(object),
    });
    assert.deepEqual(told, [own.name]);
    assert.deepEqual(
      [found.first.id, found.last.id, found.count],
      [records[0].id, third.id, 2],
    );
  });
});

test("history() and findPaths() read encrypted repositories, but no forged snapshots", async () => {
  await withTemp(async (root) => {
    const identity = await newIdentity();
    const storage = new MemoryStorage();
    await Repository.create(storage, {
      encrypt: { name: "me", to: await recipientOf(identity) },
    });
    const repository = await Repository.open(storage, { keys: [identity] });
    for (const text of ["1", "22"]) {
      write(root, { "notes.txt": text });
      await repository.snapshot(everything(root));
    }
    const [first, last] = await repository.snapshots();
    const check = async () => {
      const reopened = await Repository.open(storage, { keys: [identity] });
      const versions = await Array.fromAsync(
        reopened.history(last, "notes.txt"),
      );
      assert.deepEqual(
        versions.map(({ record, entry }) => [record.id, entry?.size]),
        [[last.id, 2], [first.id, 1]],
      );
      const [found] = await reopened.findPaths("*.txt", { directory: root });
      assert.equal(found.count, 2);
    };
    await check();
    // Somebody knows the recipient, but has no signing key, and adds a snapshot
    // with the tree of the last one directly after the first.
    const id = first.id.replace(
      /.{6}$/,
      (end) => (parseInt(end, 16) + 1).toString(16).padStart(6, "0"),
    );
    assert.ok(id > first.id && id < last.id);
    const forged = { ...last, id, signer: undefined };
    await storage.put(
      `snapshots/${id}.json.age`,
      encrypt([encodeRecord(forged)], [repository.keys!.recipient()]),
    );
    assert.equal(await repository.trustOf(forged), "unsigned");
    await check();
    for (const [name, bytes] of storage.objects) {
      const text = new TextDecoder("latin1").decode(bytes);
      assert.ok(!text.includes("notes.txt"), name);
    }
  });
});

test("findPaths() finds a path in the snapshots from which it was not purged", async () => {
  await withTemp(async (root) => {
    const repository = await Repository.create(new MemoryStorage());
    for (let n = 0; n < 20; n++) write(root, { [`f${n}`]: `${n}` });
    await repository.snapshot(everything(root));
    write(root, { secret: "1", other: "1" });
    const { record: first } = await repository.snapshot(everything(root));
    write(root, { other: "2" });
    const { record } = await repository.snapshot(everything(root));
    await repository.purge(["secret"], { from: [record.id] });
    const [found] = await repository.findPaths("secret");
    assert.deepEqual(
      [found.first.id, found.last.id, found.count],
      [first.id, first.id, 1],
    );
  });
});

test("findPaths() reads few layers if only few of them have a path", async () => {
  const storage = new CountingStorage();
  await withTemp(async (root) => {
    const repository = await Repository.create(storage);
    for (let n = 0; n < 200; n++) write(root, { [`f${n}`]: `${n}` });
    for (let n = 0; n < 100; n++) {
      write(root, { [`f${n}`]: `changed ${n}` });
      if (n === 50) write(root, { rare: "" });
      await repository.snapshot(everything(root));
    }
    storage.reset();
    const [found] = await repository.findPaths("rare", { directory: root });
    assert.equal(found.count, 50);
    // One request lists the records, and one reads each of them.
    assert.ok(storage.requests - 101 <= 30, `${storage.requests}`);
  });
});
