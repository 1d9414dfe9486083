import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { codeOf } from "../../lib/bytes/errors.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { collect, concat } from "../../lib/bytes/source.ts";
import { isSmallWhole } from "../../lib/repository/content/content.ts";
import type { TreeFileEntry } from "../../lib/repository/layers/tree_layer.ts";
import { decodeRecord } from "../../lib/repository/format/snapshot_record.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { hasSystemCalls } from "../../lib/tree/folder_by_calls.ts";
import { openFile } from "../../lib/tree/read_file.ts";
import { encodeMap, filled, placedData } from "../../lib/tree/sparse.ts";
import { TreeWriter } from "../../lib/tree/tree_writer.ts";
import { needs, run, runText } from "../support/peer.ts";
import { FaultyStorage } from "../support/faulty_storage.ts";
import { runs } from "../support/runs.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything, later, noise } from "./helpers.ts";

/**
 * The size of a file that can be read quickly only by a reader that finds
 * holes.
 */
const HUGE = hasSystemCalls() ? 10 ** 12 : 64 << 20;

/**
 * Writes bytes at the given offsets of a file. Creates the file if it does not
 * exist.
 */
function plant(
  place: string,
  size: number,
  data: readonly (readonly [offset: number, bytes: Uint8Array])[],
): void {
  const fd = fs.openSync(place, fs.existsSync(place) ? "r+" : "w");
  fs.ftruncateSync(fd, size);
  for (const [offset, bytes] of data) {
    fs.writeSync(fd, bytes, 0, bytes.length, offset);
  }
  fs.closeSync(fd);
}

/** Returns blocks of data all over a file. */
function scattered(
  count: number,
  seed: number,
  size = HUGE,
): [number, Uint8Array][] {
  const step = Math.floor(size / 4096 / count);
  return Array.from({ length: count }, (_, n) => {
    const block = n * step + seed * n % step;
    return [block * 4096, noise(4096, seed + n)];
  });
}

/**
 * Returns the ranges of a file with data, and their bytes, as the system
 * reports them.
 */
function dataOf(place: string): [number, number, string][] {
  const file = openFile(place);
  try {
    const { size } = file.stat();
    const ranges: [number, number, string][] = [];
    for (let at = 0; at < size;) {
      const data = file.nextData(at);
      if (data === undefined) break;
      const end = Math.min(data.end, size);
      const bytes = new Uint8Array(end - data.start);
      for (let got = 0; got < bytes.length;) {
        got += file.read(bytes.subarray(got), data.start + got);
      }
      ranges.push([data.start, end, toHex(sha256(bytes))]);
      at = end;
    }
    return ranges;
  } finally {
    file.close();
  }
}

/** Returns the space that a file takes on the disk, in bytes. */
function spaceOf(place: string): number {
  return fs.statSync(place).blocks * 512;
}

/** Takes a snapshot of files with times that every runtime can restore. */
function snapshot(repository: Repository, root: string) {
  roundTimes(root);
  return repository.snapshot(everything(root));
}

async function entryOf(
  repository: Repository,
  path: string,
  which = "latest",
): Promise<TreeFileEntry> {
  const entry = await repository.lookup(await repository.find(which), path);
  assert.ok(entry?.kind === "file");
  return entry;
}

function stored(place: string): number {
  return fs.readdirSync(place, { recursive: true, encoding: "utf8" })
    .reduce((sum, name) => sum + fs.statSync(join(place, name)).size, 0);
}

