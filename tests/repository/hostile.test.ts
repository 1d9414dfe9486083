import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { collect, concat } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import {
  encodeRecord,
  type SnapshotRecord,
} from "../../lib/repository/format/snapshot_record.ts";
import { encodeMove } from "../../lib/repository/content/move.ts";
import { Run } from "../../lib/repository/runs/run.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import {
  decodeLines,
  encodeLines,
  type Line,
} from "../../lib/bytes/listing.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { copyOf, everything, noise } from "./helpers.ts";

/**
 * Makes a small repository with two snapshots. Returns the state of the second
 * one, too.
 */
async function makeRepository(folder: string) {
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage, { codec: "gzip" });
  const root = join(folder, "root");
  fs.mkdirSync(join(root, "sub"), { recursive: true });
  fs.writeFileSync(join(root, "a"), noise(3000, 1));
  fs.writeFileSync(join(root, "sub/b"), noise(3000, 2));
  fs.linkSync(join(root, "a"), join(root, "sub/link"));
  fs.symlinkSync("../a", join(root, "sub/to-a"));
  roundTimes(root);
  const volumeSize = 4096;
  const first = await repository.snapshot(everything(root), { volumeSize });
  fs.appendFileSync(join(root, "sub/b"), "more");
  fs.writeFileSync(join(root, "c"), "new");
  roundTimes(root);
  const second = await repository.snapshot(everything(root), { volumeSize });
  return { storage, first: first.record, second: second.record, root };
}

test(
  "a file is never restored with wrong content if any byte of any object is changed",
  needsSymlinks,
  async () => {
    await withTemp(async (folder) => {
      const { storage, second, root } = await makeRepository(folder);
      const good = stateOf(root) as Record<string, { content?: string }>;
      let whole = 0;
      let parts = 0;
      for (const [name, bytes] of storage.objects) {
        const step = Math.max(1, Math.floor(bytes.length / 60));
        for (let at = 0; at < bytes.length; at += step) {
          const copy = await copyOf(storage);
          copy.storage.objects.get(name)![at] ^= 1 << at % 8;
          const target = join(folder, "restored");
          const what = `${name} at ${at}`;
          try {
            const repository = await copy.open();
            const record = await repository.find("latest");
            const result = await repository.restore(record, target);
            if (record.id !== second.id) continue;
            const found = stateOf(target) as typeof good;
            const failed = new Set(result.failed.map(({ path }) => path));
            for (const path of Object.keys(good)) {
              const isThere = found[path] !== undefined;
              assert.equal(isThere, !failed.has(path), `${what}: ${path}`);
              if (isThere) {
                assert.equal(found[path].content, good[path].content, what);
              }
            }
            assert.equal(Object.keys(found).length + failed.size, 6, what);
            if (failed.size > 0) {
              parts++;
              assert.ok(failed.size < 4, `${what}: ${[...failed]}`);
            } else {
              whole++;
              assert.deepEqual(found, good, what);
            }
          } catch (error) {
            assert.equal(
              (error as Error).name,
              "DeltarError",
              `${what}: ${error}`,
            );
          } finally {
            fs.rmSync(target, { recursive: true, force: true });
          }
        }
      }
      assert.ok(whole > 0 && parts > 0);
    });
  },
);

test("a lost object is named, and everything that does not need it can be restored", async () => {
  await withTemp(async (folder) => {
    const { storage, root } = await makeRepository(folder);
    const files = Object.keys(stateOf(root)).length;
    for (const name of storage.objects.keys()) {
      const copy = await copyOf(storage);
      copy.storage.objects.delete(name);
      const target = join(folder, "restored");
      try {
        const repository = await copy.open();
        const record = await repository.find("latest");
        const { failed } = await repository.restore(record, target);
        for (const { error } of failed) {
          assert.equal((error as { code?: string }).code, "not-found");
        }
        assert.ok(failed.length < files);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "not-found", name);
      } finally {
        fs.rmSync(target, { recursive: true, force: true });
      }
    }
  });
});

