import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { codecFor } from "../../lib/archive/codec.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { concat } from "../../lib/bytes/source.ts";
import { DeltaWriter } from "../../lib/delta/delta_writer.ts";
import { decodeIntent, encodeIntent } from "../../lib/repository/runs/run.ts";
import { Repository } from "../../lib/repository/repository.ts";
import {
  decodeRecord,
  encodeRecord,
} from "../../lib/repository/format/snapshot_record.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { encodeLines, type Line } from "../../lib/bytes/listing.ts";
import { COMMAND } from "../cli/helpers.ts";
import { needsPosix } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

const MIB = 2 ** 20;
/**
 * The maximum memory of a command in bytes; the runtime alone takes about 100
 * MB.
 */
const MOST_MEMORY = 320e6;
const ID = "20250101T000000Z-000000";
const VOLUME = `volumes/${ID}.vol0.tar.zst`;
const SUM = "0".repeat(64);
const zstd = codecFor("zstd");

/** The resources that a command used, and its output. */
interface Taken {
  code: number | null;
  err: string;
  memory: number;
  disk: number;
}

/** Runs the command, and monitors its memory and its unnamed files. */
async function watched(words: string[], folder: string): Promise<Taken> {
  const [program, ...args] = [...COMMAND, ...words];
  const child = spawn(program, args, {
    env: {
      ...process.env,
      HOME: join(folder, "home"),
      XDG_CACHE_HOME: join(folder, "cache"),
      XDG_DATA_HOME: join(folder, "data"),
      // Otherwise Deno's own databases would be counted.
      DENO_DIR: process.env.DENO_DIR ?? join(homedir(), ".cache/deno"),
      NO_COLOR: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const taken: Taken = { code: null, err: "", memory: 0, disk: 0 };
  child.stderr.on("data", (text) => taken.err += text);
  // `verify` prints its findings to standard output.
  child.stdout.on("data", (text) => {
    if (taken.err.length < 1e5) taken.err += text;
  });
  const timer = setInterval(() => {
    const proc = `/proc/${child.pid}`;
    try {
      const status = fs.readFileSync(`${proc}/status`, "utf8");
      const [, peak] = /VmHWM:\s+(\d+)/.exec(status) ?? [];
      taken.memory = Math.max(taken.memory, 1024 * Number(peak ?? 0));
      let disk = 0;
      for (const fd of fs.readdirSync(`${proc}/fd`)) {
        const { size } = fs.statSync(`${proc}/fd/${fd}`);
        const place = fs.readlinkSync(`${proc}/fd/${fd}`);
        if (place.includes("deltar-")) disk += size;
      }
      taken.disk = Math.max(taken.disk, disk);
    } catch {
      // The process has just ended, or the system is not Linux.
    }
  }, 20);
  taken.code = await new Promise((resolve) => child.on("close", resolve));
  clearInterval(timer);
  return taken;
}

/** Makes a repository with one snapshot whose tree has these lines. */
async function plant(
  folder: string,
  lines: Line[],
  volume: Uint8Array,
): Promise<void> {
  const storage = new LocalStorage(folder);
  await Repository.create(storage);
  await storage.put(VOLUME, volume);
  const object = {
    name: VOLUME,
    size: volume.length,
    sha256: toHex(sha256(volume)),
  };
  const plain = encodeLines("deltar-tree", 1, {}, [...lines, { object }]);
  await plantTree(storage, [{ plain, first: "" }], lines.length);
}

async function plantTree(
  storage: LocalStorage,
  frames: { plain: Uint8Array; first?: string }[],
  entries: number,
): Promise<void> {
  const packed: Uint8Array[] = [];
  for (const { plain } of frames) packed.push(await zstd.compress(plain));
  const bytes = concat(packed);
  const name = `trees/${ID}.ndjson.zst`;
  await storage.put(name, bytes);
  const counts = Object.fromEntries(
    ("files directories links bytes created updated deleted renamed copied " +
      "touched stored faults").split(" ").map((name) => [name, 0]),
  );
  const record = encodeRecord({
    id: ID,
    time: Date.parse("2025-01-01T00:00:00Z"),
    duration: 0,
    directory: join(storage.location, "../root"),
    root: { mode: 0o755, mtime: 0n, uid: 0, gid: 0 },
    layers: [{
      name,
      size: bytes.length,
      sha256: toHex(sha256(bytes)),
      entries,
      frames: packed.map((frame, at) => ({
        length: frame.length,
        sha256: toHex(sha256(frame)),
        ...frames[at].first !== undefined && { first: frames[at].first },
      })),
    }],
    counts: counts as never,
  });
  await storage.put(`snapshots/${ID}.json`, record);
}

/** Returns a frame of zeros. 64 GB of zeros take about three megabytes. */
async function zeros(bytes: number): Promise<Uint8Array> {
  const frame = await zstd.compress(new Uint8Array(16 * MIB));
  const count = bytes / (16 * MIB);
  return concat(Array.from({ length: count }, () => frame));
}

function fileOf(size: number, content: Line[], more: Line = {}): Line {
  const state = { mode: "0644", mtime: "1", uid: 0, gid: 0 };
  return {
    path: "a",
    kind: "file",
    ...state,
    size,
    sha256: SUM,
    content,
    ...more,
  };
}

/** Reads a snapshot in every way, and checks the limits of each. */
async function staysInBounds(
  folder: string,
  most: { disk: number },
): Promise<void> {
  const repo = join(folder, "repo");
  fs.mkdirSync(join(folder, "root"), { recursive: true });
  const edited = new Uint8Array(2 * MIB).fill(7);
  fs.writeFileSync(join(folder, "root/a"), edited);
  for (
    const words of [
      ["restore", ID, "--to", join(folder, "target")],
      ["verify", "--data"],
      ["snapshot", join(folder, "root")],
    ]
  ) {
    const taken = await watched([...words, "--repo", repo], folder);
    const what = `${words[0]}: ${taken.err}`;
    if (words[0] !== "snapshot") {
      assert.notEqual(taken.code, 0, what);
      assert.match(taken.err, /volumes\/|trees\/|\ba\b/, what);
    }
    assert.doesNotMatch(taken.err, /\n\s+at /, what);
    assert.ok(taken.memory < MOST_MEMORY, `${what} took ${taken.memory}`);
    assert.ok(taken.disk <= most.disk, `${what} took ${taken.disk} on disk`);
    fs.rmSync(join(folder, "target"), { recursive: true, force: true });
  }
}

test(
  "a delta or content that claims 64 GB needs neither memory nor disk space [A8]",
  needsPosix("/proc"),
  async () => {
    const size = 4096 * 16 * MIB;
    const bomb = await zeros(size);
    const base = await zstd.compress(new Uint8Array(3000));
    const volume = concat([bomb, base]);
    const at = (offset: number, length: number) => ({
      volume: VOLUME,
      offset,
      length,
      skip: 0,
    });
    const huge = { ...at(0, bomb.length), size };
    const small = { ...at(bomb.length, base.length), size: 3000 };
    const cases: Record<string, Line> = {
      "delta": fileOf(3000, [
        { form: "whole", ...small },
        { form: "delta", ...huge },
      ]),
      "delta of a large file": fileOf(3 * MIB, [
        { form: "whole", ...small },
        { form: "delta", ...huge, result: 3 * MIB },
      ]),
      "delta between": fileOf(3 * MIB, [
        { form: "whole", ...small },
        { form: "delta", ...huge, result: 3000 },
        { form: "delta", ...small },
      ]),
      "content": fileOf(3000, [{ form: "whole", ...huge }]),
      "signature": fileOf(
        3 * MIB,
        [{ form: "whole", ...huge, size: 3 * MIB }],
        {
          signature: { form: "whole", ...huge },
        },
      ),
      "skip": fileOf(3000, [
        { form: "whole", ...huge, size: 3000, skip: size - 3000 },
      ]),
    };
    for (const [what, line] of Object.entries(cases)) {
      await withTemp(async (folder) => {
        await plant(join(folder, "repo"), [line], volume);
        await staysInBounds(folder, { disk: 9 * MIB });
      }).catch((error) => {
        throw new Error(what, { cause: error });
      });
    }
  },
);

test(
  "deltas that double their result are refused at the size of the file [A8]",
  needsPosix("/proc"),
  async () => {
    const base = await zstd.compress(new Uint8Array(4096));
    for (const count of [9, 18]) {
      const parts = [base];
      const content: Line[] = [{
        form: "whole",
        size: 4096,
        volume: VOLUME,
        offset: 0,
        length: base.length,
        skip: 0,
      }];
      let size = 4096;
      for (let n = 0; n < count; n++) {
        const writer = new DeltaWriter();
        // The copies are in reverse order, so that nothing can be read in
        // order.
        for (let at = 1; at >= 0; at--) writer.copy(at * size / 2, size / 2);
        writer.copy(0, size);
        writer.end();
        const delta = writer.take().slice();
        const packed = await zstd.compress(delta);
        const offset = parts.reduce((sum, part) => sum + part.length, 0);
        parts.push(packed);
        content.push({
          form: "delta",
          size: delta.length,
          volume: VOLUME,
          offset,
          length: packed.length,
          skip: 0,
        });
        size *= 2;
      }
      await withTemp(async (folder) => {
        const line = fileOf(2 * MIB, content);
        await plant(join(folder, "repo"), [line], concat(parts));
        await staysInBounds(folder, { disk: 6 * MIB });
      });
    }
  },
);

test("a tree of 400 KB that expands to gigabytes is refused [A8]", async () => {
  const opening = `{"format":"deltar-tree","version":1}\n`;
  const text = (part: string) => new TextEncoder().encode(part);
  const blank = text(`{"gone":"a"${" ".repeat(30 * MIB)}}\n`);
  const state = `"mode":"0755","mtime":"1","uid":0,"gid":0}\n`;
  const same = `{"path":"a","kind":"directory",${state}`;
  const skipped = `{"skipped":"excluded","path":"a"}\n`;
  for (
    const plain of [
      concat([text(opening), blank]),
      text(opening + same.repeat(400_000)),
      text(opening + skipped.repeat(900_000)),
    ]
  ) {
    await withTemp(async (folder) => {
      const storage = new LocalStorage(join(folder, "repo"));
      await Repository.create(storage);
      const frames = Array.from({ length: 100 }, (_, at) => ({
        plain,
        first: String.fromCharCode(0x4e00 + at),
      }));
      await plantTree(storage, frames, 1e9);
      await staysInBounds(folder, { disk: 3 * MIB });
    });
  }
});

test("a tree of many small frames is refused because of their total size [A8]", async () => {
  const frames = Array.from({ length: 30 }, (_, frame) => {
    const prefix = `${String(frame).padStart(3, "0")}/${"long ".repeat(750)}`;
    const pathOf = (at: number) => `${prefix}${String(at).padStart(6, "0")}`;
    const state = `"mode":"0777","mtime":"1","uid":0,"gid":0,"target":"x"}\n`;
    const text = Array.from(
      { length: 2000 },
      (_, at) => `{"path":"${pathOf(at)}","kind":"symlink",${state}`,
    );
    if (frame === 0) text.unshift(`{"format":"deltar-tree","version":1}\n`);
    const plain = new TextEncoder().encode(text.join(""));
    return { plain, first: pathOf(0) };
  });
  await withTemp(async (folder) => {
    const storage = new LocalStorage(join(folder, "repo"));
    await Repository.create(storage);
    await plantTree(storage, frames, 60_000);
    const repository = await Repository.open(storage);
    const record = await repository.find(ID);
    assert.ok(record.layers[0].size < MIB);
    for (
      const read of [
        () => repository.tree(record),
        () =>
          Array.fromAsync(repository.entries(record), (part) => part.length),
        () => repository.findPaths("none"),
      ]
    ) await assert.rejects(read, { name: "DeltarError", code: "limit" });
    const { damage } = await repository.verify();
    assert.equal(damage[0].object, record.layers[0].name);
  });
});

test("a record with too many layers, or too many frames for their size, is refused [A8]", async () => {
  await withTemp(async (folder) => {
    const storage = new LocalStorage(join(folder, "repo"));
    await Repository.create(storage);
    const plain = encodeLines("deltar-tree", 1, {}, []);
    await plantTree(storage, [{ plain }], 0);
    const repository = await Repository.open(storage);
    const record = await repository.find(ID);
    const [layer] = record.layers;
    const [frame] = layer.frames;
    const name = (at: number) =>
      `trees/20250101T000000Z-${String(at).padStart(6, "0")}.ndjson.zst`;
    const layersOf = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ ...layer, name: name(at) }));
    const framesOf = (count: number) => [{
      ...layer,
      size: count * frame.length,
      frames: Array(count).fill(frame),
    }];
    const decode = (layers: typeof record.layers) =>
      decodeRecord(encodeRecord({ ...record, layers }), "snapshots/x.json");
    assert.equal(decode(layersOf(128)).layers.length, 128);
    assert.throws(() => decode(layersOf(129)), { code: "limit" });
    assert.throws(() => decode([layer, layer]), { code: "corrupt" });
    assert.equal(decode(framesOf(1024)).layers[0].frames.length, 1024);
    assert.throws(() => decode(framesOf(2000)), { code: "limit" });
    // The same applies to the intent of a running run.
    const bytes = encodeIntent({
      id: ID,
      time: record.time,
      layers: framesOf(2000),
      reuses: [],
    });
    assert.throws(() => decodeIntent(bytes, `running/${ID}.json`), {
      code: "limit",
    });
  });
});