test("a file with holes takes only the space of its data, in a repository and after a restore", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const place = join(root, "huge");
    plant(place, HUGE, scattered(256, 1));
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    const first = await snapshot(repository, root);
    assert.ok(stored(join(folder, "repository")) < 1_300_000);
    assert.equal(first.record.counts.bytes, HUGE);
    const one = await entryOf(repository, "huge");
    assert.equal(one.size, HUGE);
    assert.ok(one.sparse! < 1_100_000);
    plant(place, HUGE, scattered(100, 7));
    const second = await later(3, () => snapshot(repository, root));
    const two = await entryOf(repository, "huge");
    assert.deepEqual(two.content.map(({ form }) => form), ["whole", "delta"]);
    assert.ok(second.record.counts.stored < 800_000);
    for (const [record, count] of [[first, 256], [second, 356]] as const) {
      const target = join(folder, `target-${count}`);
      const { failed } = await repository.restore(record.record, target);
      assert.deepEqual(failed, []);
      const restored = join(target, "huge");
      assert.equal(fs.statSync(restored).size, HUGE);
      assert.ok(spaceOf(restored) <= count * 4096 + 65_536);
      if (count === 356) assert.deepEqual(dataOf(restored), dataOf(place));
      const { files } = await repository.planRestore(record.record, target)
        .then(({ steps }) => ({ files: steps }));
      assert.deepEqual(files, []);
    }
    const { damage } = await repository.verify({ data: true });
    assert.deepEqual(damage, []);
    const drilled = await repository.drill();
    assert.equal(drilled.files, 1);
    assert.deepEqual(drilled.failed, []);
    // An unchanged file is not read, and its entry does not change.
    fs.writeFileSync(join(root, "other"), "other");
    const third = await later(6, () => snapshot(repository, root));
    assert.equal((await entryOf(repository, "huge")).sparse, two.sparse);
    const again = await later(9, () => snapshot(repository, root));
    assert.equal(again.record.id, third.record.id);
  });
});

test("snapshot() finds the holes that truncate, fallocate and cp make", {
  ...needs("truncate", "fallocate", "cp", "du"),
}, async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const at = (name: string) => join(root, name);
    run("truncate", ["-s", "20M", at("empty")]);
    fs.writeFileSync(at("punched"), noise(8 << 20));
    run("fallocate", ["-p", "-o", "1048576", "-l", "6291456", at("punched")]);
    run("cp", ["--sparse=always", at("punched"), at("copy")]);
    run("cp", ["--sparse=never", at("punched"), at("dense")]);
    fs.writeFileSync(at("start"), noise(3 << 20));
    run("fallocate", ["-p", "-o", "0", "-l", "1234567", at("start")]);
    plant(at("end"), 5_000_001, [[4_999_999, noise(2)]]);
    // A hole of less than 64 KiB is stored as zeros.
    fs.writeFileSync(at("small"), noise(2 << 20));
    run("fallocate", ["-p", "-o", "1048576", "-l", "61440", at("small")]);
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    await snapshot(repository, root);
    const entries = new Map<string, TreeFileEntry>();
    for (const name of fs.readdirSync(root)) {
      entries.set(name, await entryOf(repository, name));
    }
    const sparse = [...entries].filter(([, { sparse }]) => sparse !== undefined)
      .map(([name]) => name);
    assert.deepEqual(sparse.sort(), [
      "copy",
      "empty",
      "end",
      "punched",
      "start",
    ]);
    assert.equal(entries.get("empty")!.sparse, 512);
    assert.equal(entries.get("copy")!.sha256, entries.get("punched")!.sha256);
    for (const name of ["dense", "small"]) {
      const sum = toHex(sha256(fs.readFileSync(at(name))));
      assert.equal(entries.get(name)!.sha256, sum);
    }
    const target = join(folder, "target");
    const record = await repository.find("latest");
    await repository.restore(record, target);
    assert.deepEqual(stateOf(target), stateOf(root));
    const du = (place: string) =>
      Number(runText("du", ["-k", place]).split("\t")[0]);
    for (const name of fs.readdirSync(root)) {
      const [was, is] = [at(name), join(target, name)].map(du);
      const more = name === "small" ? 60 : 4;
      assert.ok(is <= was + more, `${name}: ${is} KiB instead of ${was}`);
    }
    // A reader of the content gets zeros for holes.
    for (const name of sparse) {
      const content = await repository.readFile(record, name);
      assert.ok(fs.readFileSync(at(name)).equals(await collect(content)), name);
    }
    // In JSON, the checksum of the condensed form is not named like that of the
    // content.
    const shown = JSON.parse(JSON.stringify(entries.get("punched")));
    const { sparse: size, sha256: sum } = entries.get("punched")!;
    assert.deepEqual(shown.sparse, { size, sha256: sum });
    assert.equal(shown.sha256, undefined);
  });
});

