import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { chunks } from "../../lib/bytes/source.ts";
import {
  DeltarError,
  DiffIndex,
  Dir,
  DirIndex,
  type Entry,
  MemoryStorage,
  Repository,
  TarVolume,
  toJson,
} from "../../mod.ts";
import { readTar } from "../../lib/archive/mod.ts";
import { TreeWriter } from "../../lib/tree/mod.ts";
import { setTimes } from "../../lib/tree/stat.ts";
import { withTemp } from "../support/temp.ts";

const TIME = 1_500_000_000_250_000_000n;
const TEXT = '"mtime":"1500000000.250000000"';

async function all<One>(source: AsyncIterable<One>): Promise<One[]> {
  const found: One[] = [];
  for await (const one of source) found.push(one);
  return found;
}

function project(folder: string): string {
  const root = join(folder, "project");
  fs.mkdirSync(join(root, "a"), { recursive: true });
  fs.writeFileSync(join(root, "a/large"), new Uint8Array(200_000).fill(7));
  fs.writeFileSync(join(root, "a/linked"), "linked");
  fs.linkSync(join(root, "a/linked"), join(root, "b"));
  fs.symlinkSync("a", join(root, "c"));
  setTimes(join(root, "a/large"), TIME);
  return root;
}

/** Checks that a value, and each object in it, can be written as JSON. */
function checkJson(name: string, value: unknown): string {
  const seen = new Set<unknown>();
  const visit = (part: unknown, at: string) => {
    if (typeof part !== "object" || part === null || seen.has(part)) return;
    seen.add(part);
    let text: string | undefined;
    try {
      text = JSON.stringify(part);
    } catch (error) {
      assert.fail(`${at}: ${error}`);
    }
    if (part instanceof Map && part.size > 0) assert.notEqual(text, "{}", at);
    if (ArrayBuffer.isView(part)) return;
    const inside = part instanceof Map ? part : Object.entries(part);
    for (const [key, one] of inside) visit(one, `${at}.${key}`);
  };
  visit(value, name);
  return JSON.stringify(value);
}

test("JSON.stringify() accepts the results of the calls for directories and archives [L7]", async () => {
  await withTemp(async (folder) => {
    const root = project(folder);
    const dir = new Dir(root);
    const index = await DirIndex.of(dir);
    const storage = new MemoryStorage();
    const made = await TarVolume.compress(dir, storage, "a", {
      volumeSize: 1 << 20,
    });
    const archive = await TarVolume.open(storage, "a");
    const unindexed = await TarVolume.open(storage, "a", { index: null });
    const writer = new TreeWriter(root);
    await dir.compressTo(join(folder, "a.tgz"));
    const tar = gunzipSync(fs.readFileSync(join(folder, "a.tgz")));
    const values: Record<string, unknown> = {
      walk: await all(dir.walk()),
      entries: [...dir.entries()],
      index,
      decoded: DirIndex.decode(index.encode()),
      diff: DiffIndex.compute(index, DirIndex.empty()),
      deleted: DiffIndex.compute(DirIndex.empty(), index),
      "decoded diff": DiffIndex.decode(DiffIndex.compute(index).encode()),
      made,
      "read index": archive.index,
      members: await all(archive.members()),
      scanned: await all(unindexed.members()),
      tar: (await all(readTar(chunks(tar)))).map(({ member }) => member),
      at: writer.at("a/large"),
    };
    writer.close();
    for (const [name, value] of Object.entries(values)) {
      const text = checkJson(name, value);
      // A tar has only whole seconds if this saves a header.
      assert.match(text, /"mtime":"1500000000(?:\.250000000)?"/, name);
    }
    assert.ok(checkJson("stat", dir.stat()).includes('"mtime":"'));
    assert.ok(checkJson("empty", DirIndex.empty()).includes('"mtime":"0"'));
    const parsed = JSON.parse(JSON.stringify(index));
    assert.deepEqual(Object.keys(parsed), ["root", "entries", "skipped"]);
    const large = parsed.entries.find(({ path }: Entry) => path === "a/large");
    assert.equal(large.mtime, "1500000000.250000000");
    assert.equal(large.size, 200_000);
    assert.equal(typeof large.signature, "string");
  });
});

