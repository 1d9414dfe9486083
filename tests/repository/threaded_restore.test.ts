import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { openFolder } from "../../lib/tree/open_folder.ts";
import { WriterThreads } from "../../lib/tree/writer_threads.ts";
import { noise } from "../support/noise.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything } from "./helpers.ts";

/**
 * More files than a restore writes without threads, if the runtime has threads.
 */
const FILES = 600;
const isPosix = process.platform !== "win32";

/** Makes a directory of many small files in several frames. */
function fill(root: string): void {
  for (let at = 0; at < FILES; at++) {
    const folder = join(root, `${at % 7}`, `${at % 31}`);
    fs.mkdirSync(folder, { recursive: true });
    const file = join(folder, `${at} é`);
    // Some files are empty, and some are equal to others.
    fs.writeFileSync(file, noise(at % 100 === 0 ? 0 : 9000, at % 300 + 1));
    if (!isPosix) continue;
    fs.chmodSync(file, [0o644, 0o755, 0o600, 0o000, 0o444][at % 5]);
    if (at % 50 === 7) fs.linkSync(file, join(folder, `${at} link`));
  }
  roundTimes(root);
}

test("restore() writes many small files exactly, and nothing else", async () => {
  await withTemp(async (temp) => {
    const [source, target] = [join(temp, "source"), join(temp, "target")];
    fill(source);
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(everything(source));
    let last = { entries: 0, allEntries: -1, bytes: 0, allBytes: -1 };
    const result = await repository.restore(record, target, {
      onProgress: (progress) => last = progress,
    });
    assert.deepEqual(result.failed, []);
    assert.equal(result.files, FILES);
    assert.deepEqual(stateOf(target), stateOf(source));
    assert.equal(last.entries, last.allEntries);
    assert.equal(last.bytes, last.allBytes);
    await repository.revert(target);
    assert.equal(fs.existsSync(target), false);
  });
});

test("restore() names the small files in a damaged frame, and restores the others", async () => {
  await withTemp(async (temp) => {
    const [source, target] = [join(temp, "source"), join(temp, "target")];
    fill(source);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const { record } = await repository.snapshot(everything(source));
    const [volume] = [...storage.objects].find(([name]) =>
      name.startsWith("volumes/")
    ) ?? [];
    assert.ok(volume);
    const bytes = storage.objects.get(volume)?.slice() ?? new Uint8Array();
    bytes[1_000_000] ^= 1;
    storage.objects.set(volume, bytes);
    const again = await Repository.open(storage);
    const { failed, files } = await again.restore(record, target);
    const names = failed.map(({ path }) => path);
    assert.ok(failed.length > 0 && files > 0);
    assert.equal(new Set(names).size, names.length);
    const states = stateOf(target) as Record<string, unknown>;
    const wanted = stateOf(source) as Record<string, unknown>;
    for (const [path, state] of Object.entries(states)) {
      assert.deepEqual(state, wanted[path], path);
    }
    const missing = Object.keys(wanted).filter((path) => !(path in states));
    assert.deepEqual(missing.sort(), names.sort());
  });
});

const threads = WriterThreads.start();
threads?.close();

test(
  "WriterThreads.write() writes only contents with the right SHA-256, and leaves nothing else",
  {
    skip: threads === undefined && "files are not written on threads here",
  },
  async () => {
    await withTemp(async (folder) => {
      const root = openFolder(folder);
      const fd = root.hold?.() ?? -1;
      const threads = WriterThreads.start();
      assert.ok(threads);
      try {
        const plain = noise(100_000);
        const file = (name: string, skip: number, size: number) => ({
          folder: root,
          fd,
          name,
          skip,
          size,
          sha256: toHex(sha256(plain.subarray(skip, skip + size))),
          mode: 0o640,
          seconds: -5,
          nanos: 250_000_000,
          owner: undefined,
        });
        const files = [
          file("a", 0, 70_000),
          { ...file("b", 70_000, 10), sha256: "0".repeat(64) },
          { ...file("c", 99_999, 1), size: 2 },
          { ...file("d", 0, 1), fd: 1 << 20 },
          { ...file("e".repeat(300), 0, 1) },
          file("é", 99_990, 10),
        ];
        const packed = zstdCompressSync(plain);
        // The memory of a frame is transferred to a thread.
        const frame = () => ({
          bytes: new Uint8Array(packed),
          size: plain.length,
        });
        const temporary = ".deltar-stage-test";
        const expected = [true, false, false, false, false, true];
        assert.deepEqual(
          await threads.write(frame(), files, temporary),
          expected,
        );
        assert.deepEqual(fs.readdirSync(folder).sort(), ["a", "é"]);
        assert.deepEqual(
          new Uint8Array(fs.readFileSync(join(folder, "a"))),
          plain.subarray(0, 70_000),
        );
        const { mode, mtimeMs } = fs.statSync(join(folder, "é"));
        assert.equal(mode & 0o7777, 0o640);
        assert.equal(mtimeMs, -4750);
        // One frame is damaged, one is shorter than its header says, and the
        // threads are closed at the end.
        const damaged = { bytes: new Uint8Array(noise(1000)), size: 500 };
        const none = [false, false, false, false, false, false];
        assert.deepEqual(await threads.write(damaged, files, temporary), none);
        const short = { ...frame(), size: 50_000 };
        assert.deepEqual(await threads.write(short, files, temporary), none);
        root.close();
        assert.deepEqual(
          await threads.write(frame(), files, temporary),
          expected,
        );
      } finally {
        threads.close();
        root.release?.();
      }
    });
  },
);