test("a sparse file becomes dense, and a dense file sparse", {
  ...needs("cp"),
}, async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const place = join(root, "disk");
    const repository = await Repository.create(new MemoryStorage());
    plant(place, 4 << 20, [[1 << 20, noise(1_500_000)]]);
    await snapshot(repository, root);
    const states = [stateOf(root)];
    for (const mode of ["never", "always", "never"]) {
      run("cp", [`--sparse=${mode}`, place, join(folder, "copy")]);
      fs.renameSync(join(folder, "copy"), place);
      fs.appendFileSync(place, mode);
      await snapshot(repository, root);
      states.push(stateOf(root));
    }
    const records = (await repository.snapshots())
      .sort((a, b) => a.id < b.id ? -1 : 1);
    const kinds = [];
    for (const [at, record] of records.entries()) {
      const target = join(folder, "target");
      // Each state is restored over the previous one.
      const { failed } = await repository.restore(record, target, {
        delete: true,
      });
      assert.deepEqual(failed, []);
      const entry = await entryOf(repository, "disk", record.id);
      assert.deepEqual(stateOf(target), states[at]);
      kinds.push(entry.sparse !== undefined);
    }
    assert.deepEqual(kinds, [true, false, true, false]);
    const { damage } = await repository.verify({ data: true });
    assert.deepEqual(damage, []);
  });
});

test("a file that equals the condensed form of another one is distinguished from it", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const bytes = noise(300 * 4096);
    const map = encodeMap([{ offset: 1 << 20, length: bytes.length }], 9 << 20);
    const form = concat([map, bytes]);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    fs.writeFileSync(join(root, "b"), form);
    await snapshot(repository, root);
    plant(join(root, "a"), 9 << 20, [[1 << 20, bytes]]);
    const second = await later(3, () => snapshot(repository, root));
    const [a, b] = [
      await entryOf(repository, "a"),
      await entryOf(repository, "b"),
    ];
    assert.equal(a.sha256, b.sha256);
    // Both files share one stored content.
    assert.deepEqual(a.content[0].reference, b.content[0].reference);
    const before = stateOf(root);
    // One file replaces the other at its path.
    fs.rmSync(join(root, "b"));
    fs.renameSync(join(root, "a"), join(root, "b"));
    const third = await later(6, () => snapshot(repository, root));
    const target = join(folder, "target");
    await repository.restore(second.record, target);
    assert.deepEqual(stateOf(target), before);
    await repository.restore(third.record, target, { delete: true });
    assert.deepEqual(stateOf(target), stateOf(root));
    await repository.revert(target);
    assert.deepEqual(stateOf(target), before);
  });
});

test("restore() replaces a sparse file, and undo restores it", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const place = join(root, "huge");
    plant(place, HUGE, scattered(20, 1));
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    const { record } = await snapshot(repository, root);
    const first = dataOf(place);
    const space = spaceOf(place);
    plant(place, HUGE, scattered(11, 5));
    const changed = dataOf(place);
    const more = spaceOf(place);
    assert.notDeepEqual(changed, first);
    const result = await repository.restore(record, root);
    assert.deepEqual(result.failed, []);
    assert.deepEqual(dataOf(place), first);
    assert.ok(spaceOf(place) <= space + 4096);
    await repository.revert(root);
    assert.deepEqual(dataOf(place), changed);
    assert.ok(spaceOf(place) <= more + 4096);
    await repository.revert(root, { direction: "redo" });
    assert.deepEqual(dataOf(place), first);
  });
});