test("JSON.stringify() accepts the results of the calls for repositories [L7]", async () => {
  await withTemp(async (folder) => {
    const root = project(folder);
    const dir = new Dir(root);
    const repository = await Repository.create(new MemoryStorage());
    const first = await repository.snapshot(dir);
    fs.rmSync(join(root, "a/linked"));
    fs.writeFileSync(join(root, "d"), "new");
    fs.renameSync(join(root, "a/large"), join(root, "e"));
    const second = await repository.snapshot(dir);
    const unchanged = await repository.snapshot(dir);
    const { record } = first;
    const tree = await repository.tree(record);
    fs.rmSync(join(root, "d"));
    fs.mkdirSync(join(root, "d"));
    fs.writeFileSync(join(root, "d/in the way"), "");
    const values: Record<string, unknown> = {
      first,
      second,
      unchanged,
      snapshots: await repository.snapshots(),
      labeled: await repository.label(record, "a label"),
      tree,
      below: tree.below("a"),
      "by path": tree.byPath,
      index: tree.index,
      entries: await all(repository.entries(record)),
      lookup: await repository.lookup(record, "a/large"),
      diff: await repository.diff(record, second.record),
      history: await all(repository.history(second.record, "a/large")),
      found: await repository.findPaths("large"),
      plan: await repository.planRestore(second.record, root),
      part: await repository.planRestore(record, root, { paths: ["a/large"] }),
      restored: await repository.restore(record, root, { delete: true }),
      "undo's plan": await repository.planRevert(root),
      undone: await repository.revert(root),
      redone: await repository.revert(root, { direction: "redo" }),
      safety: await repository.safetySnapshots(root),
      verified: await repository.verify({ data: true }),
      stats: await repository.stats(),
      repaired: await repository.repair(),
      "prune's plan": await repository.planPrune({ last: 1 }),
      pruned: await repository.prune({ last: 1 }),
      removed: await repository.removed(),
    };
    const other = await Repository.create(new MemoryStorage());
    values.copied = await repository.copyTo(
      other,
      await repository.snapshots(),
    );
    for (const [name, value] of Object.entries(values)) checkJson(name, value);
    for (const name of ["first", "tree", "below", "index", "diff", "part"]) {
      assert.ok(JSON.stringify(values[name]).includes(TEXT), name);
    }
    const { frees } = JSON.parse(JSON.stringify(values["prune's plan"]));
    assert.ok(frees[record.id] >= 0);
    const { failed } = JSON.parse(JSON.stringify(values.plan));
    assert.deepEqual(failed.map(({ path }: { path: string }) => path), ["d"]);
    assert.equal(failed[0].error.name, "DeltarError");
    assert.ok(failed[0].error.message.startsWith("d: "));
  });
});

test("toJSON is not one of the fields of an entry [L7]", async () => {
  await withTemp((folder) => {
    const [entry] = new Dir(project(folder)).entries();
    const { path, kind, size } = entry;
    assert.deepEqual(Object.keys(entry).slice(0, 2), ["path", "kind"]);
    assert.equal("toJSON" in { ...entry }, false);
    assert.deepEqual({ ...entry }, entry);
    assert.deepEqual(structuredClone(entry), entry);
    assert.deepEqual({ path, kind, size }, { path: "a", kind, size: 0 });
    assert.equal(JSON.stringify(toJson({ ...entry })), JSON.stringify(entry));
  });
});

test("toJson() returns a value that JSON can represent, at any depth [L7]", () => {
  assert.deepEqual(
    toJson({
      mtime: -1n,
      inode: 2n ** 64n,
      list: [{ ctime: 1_500_000_000n }, null, undefined, true, "text"],
      map: new Map<string, unknown>([["__proto__", new Set([1n])]]),
      error: new DeltarError("corrupt", "bad", { object: "a", offset: 1 }),
      other: new TypeError("no"),
      date: new Date(0),
    }),
    {
      mtime: "-0.000000001",
      inode: "18446744073709551616",
      list: [{ ctime: "1.500000000" }, null, undefined, true, "text"],
      map: JSON.parse('{"__proto__":["1"]}'),
      error: {
        name: "DeltarError",
        code: "corrupt",
        message: "a: bad (at byte 1)",
        object: "a",
        path: undefined,
        offset: 1,
      },
      other: { name: "TypeError", message: "no" },
      date: "1970-01-01T00:00:00.000Z",
    },
  );
});