test("restore() creates a limited number of folders that have no entry [A8, A11]", async () => {
  await withTemp(async (folder) => {
    const storage = new LocalStorage(join(folder, "repo"));
    await Repository.create(storage);
    const state = { mode: "0777", mtime: "1", uid: 0, gid: 0, target: "x" };
    const lines = Array.from({ length: 60 }, (_, at) => ({
      path: `${at + 10}${"/d".repeat(200)}/link`,
      kind: "symlink",
      ...state,
    }));
    const plain = encodeLines("deltar-tree", 1, {}, lines);
    await plantTree(storage, [{ plain, first: "" }], lines.length);
    const repository = await Repository.open(storage);
    const target = join(folder, "target");
    const result = await repository.restore(await repository.find(ID), target);
    assert.equal(result.links + result.failed.length, 60);
    assert.ok(result.links >= 20 && result.links < 30, `${result.links}`);
    for (const { error } of result.failed) {
      assert.match(error.message, /folders without an entry/);
    }
    const made = fs.readdirSync(target, { recursive: true }).length;
    assert.ok(made < 4096 + 16 * 60 + 60, `${made}`);
    assert.deepEqual(
      fs.readdirSync(target).filter((name) => name.startsWith(".")),
      [],
    );
  });
});

test(
  "records, settings and notes of unlimited length are refused because of their size [A8]",
  needsPosix("/proc"),
  async () => {
    for (
      const name of [
        "deltar.json",
        `snapshots/${ID}.json`,
        `labels/${ID}.${ID}.json`,
        `removed/${ID}.json`,
        `checkpoints/${ID}.0.ndjson.zst`,
      ]
    ) {
      await withTemp(async (folder) => {
        const repo = join(folder, "repo");
        await plant(repo, [], await zstd.compress(new Uint8Array(1)));
        fs.mkdirSync(join(repo, name, ".."), { recursive: true });
        fs.writeFileSync(join(repo, name), "{");
        fs.truncateSync(join(repo, name), 2 ** 30);
        fs.mkdirSync(join(folder, "root"));
        for (
          const words of [["verify"], ["snapshot", `${folder}/root`]]
        ) {
          const { memory, err } = await watched(
            [...words, "--repo", repo],
            folder,
          );
          assert.doesNotMatch(err, /\n\s+at /, name);
          assert.ok(memory < MOST_MEMORY, `${words[0]} ${name}: ${memory}`);
          if (words[0] === "verify" && !name.startsWith("checkpoints")) {
            assert.ok(err.includes(name), err);
          }
        }
      });
    }
  },
);