test("a run takes over the sparse files of an interrupted one, and repair stores them again", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    for (const name of "abc") {
      const bytes = noise(1_100_000, name.charCodeAt(0));
      plant(join(root, name), 6 << 20, [[3 << 20, bytes]]);
    }
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    let isDead = false;
    const faulty = new FaultyStorage(storage, ({ kind, name }) => {
      isDead ||= kind === "put" && name.startsWith("trees/");
      return isDead ? "before" : undefined;
    });
    const dying = await Repository.open(faulty);
    await assert.rejects(dying.snapshot(everything(root)));
    const left = [...storage.objects.keys()]
      .filter((name) => name.startsWith("checkpoints/"));
    assert.ok(left.length > 0, `${left}`);
    const { record } = await snapshot(repository, root);
    assert.ok(record.counts.stored < 100_000, `${record.counts.stored}`);
    const entry = await entryOf(repository, "a");
    // A lost signature is made again from the content.
    storage.objects.delete(entry.signature!.reference.volume);
    await repository.repair();
    const { damage } = await repository.verify({ data: true });
    assert.deepEqual(damage, []);
    const target = join(folder, "target");
    await repository.restore(await repository.find("latest"), target);
    assert.deepEqual(stateOf(target), stateOf(root));
  });
});

test("a write-only machine stores sparse files in an encrypted repository", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const place = join(root, "disk");
    const admin = await newIdentity();
    const machineKey = await newIdentity();
    const own = {
      id: "b",
      key: await readPrivateKey(await makeKeyPair("")),
    };
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage, {
      encrypt: { name: "admin", to: await recipientOf(admin) },
      machine: { id: "a", key: await readPrivateKey(await makeKeyPair("")) },
    });
    await repository.keys!.add({
      name: "b",
      to: await recipientOf(machineKey),
      kind: "write-only",
      signer: { publicKey: own.key.publicKey, machine: { id: "b" } },
    });
    const cache = join(folder, "cache");
    const states: unknown[] = [];
    for (let version = 0; version < 3; version++) {
      plant(place, 8 << 20, scattered(8 + version, version, 8 << 20));
      roundTimes(root);
      const writer = await Repository.open(storage, {
        keys: [machineKey],
        machine: own,
      });
      await writer.snapshot(everything(root), { cache });
      states.push(stateOf(root));
    }
    const full = await Repository.open(storage, { keys: [admin] });
    const records = (await full.snapshots())
      .sort((a, b) => a.id < b.id ? -1 : 1);
    for (const [at, record] of records.entries()) {
      const target = join(folder, "target");
      const { failed } = await full.restore(record, target);
      assert.deepEqual(failed, []);
      assert.deepEqual(stateOf(target), states[at]);
    }
    const { content, sparse } = await entryOf(full, "disk", records[2].id);
    assert.equal(content.length, 3);
    assert.ok(sparse! < 500_000);
    const { damage } = await full.verify({ data: true });
    assert.deepEqual(damage, []);
  });
});

test("the shell commands of docs/FORMAT.md compute the sums of sparse files", {
  ...needs("bash", "zstd", "awk", "paste", "tail", "sha256sum"),
}, async () => {
  const page = fs.readFileSync(
    join(import.meta.dirname!, "../../docs/FORMAT.md"),
    "utf8",
  );
  const [, section] = page.split("### Sparse files\n");
  const [form, check] = [...section.matchAll(/(?:^ {4}.*\n)+/gm)]
    .map(([lines]) => lines);
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const size = 2 ** 33;
    plant(join(root, "disk"), size, scattered(30, 1, size));
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    await snapshot(repository, root);
    const { sparse, sha256, content } = await entryOf(repository, "disk");
    const { volume, offset, length, skip } = content[0].reference;
    const script = `VOLUME='${join(folder, "repository", volume)}'
offset=${offset} length=${length} skip=${skip} size=${sparse}
${form.trim().replace(" VOLUME ", ' "$VOLUME" ')} >FORM
sha256sum <FORM
${check.replace(" FILE ", " root/disk ")}`;
    const sums = runText("bash", ["-c", script], { cwd: folder });
    assert.equal(sums, `${sha256}  -\n${sha256}  -\n`);
  });
});

