/**
 * Creation times: read if the system reports them, stored, and never compared.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import {
  asFileTime,
  asTimespec,
  creationTimeSetter,
} from "../../lib/tree/creation_time.ts";
import { DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { decodeEntry, encodeEntry } from "../../lib/tree/entry_line.ts";
import { useFolderAccess } from "../../lib/tree/open_folder.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import {
  fillStatx,
  fromNodeStat,
  readStatx,
  STATX_BYTES,
} from "../../lib/tree/statx.ts";
import { asWideText, attributeList } from "../../lib/tree/system_forms.ts";
import { rootOf, TreeWriter } from "../../lib/tree/tree_writer.ts";
import { needs, run, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "../repository/helpers.ts";

const linux = process.platform === "linux"
  ? needs("stat", "cp")
  : { skip: "compares with GNU stat" };

/** Makes a tree with an entry of each kind that every system has. */
function plant(root: string): string[] {
  fs.mkdirSync(join(root, "sub"), { recursive: true });
  fs.writeFileSync(join(root, "file"), "content");
  fs.linkSync(join(root, "file"), join(root, "sub/hard"));
  fs.symlinkSync("file", join(root, "link"));
  for (const name of ["file", "link", "sub"]) {
    setTimes(join(root, name), 1_234_567_890_000_000_000n);
  }
  return ["file", "link", "sub", "sub/hard"];
}

/**
 * Returns the creation time that GNU stat prints; 0 if the file system has
 * none.
 */
function createdBy(path: string): bigint {
  const [seconds, nanos] = runText("stat", ["-c", "%.9W", path]).trim()
    .split(/[.,]/);
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanos ?? "0");
}

test("indexes have the creation times of GNU stat", linux, async () => {
  await withTemp(async (root) => {
    const paths = plant(root);
    const wanted = paths.map((path) => createdBy(join(root, path)));
    for (const access of ["calls", "proc", "paths"] as const) {
      if (!useFolderAccess(access)) continue;
      try {
        const index = await DirIndex.of(everything(root));
        const found = paths.map((path) => index.get(path)!.btime ?? 0n);
        for (const [at, path] of paths.entries()) {
          // Deno's `lstat` returns times in milliseconds.
          const isClose = access === "calls"
            ? found[at] === wanted[at]
            : found[at] / 1_000_000n === wanted[at] / 1_000_000n;
          assert.ok(isClose, `${access} ${path}: ${found[at]} ${wanted[at]}`);
        }
        const decoded = DirIndex.decode(index.encode());
        assert.deepEqual(decoded.entries, index.entries);
        assert.deepEqual(decoded.root, index.root);
        const { btime } = JSON.parse(JSON.stringify(index.get("file")));
        if (wanted[0] !== 0n) assert.match(btime, /^\d+(\.\d{9})?$/);
      } finally {
        useFolderAccess(undefined);
      }
    }
  });
});

test("an unknown creation time is absent, and one before 1970 is not", () => {
  const node = {
    dev: 1n,
    rdev: 0n,
    ino: 2n,
    mode: 0o100644n,
    nlink: 1n,
    uid: 0n,
    gid: 0n,
    size: 0n,
    blocks: 0n,
    mtimeNs: 5n,
    ctimeNs: 5n,
  };
  for (
    const [birthtimeNs, wanted] of [
      [undefined, undefined],
      [0n, undefined],
      [-1_000_000_000n, undefined],
      [-1_500_000_000n, -1_500_000_000n],
      [1_234_567_890_123_456_789n, 1_234_567_890_123_456_789n],
    ] as const
  ) {
    const stat = birthtimeNs === undefined ? node : { ...node, birthtimeNs };
    assert.equal(fromNodeStat(stat).btime, wanted);
    const view = new DataView(new ArrayBuffer(STATX_BYTES));
    fillStatx(view, stat);
    assert.equal(readStatx(view).btime, wanted);
  }
});

test("an entry with an invalid creation time is refused", () => {
  const metadata = { mode: 0o644, mtime: 0n, btime: -5n, uid: 0, gid: 0 };
  const line = encodeEntry({
    path: "a",
    kind: "directory",
    size: 0,
    ...metadata,
  });
  assert.equal(line.btime, "-0.000000005");
  assert.equal(decodeEntry(line, "index", 0).btime, -5n);
  for (const btime of [5, null, "yesterday", ""]) {
    assert.throws(() => decodeEntry({ ...line, btime }, "index", 0), {
      code: "corrupt",
      message: /invalid `btime`/,
    });
  }
});