/** Changes the lines of the layer of a snapshot, and corrects all checksums. */
async function forge(
  folder: string,
  change: (lines: Line[]) => Line[],
): Promise<{ repository: Repository; record: SnapshotRecord }> {
  const { storage, first } = await makeRepository(folder);
  const repository = await Repository.open(storage);
  const [layer] = first.layers;
  const packed = await collect(storage.get(layer.name));
  const plain = await repository.codec.decompressBlock(packed, 1 << 20, {
    object: "",
  });
  const { lines } = decodeLines(plain, "deltar-tree", 1, "");
  const changed = change([...lines].map(([line]) => line));
  const bytes = await repository.codec.compress(
    encodeLines("deltar-tree", 1, {}, changed),
  );
  storage.objects.set(layer.name, Uint8Array.from(bytes));
  const record = {
    ...first,
    layers: [{
      ...layer,
      size: bytes.length,
      sha256: toHex(sha256(bytes)),
      entries: changed.filter((line) => line.path ?? line.gone).length,
      frames: [{
        length: bytes.length,
        sha256: toHex(sha256(bytes)),
        first: "",
      }],
    }],
  };
  await storage.put(`snapshots/${first.id}.json`, encodeRecord(record));
  return { repository, record: await repository.find(first.id) };
}

const DIR = { kind: "directory", mode: "0755", mtime: "1", uid: 0, gid: 0 };

/** Makes a file a sparse file of 1 TB, whose bytes have no list of ranges. */
function sparse(more: Line): (lines: Line[]) => Line[] {
  return (lines) =>
    lines.map(({ sha256, ...line }) =>
      line.path === "a"
        ? { ...line, size: 1e12, sparse: { size: line.size, sha256, ...more } }
        : { ...line, sha256 }
    );
}

test("verify() names a sparse file whose list of data is invalid", async () => {
  await withTemp(async (folder) => {
    const { repository, record } = await forge(folder, sparse({}));
    const { damage } = await repository.verify({ data: true });
    const named = damage.filter(({ message }) => /sparse/.test(message));
    assert.ok(named.length > 0, JSON.stringify(damage));
    const content = await repository.readFile(record, "a");
    await assert.rejects(collect(content), { code: "corrupt" });
  });
});