/**
 * An arbitrary file: its size in blocks of 4 KiB, and the blocks that are not
 * zeros.
 */
const anyFile = fc.record({
  size: fc.integer({ min: 257 * 4096, max: 600 * 4096 }),
  blocks: fc.array(
    fc.record({
      at: fc.nat(599),
      length: fc.integer({ min: 1, max: 20_000 }),
      isZero: fc.boolean(),
    }),
    { maxLength: 12 },
  ),
});

for (const disk of ["/tmp", "/dev/shm"]) {
  test(`any sparse files are restored, on ${disk}`, {
    skip: !fs.existsSync(disk),
  }, async () => {
    const property = fc.asyncProperty(
      fc.array(anyFile, { minLength: 2, maxLength: 4 }),
      async (versions) => {
        const folder = fs.mkdtempSync(join(disk, "deltar-test-"));
        try {
          const root = join(folder, "root");
          fs.mkdirSync(root);
          const repository = await Repository.create(new MemoryStorage());
          const states: unknown[] = [];
          const records: string[] = [];
          for (const { size, blocks } of versions) {
            const data = blocks
              .map(({ at, length, isZero }) =>
                [
                  at * 4096,
                  isZero ? new Uint8Array(length) : noise(length, at),
                ] as const
              ).filter(([at, bytes]) => at + bytes.length <= size);
            plant(join(root, "file"), size, data);
            const { record } = await snapshot(repository, root);
            states.push(stateOf(root));
            records.push(record.id);
          }
          const target = join(folder, "target");
          for (const [at, id] of records.entries()) {
            const { failed } = await repository.restore(
              await repository.find(id),
              target,
            );
            assert.deepEqual(failed, []);
            assert.deepEqual(stateOf(target), states[at]);
            const space = spaceOf(join(target, "file"));
            const most = versions.slice(0, at + 1)
              .flatMap(({ blocks }) => blocks)
              .filter(({ isZero }) => !isZero)
              .reduce((sum, { length }) => sum + length + 8192, 0);
            // Zeros between data that are shorter than a hole are stored as
            // data.
            const { sparse } = await entryOf(repository, "file", id);
            if (sparse !== undefined) assert.ok(space <= most + 8192);
          }
          const { damage } = await repository.verify({ data: true });
          assert.deepEqual(damage, []);
        } finally {
          fs.rmSync(folder, { recursive: true });
        }
      },
    );
    await fc.assert(property, runs(8));
  });
}

/** Returns a condensed form that no writer would make. */
function form(list: string, data = ""): Uint8Array {
  const bytes = new TextEncoder().encode(list);
  const map = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
  map.set(bytes);
  return concat([map, new TextEncoder().encode(data)]);
}