test(
  "a record with many small objects is refused before they are created [A8]",
  needsPosix("/proc"),
  async () => {
    await withTemp(async (folder) => {
      const repo = join(folder, "repo");
      await plant(repo, [], await zstd.compress(new Uint8Array(1)));
      const many = Array.from({ length: 2_500_000 }, () => 0);
      const text = JSON.stringify({ many }).replaceAll("0", "{}");
      assert.ok(text.length < 8 * MIB);
      const line = `{"format":"deltar-snapshot","version":1,${text.slice(1)}\n`;
      const sum = toHex(sha256(new TextEncoder().encode(line)));
      fs.writeFileSync(
        join(repo, `snapshots/${ID}.json`),
        `${line}{"sha256":"${sum}"}\n`,
      );
      const { memory, err } = await watched(["verify", "--repo", repo], folder);
      assert.match(err, /too many JSON objects/);
      assert.ok(memory < MOST_MEMORY, `${memory}`);
    });
  },
);

test(
  "a remembered state, index or index of an archive of unlimited length is not read [A8]",
  needsPosix("/proc"),
  async () => {
    await withTemp(async (folder) => {
      const repo = join(folder, "repo");
      const root = join(folder, "root");
      fs.mkdirSync(root);
      fs.writeFileSync(join(root, "a"), "content");
      const words = ["snapshot", root, "--repo", repo, "--label", "x"];
      assert.equal((await watched(words, folder)).code, 0);
      const cache = join(folder, "cache");
      const [state] = (fs.readdirSync(cache, { recursive: true }) as string[])
        .filter((name) => name.endsWith(".state"));
      fs.truncateSync(join(cache, state), 2 ** 30);
      const { code, memory, err } = await watched(words, folder);
      assert.equal(code, 0, err);
      assert.ok(memory < MOST_MEMORY, `${memory}`);

      const large = join(folder, "x.index.ndjson");
      fs.writeFileSync(large, "{");
      fs.truncateSync(large, 2 ** 31);
      const limit = { name: "DeltarError", code: "limit" };
      await assert.rejects(DirIndex.fromFile(large), limit);
      await assert.rejects(DiffIndex.fromFile(large), limit);
      await assert.rejects(
        TarVolume.open(new LocalStorage(folder), "x"),
        { ...limit, object: "x.index.ndjson" },
      );
    });
  },
);