test(
  "hostile trees write nothing outside of the target",
  needsSymlinks,
  async () => {
    const insert = (...more: Line[]) => (lines: Line[]) => [...lines, ...more];
    const file = (path: string) => (lines: Line[]) => {
      const line = lines.find((line) => line.path === "a")!;
      return [...lines, { ...line, path }];
    };
    const reference = (more: Line) => (lines: Line[]) =>
      lines.map((line) =>
        line.path === "a"
          ? { ...line, content: [{ ...(line.content as Line[])[0], ...more }] }
          : line
      );
    const cases: Record<string, (lines: Line[]) => Line[]> = {
      "parent": file("../evil"),
      "parent inside": file("x/../../evil"),
      "absolute": file("/tmp/deltar-evil"),
      "dot": file("./x"),
      "empty segment": file("x//y"),
      "NUL": file("x\0y"),
      "through a link": (lines) =>
        file("z/evil")([...lines, {
          ...DIR,
          path: "z",
          kind: "symlink",
          target: "..",
        }]),
      "folder through a link": insert(
        { ...DIR, path: "z", kind: "symlink", target: ".." },
        { ...DIR, path: "z/evil" },
      ),
      "link over a folder": insert(
        { ...DIR, path: "z" },
        { ...DIR, path: "z/in" },
        { ...DIR, path: "z", kind: "symlink", target: ".." },
      ),
      "hard link to outside": insert({
        ...DIR,
        path: "z",
        kind: "hardlink",
        target: "../root/a",
      }),
      "hard link through a link": insert(
        { ...DIR, path: "y", kind: "symlink", target: "../root" },
        { ...DIR, path: "z", kind: "hardlink", target: "y/a" },
      ),
      "hard link to a link": insert(
        { ...DIR, path: "y", kind: "symlink", target: "../root/a" },
        { ...DIR, path: "z", kind: "hardlink", target: "y" },
      ),
      "hard link to nothing": insert(
        { ...DIR, path: "z", kind: "hardlink", target: "y" },
      ),
      "out of order": (lines) => [...lines].reverse(),
      "twice": file("a"),
      "below a link": file("sub/to-a/x"),
      "below a file": (lines) => file("y/x")(file("y")(lines)),
      "no content": (lines) =>
        lines.map((line) => ({ ...line, content: undefined })),
      "beyond the volume": reference({ offset: 1 << 20 }),
      "length beyond": reference({ length: 1 << 20 }),
      "skip beyond": reference({ skip: 1 << 20 }),
      "huge skip": reference({ skip: Number.MAX_SAFE_INTEGER }),
      "huge size": reference({ size: Number.MAX_SAFE_INTEGER }),
      "no number": reference({ offset: "0" }),
      "negative": reference({ offset: -1 }),
      "fraction": reference({ length: 1.5 }),
      "no such volume": reference({ volume: "volumes/none.tgz" }),
      "no name": reference({ volume: "../../root/a" }),
      "no name, absolute": reference({ volume: "/etc/passwd" }),
      "other form": reference({ form: "delta" }),
      "other codec": reference({ volume: "deltar.json" }),
      "bad mode": insert({ ...DIR, path: "z", mode: "99" }),
      "bad time": insert({ ...DIR, path: "z", mtime: "now" }),
      "no kind": insert({ ...DIR, path: "z", kind: "pipe" }),
      "no line": insert({}),
      "bad object": insert({ object: { name: 5 } }),
      "bad gone": insert({ gone: "../x" }),
      "a sparse file without a list": sparse({}),
      "a sparse file of another length": sparse({ size: 1 << 20 }),
      "a sparse file of a huge length": sparse({
        size: Number.MAX_SAFE_INTEGER,
      }),
      "a sparse file without a sum": sparse({ sha256: 5 }),
      "a sparse file that is null": (lines) =>
        lines.map((line) =>
          line.path === "a" ? { ...line, sparse: null } : line
        ),
    };
    for (const [what, change] of Object.entries(cases)) {
      await withTemp(async (folder) => {
        const { repository, record } = await forge(folder, change);
        const target = join(folder, "target");
        const outside = stateOf(join(folder, "root"));
        for (const paths of [undefined, ["z"], ["sub"]]) {
          try {
            const { failed } = await repository.restore(record, target, {
              ...paths && { paths },
            });
            if (paths === undefined) assert.ok(failed.length > 0, what);
            for (const { error } of failed) {
              assert.equal(
                error.name,
                "DeltarError",
                `${what}: ${error.stack}`,
              );
            }
          } catch (error) {
            const { name, stack } = error as Error;
            assert.equal(name, "DeltarError", `${what}: ${stack}`);
          }
          assert.deepEqual(stateOf(join(folder, "root")), outside, what);
          const beside = fs.readdirSync(folder).filter((name) =>
            name !== "root" && name !== "target"
          );
          assert.deepEqual(beside, [], what);
          fs.rmSync(target, { recursive: true, force: true });
        }
        await assert.rejects(
          (async () => await collect(await repository.readFile(record, "z")))(),
          { name: "DeltarError" },
          what,
        );
      });
    }
    assert.equal(fs.existsSync("/tmp/deltar-evil"), false);
  },
);

test("hostile records are refused", async () => {
  await withTemp(async (folder) => {
    const { storage, first } = await makeRepository(folder);
    const name = `snapshots/${first.id}.json`;
    const { header } = decodeLines(
      storage.objects.get(name)!,
      "deltar-snapshot",
      1,
      name,
    );
    const { format: _, version: __, ...good } = header;
    const layer = (good.layers as Line[])[0];
    const [frame] = layer.frames as Line[];
    const cases: Line[] = [
      { id: "20200101T000000Z-000000" },
      { id: 5 },
      { time: "yesterday" },
      { time: undefined },
      { duration: -1 },
      { directory: 5 },
      { root: undefined },
      { root: "x" },
      { label: 5 },
      { parent: {} },
      { layers: undefined },
      { layers: [] },
      { layers: [null] },
      { layers: [{ ...layer, name: "../x" }] },
      { layers: [{ ...layer, sha256: "x" }] },
      { layers: [{ ...layer, entries: -1 }] },
      { layers: [{ ...layer, frames: undefined }] },
      { layers: [{ ...layer, frames: [] }] },
      { layers: [{ ...layer, frames: [null] }] },
      { layers: [{ ...layer, frames: [{ ...frame, length: 1 }] }] },
      { layers: [{ ...layer, frames: [{ ...frame, sha256: "x" }] }] },
      { layers: [{ ...layer, frames: [{ ...frame, first: 5 }] }] },
      { layers: [{ ...layer, filter: 5 }] },
      { counts: undefined },
      { counts: { ...good.counts as Line, files: "many" } },
    ];
    for (const change of cases) {
      const copy = await copyOf(storage);
      const lines = encodeLines(
        "deltar-snapshot",
        1,
        { ...good, ...change },
        [],
      );
      copy.storage.objects.set(name, lines);
      const repository = await copy.open();
      await assert.rejects(
        repository.find(first.id),
        { name: "DeltarError", code: "corrupt" },
        JSON.stringify(change),
      );
    }
    const copy = await copyOf(storage);
    copy.storage.objects.set(name, encodeLines("deltar-snapshot", 9, good, []));
    await assert.rejects(
      async () => (await copy.open()).find(first.id),
      { code: "unsupported" },
    );
  });
});