test(
  "snapshots store creation times, and a change of only these is not a change",
  {
    ...linux,
  },
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      const paths = plant(root);
      fs.writeFileSync(join(root, "large"), "x".repeat(100_000));
      const cache = join(folder, "cache");
      const repository = await Repository.create(new MemoryStorage());
      const take = () => repository.snapshot(everything(root), { cache });
      const created = () =>
        paths.map((path) => lstat(join(root, path)).btime) as unknown[];
      const stored = async (record: Parameters<typeof repository.tree>[0]) => {
        const { byPath } = await repository.tree(record);
        return paths.map((path) => byPath.get(path)?.btime);
      };
      const { record: first } = await take();
      assert.deepEqual(await stored(first), created());
      assert.equal(first.root.btime, lstat(root).btime);
      // The new copy has another creation time, and everything else is the same.
      run("cp", ["-a", root, `${root}.new`]);
      fs.renameSync(root, `${root}.old`);
      fs.renameSync(`${root}.new`, root);
      if (lstat(root).btime !== undefined) {
        assert.notDeepEqual(created(), await stored(first));
      }
      const one = await DirIndex.of(everything(`${root}.old`));
      const other = await DirIndex.of(everything(root));
      assert.deepEqual(DiffIndex.compute(other, one).changes, []);
      const { diff } = await take();
      assert.deepEqual(diff.changes, []);
      // Entries that change get the new creation time, and the others keep the
      // old one.
      fs.chmodSync(join(root, "sub"), 0o700);
      fs.rmSync(join(root, "link"));
      fs.symlinkSync("large", join(root, "link"));
      const { record: last } = await take();
      const [file, link, sub] = await stored(last);
      const [, linkNow, subNow] = created();
      assert.deepEqual([link, sub], [linkNow, subNow]);
      assert.equal(file, (await stored(first))[0]);
      // A restore does not compare creation times, either.
      const { touched, kept } = await repository.restore(last, root);
      assert.deepEqual([touched, kept], [0, paths.length + 1]);
    });
  },
);

test("creation times are converted to the formats of Windows and macOS", () => {
  const ticks = (time: bigint) => {
    const bytes = asFileTime(time);
    return bytes && new DataView(bytes.buffer).getBigUint64(0, true);
  };
  // Microsoft's documentation gives this number for the beginning of 1970.
  assert.equal(ticks(0n), 116_444_736_000_000_000n);
  assert.equal(ticks(1_234_567_890_123_456_789n), 128_790_414_901_234_567n);
  assert.equal(ticks(-1n), 116_444_735_999_999_999n);
  assert.equal(ticks(-11_644_473_600_000_000_000n), undefined);
  assert.equal(ticks(2n ** 80n), undefined);
  const attributes = attributeList(0x200);
  assert.equal(attributes.length, 24);
  assert.deepEqual([...attributes.subarray(0, 8)], [5, 0, 0, 0, 0, 2, 0, 0]);
  const view = new DataView(asTimespec(-1_500_000_000n).buffer);
  assert.equal(view.getBigInt64(0, true), -2n);
  assert.equal(view.getBigInt64(8, true), 500_000_000n);
});

test("paths are converted to the format of Windows", () => {
  const bytes = asWideText("C:\\é\u{1f600}");
  const text = new TextDecoder("utf-16le").decode(bytes);
  assert.equal(text, "C:\\é\u{1f600}\0");
});

test("Linux has no call for creation times", linux, () => {
  assert.equal(creationTimeSetter(), undefined);
});

test("TreeWriter sets creation times after the names", {
  skip: process.platform === "win32",
}, async () => {
  useFolderAccess("paths");
  const calls: string[] = [];
  await withTemp(async (root) => {
    const writer = new TreeWriter(root);
    const prototype = Object.getPrototypeOf(rootOf(writer));
    Object.assign(prototype, {
      setBtime(this: { place: string }, name: string, btime: bigint) {
        const { kind, mtime } = lstat(join(this.place, name));
        calls.push(`${kind} ${name} ${mtime} ${btime}`);
      },
      setOwnBtime(this: { place: string }, btime: bigint) {
        const { kind, mtime } = lstat(this.place);
        const name = this.place.slice(writer.root.length + 1);
        calls.push(`${kind} ${name} ${mtime} ${btime}`);
      },
    });
    try {
      const second = 1_000_000_000n;
      const metadata = (seconds: bigint) => ({
        mode: 0o755,
        mtime: seconds * second,
        btime: seconds,
        uid: process.getuid?.() ?? 0,
        gid: process.getgid?.() ?? 0,
      });
      writer.directory("folder", metadata(1n));
      await writer.file("folder/file", new Uint8Array(3), metadata(2n));
      writer.symlink("folder/link", "file", metadata(3n));
      writer.touch("folder/file", metadata(4n));
      const { btime: _, ...unknown } = metadata(5n);
      await writer.file("folder/other", new Uint8Array(3), unknown);
      writer.finish();
    } finally {
      delete prototype.setBtime;
      delete prototype.setOwnBtime;
      useFolderAccess(undefined);
    }
  });
  assert.deepEqual(calls, [
    "file file 2000000000 2",
    "symlink link 3000000000 3",
    "file file 4000000000 4",
    "directory folder 1000000000 1",
  ]);
});