test("invalid condensed forms are refused before a file is made from them", async () => {
  const most = Number.MAX_SAFE_INTEGER;
  const cases: [form: Uint8Array, size: number, code: string][] = [
    [form("2\n0\n2\n9\n0\n", "ab"), 9, ""],
    [form("1\n9\n0\n"), 9, ""],
    [form("2\n0\n2\n9\n0\n", "ab"), 8, "corrupt"],
    [form("2\n0\n2\n9\n0\n", "ab"), 10, "corrupt"],
    [form("2\n0\n2\n9\n0\n", "abc"), 9, "corrupt"],
    [form("2\n0\n3\n9\n0\n", "ab"), 9, "corrupt"],
    [form("3\n0\n2\n1\n2\n9\n0\n", "abcd"), 9, "corrupt"],
    [form("3\n4\n2\n0\n2\n9\n0\n", "abcd"), 9, "corrupt"],
    [form(`2\n${most}\n1\n9\n0\n`, "a"), 9, "corrupt"],
    [form(`2\n0\n${most}\n9\n0\n`, "a"), 9, "corrupt"],
    [form("0\n"), 9, "corrupt"],
    [form(""), 9, "truncated"],
    [form("1"), 9, "corrupt"],
    [form("1 9 0"), 9, "corrupt"],
    [form("9999999\n"), 9, "limit"],
    [form("3\n0\n2\n"), 9, "corrupt"],
    [new Uint8Array(0), 9, "truncated"],
    [form("1\n9\n0\n").subarray(0, 500), 9, "truncated"],
  ];
  await withTemp(async (folder) => {
    for (const [n, [bytes, size, code]] of cases.entries()) {
      const read = async () =>
        await collect(filled(placedData(bytes, size, bytes.length, "a"), size));
      const writer = new TreeWriter(join(folder, `${n}`));
      const metadata = { mode: 0o644, mtime: 0n, uid: 0, gid: 0 };
      const sum = toHex(sha256(bytes));
      const expected = { size, sha256: sum, sparse: bytes.length };
      const write = () => writer.file("file", bytes, metadata, expected);
      try {
        if (code === "") {
          assert.equal((await read()).length, size);
          await write();
          continue;
        }
        for (const work of [read, write]) {
          await assert.rejects(work, (error) => {
            assert.equal(codeOf(error), code, `case ${n}: ${error}`);
            return true;
          });
        }
        assert.deepEqual(fs.readdirSync(join(folder, `${n}`)), []);
      } finally {
        writer.close();
      }
    }
  });
});

test("the record of a snapshot has version 3 as long as its tree has sparse files", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const versionOf = (id: string) => {
      const name = `snapshots/${id}.json`;
      const bytes = storage.objects.get(name)!;
      decodeRecord(bytes, name);
      return JSON.parse(new TextDecoder().decode(bytes).split("\n")[0]).version;
    };
    const versions: number[] = [];
    const take = async () => {
      const { record } = await snapshot(repository, root);
      versions.push(versionOf(record.id));
    };
    fs.writeFileSync(join(root, "a"), "a");
    await take();
    plant(join(root, "sparse"), 2 << 20, []);
    await take();
    fs.writeFileSync(join(root, "b"), "b");
    await take();
    fs.rmSync(join(root, "sparse"));
    for (let at = 0; at < 9; at++) {
      fs.writeFileSync(join(root, `c${at}`), "c");
    }
    await take();
    assert.deepEqual(versions, [1, 3, 3, 1]);
  });
});

test("restore() with threads writes sparse files correctly", async () => {
  await withTemp(async (folder) => {
    const [root, target] = [join(folder, "root"), join(folder, "target")];
    fs.mkdirSync(root);
    for (let at = 0; at < 400; at++) {
      fs.writeFileSync(join(root, `small ${at}`), noise(1000, at));
    }
    plant(join(root, "disk"), 8 << 20, [[5 << 20, noise(5000)]]);
    plant(join(root, "hole"), 3 << 20, []);
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await snapshot(repository, root);
    const { failed } = await repository.restore(record, target);
    assert.deepEqual(failed, []);
    assert.deepEqual(stateOf(target), stateOf(root));
    assert.ok(spaceOf(join(target, "disk")) <= 65_536);
    // A writer may make sparse files of less than 1 MiB.
    const entry = await entryOf(repository, "disk");
    const stored = { ...entry, size: entry.sparse! };
    assert.equal(isSmallWhole(stored), false);
    assert.equal(isSmallWhole({ ...stored, sparse: undefined }), true);
  });
});