/** Stores an object, and returns it in the form in which a record names it. */
async function putObject(
  storage: MemoryStorage,
  name: string,
  bytes: Uint8Array,
): Promise<Line> {
  await storage.put(name, bytes);
  return { name, size: bytes.length, sha256: toHex(sha256(bytes)) };
}

/**
 * Changes the lines of a layer so that the file `a` is in the object `named`.
 */
function inObject(named: Line): (lines: Line[]) => Line[] {
  return (lines) => [
    ...lines.map((line) => {
      if (line.path !== "a") return line;
      const [piece] = line.content as Line[];
      return { ...line, content: [{ ...piece, volume: named.name }] };
    }),
    { object: named },
  ];
}

const FOREIGN = [
  "settings/20991231T000000Z-000000.json",
  "deltar.json",
  "garbage/20200101T000000Z-000000.json",
  "lease/999.json",
  "removed/20200101T000000Z-000000.json",
  "running/20200101T000000Z-000000.json",
  "snapshots/20200101T000000Z-000000.json",
  "labels/20200101T000000Z-000000.20200101T000000Z-000000.json",
  "moves/volumes/20200101T000000Z-000000.vol0.tgz.json",
  "trees/20200101T000000Z-000000.ndjson.gz",
  "checkpoints/20200101T000000Z-000000.0.ndjson.gz",
  "volumes/20200101T000000Z-000000.vol0.tgz/x",
  "volumes/x/20200101T000000Z-000000.vol0.tgz",
  "volumes/20200101T000000Z-000000.vol0.exe",
  "volumes/evil",
  "other/20200101T000000Z-000000.vol0.tgz",
];

test("copyTo() from a hostile repository stores only layers, volumes and notes [A1]", async () => {
  for (const name of FOREIGN) {
    await withTemp(async (folder) => {
      const evil = encodeLines("deltar-settings", 1, { maxSize: 1 }, []);
      const named = {
        name,
        size: evil.length,
        sha256: toHex(sha256(evil)),
      };
      const { repository, record } = await forge(folder, inObject(named));
      const storage = repository.storage as MemoryStorage;
      const settings = storage.objects.get("deltar.json")!;
      await storage.put(name, evil);
      storage.objects.set("deltar.json", settings);
      const trusted = new MemoryStorage();
      const copy = await Repository.create(trusted);
      const before = [...trusted.objects.keys()];
      await assert.rejects(repository.copyTo(copy, [record]), {
        name: "DeltarError",
        code: "corrupt",
      }, name);
      assert.deepEqual([...trusted.objects.keys()], before, name);
      const { failed } = await repository
        .restore(record, join(folder, "target"))
        .catch((error) => ({ failed: [{ path: "", error }] }));
      assert.equal(failed[0].error.name, "DeltarError");
    });
  }
});

test("copyTo() refuses a record whose layer is another object [A1]", async () => {
  await withTemp(async (folder) => {
    for (const name of FOREIGN) {
      if (name.startsWith("trees/")) continue;
      const { storage, first } = await makeRepository(join(folder, name));
      const [layer] = first.layers;
      await storage.put(name, storage.objects.get(layer.name)!);
      const record = { ...first, layers: [{ ...layer, name }] };
      await storage.put(`snapshots/${first.id}.json`, encodeRecord(record));
      const trusted = new MemoryStorage();
      const copy = await Repository.create(trusted);
      const before = [...trusted.objects.keys()];
      const hostile = await Repository.open(storage).catch(() => undefined);
      await assert.rejects(
        async () => await hostile!.copyTo(copy, [record]),
        name,
      );
      assert.deepEqual([...trusted.objects.keys()], before, name);
    }
  });
});

test("copyTo() does not replace or move a volume that the target needs [A1]", async () => {
  await withTemp(async (folder) => {
    const trusted = await makeRepository(join(folder, "trusted"));
    const copy = await Repository.open(trusted.storage);
    const good = [...trusted.storage.objects.keys()]
      .find((name) => name.startsWith("volumes/"))!;
    const before = new Map(trusted.storage.objects);
    const evil = new TextEncoder().encode("not the volume");
    const named = {
      name: good,
      size: evil.length,
      sha256: toHex(sha256(evil)),
    };
    const { repository, record } = await forge(
      join(folder, "hostile"),
      inObject(named),
    );
    const storage = repository.storage as MemoryStorage;
    await putObject(storage, good, evil);
    const refused = { name: "DeltarError", code: "mismatch" };
    await assert.rejects(repository.copyTo(copy, [record]), refused);
    assert.deepEqual(trusted.storage.objects, before);
    // If the volume were missing and moved, the next prune would delete it in
    // the target.
    storage.objects.delete(good);
    const other = "volumes/20200101T000000Z-000000.vol0.tgz";
    const to = await putObject(storage, other, evil);
    await storage.put(
      `moves/${good}.json`,
      encodeLines("deltar-move", 1, { from: named, to }, []),
    );
    await assert.rejects(repository.copyTo(copy, [record]), refused);
    assert.ok(!trusted.storage.objects.has(`moves/${good}.json`));
    assert.deepEqual(trusted.storage.objects.get(good), before.get(good));
  });
});

test("copyTo() copies a damaged object of the target again [A1]", async () => {
  await withTemp(async (folder) => {
    const { storage, first } = await makeRepository(folder);
    const repository = await Repository.open(storage);
    const trusted = new MemoryStorage();
    const copy = await Repository.create(trusted, { codec: "gzip" });
    await repository.copyTo(copy, [first]);
    const [, second] = await repository.snapshots();
    const volume = [...trusted.objects.keys()]
      .find((name) => name.startsWith("volumes/"))!;
    trusted.objects.set(volume, new Uint8Array(0));
    await repository.copyTo(copy, [second]);
    assert.deepEqual(
      trusted.objects.get(volume),
      storage.objects.get(volume),
    );
  });
});

test("a run never takes over settings, marks or leases [A1]", async () => {
  const storage = new MemoryStorage();
  const run = new Run({ storage }, { id: "20200101T000000Z-00000a" });
  for (
    const name of FOREIGN.filter((name) =>
      !/^(?:snap|trees|check|moves|label)/.test(name)
    )
  ) {
    await assert.rejects(run.storage.put(name, new Uint8Array()), TypeError);
  }
  assert.equal(storage.objects.size, 0);
});

test("snapshot() records the size of the result of each delta [F1]", async () => {
  await withTemp(async (folder) => {
    const { storage, root } = await makeRepository(folder);
    const repository = await Repository.open(storage);
    const sizes: number[] = [];
    for (const size of [5, 40, 1500, 20]) {
      const bytes = concat([noise(3000, 2), noise(size, size)]);
      fs.writeFileSync(join(root, "sub/b"), bytes);
      sizes.push(bytes.length);
      const { record } = await repository.snapshot(everything(root));
      const entry = await repository.lookup(record, "sub/b");
      const deltas = entry!.content!.slice(1);
      assert.deepEqual(deltas.map(({ result }) => result).slice(1), sizes);
      assert.equal(deltas[0].result, 3004);
    }
  });
});

test("prune() does not delete a volume because of a forged move", async () => {
  await withTemp(async (folder) => {
    const { storage, first, root } = await makeRepository(folder);
    const volumes = [...storage.objects].filter(([name]) =>
      name.startsWith("volumes/")
    ).map(([name, { length: size }]) => ({
      name,
      size,
      sha256: "0".repeat(64),
    }));
    const state = stateOf(root);
    for (const from of volumes) {
      for (const to of volumes) {
        const copy = await copyOf(storage);
        const length = Math.min(from.size, to.size);
        const move = { from, to, ranges: [{ offset: 0, length, to: 0 }] };
        const name = `moves/${from.name}.json`;
        await copy.storage.put(name, [encodeMove(move)], { ifAbsent: true });
        const repository = await copy.open();
        await repository.prune({}, { grace: 0 });
        assert.ok(copy.storage.objects.has(from.name), from.name);
        assert.deepEqual((await repository.verify({ data: true })).damage, []);
        const target = join(folder, "restored");
        await repository.restore(await repository.find("latest"), target);
        assert.deepEqual(stateOf(target), state);
        fs.rmSync(target, { recursive: true });
        await repository.readRecord(first.id);
      }
    }
  });
});
