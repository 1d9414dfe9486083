import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import {
  type NewMember,
  TarVolume,
  type TreeSource,
  VolumeIndex,
} from "../../lib/archive/mod.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { collect } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Entry, Skipped } from "../../lib/tree/entry.ts";
import { CountingStorage, MemorySink } from "./fakes.ts";
import { withFolder } from "./peers.ts";
import { file, noise, pieces, special, utf8 } from "./helpers.ts";
import { needsPosix } from "../support/system.ts";

/** Adds members with their contents, and closes the archive. */
async function archive(
  storage: MemoryStorage,
  key: string,
  options: Parameters<typeof TarVolume.create>[2] = {},
) {
  const contents = new Map<string, Uint8Array>();
  const writer = TarVolume.create(storage, key, options);
  for (const member of members()) {
    if (member.kind !== "file") {
      await writer.add(member as Entry);
      continue;
    }
    const content = noise(member.size, member.size);
    contents.set(member.path, content);
    const source = member.size % 2 ? content : pieces(content, 1009);
    await writer.add(member as Entry, source);
  }
  return { index: await writer.close(), contents };
}

function* members() {
  yield special("a", "directory");
  for (let n = 0; n < 20; n++) yield file(`a/${n}`, n * 511);
  yield special("a/link", "symlink", "../elsewhere");
  yield special("a/hard", "hardlink", "a/3");
  yield special("b", "directory");
  yield file("b/large", 150_000);
  yield special("b/hard", "hardlink", "a/4");
  yield file("b/name\nwith ü -", 5, { mtime: -1n, mode: 0o4755 });
  yield special("empty", "directory");
}

for (const codec of ["gzip", "zstd"] as const) {
  test(`${codec} archives return all members, with and without the index`, async () => {
    const storage = new MemoryStorage();
    const options = { codec, volumeSize: 30_000, frameSize: 8192 };
    const { index, contents } = await archive(storage, "dir/key", options);
    const extension = codec === "gzip" ? "tgz" : "tar.zst";
    assert.deepEqual(
      [...storage.objects.keys()].sort().slice(0, 3),
      [
        "dir/key.index.ndjson",
        `dir/key.vol0.${extension}`,
        `dir/key.vol1.${extension}`,
      ],
    );
    const stored = storage.objects.get("dir/key.index.ndjson")!;
    assert.deepEqual(VolumeIndex.decode(stored), index);

    const names = index.volumes.map(({ name }) => `dir/${name}`);
    const ways = [
      await TarVolume.open(storage, "dir/key"),
      await TarVolume.open(storage, "dir/key", { index: null }),
      TarVolume.fromVolumes(storage, names),
    ];
    for (const opened of ways) {
      assert.deepEqual(opened.volumes, names);
      const listed = [];
      for await (
        const { path, kind, size, mode, mtime, target } of opened.members()
      ) {
        listed.push({ path, kind, size, mode, mtime, target });
      }
      assert.deepEqual(
        listed,
        [...members()].map(({ path, kind, size, mode, mtime, target }) => ({
          path,
          kind,
          size,
          mode,
          mtime,
          target,
        })),
      );
      for (const [path, content] of contents) {
        assert.deepEqual(await collect(opened.extractFile(path)), content);
      }
      const hard = await collect(opened.extractFile("b/hard"));
      assert.deepEqual(hard, contents.get("a/4"));
      for (const path of ["nowhere", "a", "a/link"]) {
        await assert.rejects(collect(opened.extractFile(path)), {
          code: "not-found",
        });
      }

      const all = new MemorySink();
      await opened.extractAll(all);
      assert.equal(all.finished, true);
      assert.equal(all.entries.size, listed.length);
      for (const [path, content] of contents) {
        assert.deepEqual(all.entries.get(path)!.content, content);
      }
      assert.equal(all.entries.get("b/hard")!.target, "a/4");

      const part = new MemorySink();
      await opened.extract("b", part);
      assert.deepEqual(
        [...part.entries.keys()].sort(),
        ["b", "b/hard", "b/large", "b/name\nwith ü -"],
      );
      // The target of this link is not extracted, so the link becomes a
      // separate file.
      assert.equal(part.entries.get("b/hard")!.kind, "file");
      assert.deepEqual(
        part.entries.get("b/hard")!.content,
        contents.get("a/4"),
      );
      const one = new MemorySink();
      await opened.extract("a/7", one);
      assert.deepEqual([...one.entries.keys()], ["a/7"]);
      await assert.rejects(opened.extract("a/", new MemorySink()), {
        code: "not-found",
      });
    }
  });
}

test("TarVolume with an index reads a single file by its byte range", async () => {
  const storage = new MemoryStorage();
  const { index, contents } = await archive(storage, "key", {
    volumeSize: 30_000,
    frameSize: 4096,
  });
  const counting = new CountingStorage(storage);
  const opened = await TarVolume.open(counting, "key", { index });
  assert.deepEqual(counting.reads, []);
  for (const path of ["a/0", "a/19", "b/large"]) {
    counting.reads.length = 0;
    const content = await collect(opened.extractFile(path));
    assert.deepEqual(content, contents.get(path));
    const { volume, offset, length } = index.get(path)!.content!;
    assert.deepEqual(counting.reads, [{ name: volume, offset, length }]);
    assert.ok(length < content.length + 4096 + 1024);
  }
  counting.reads.length = 0;
  await opened.extractAll(new MemorySink());
  let total = 0;
  for (const { length } of counting.reads) total += length!;
  const stored = index.volumes.reduce((sum, { size }) => sum + size, 0);
  assert.ok(total <= stored, "no byte is read twice");
});

test("an archive without members is one empty volume and an index", async () => {
  const storage = new MemoryStorage();
  const index = await TarVolume.create(storage, "none").close();
  assert.equal(index.volumes.length, 1);
  for (const way of [undefined, null]) {
    const opened = await TarVolume.open(storage, "none", { index: way });
    assert.deepEqual(await Array.fromAsync(opened.members()), []);
    await opened.extractAll(new MemorySink());
  }
});

test("TarVolumeWriter.add() fills in missing fields of a plain file, and refuses invalid members", async () => {
  const storage = new MemoryStorage();
  const writer = TarVolume.create(storage, "key");
  await writer.add("plain", utf8("text"));
  await writer.add({ path: "empty", size: 0 });
  const bad: [NewMember | string, RegExp | { code: string }][] = [
    ["../up", { code: "unsafe" }],
    ["/absolute", { code: "unsafe" }],
    ["", { code: "unsafe" }],
    ["plain", { code: "exists" }],
    [{ path: "l", kind: "symlink" }, /empty/],
    [{ path: "h", kind: "hardlink", target: "../x" }, { code: "unsafe" }],
    [{ path: "s", size: 3 }, /content/],
  ];
  for (const [member, error] of bad) {
    await assert.rejects(writer.add(member), error);
  }
  await assert.rejects(writer.add("stream", pieces(utf8("x"), 1)), RangeError);
  await assert.rejects(
    writer.add({ path: "short", size: 5 }, pieces(utf8("abc"), 1)),
    { code: "changed", path: "short" },
  );
  await writer.close();
  const opened = await TarVolume.open(storage, "key");
  const short = await collect(opened.extractFile("short"));
  assert.deepEqual(short, utf8("abc\0\0"));
  assert.deepEqual(opened.index!.get("plain"), {
    path: "plain",
    kind: "file",
    size: 4,
    mode: 0o644,
    mtime: 0n,
    uid: 0,
    gid: 0,
    sha256: opened.index!.get("plain")!.sha256,
    content: opened.index!.get("plain")!.content,
  });
  assert.equal(opened.index!.members.length, 3);
});

test("a missing archive or volume is not-found", async () => {
  const storage = new MemoryStorage();
  await assert.rejects(TarVolume.open(storage, "none"), { code: "not-found" });
  const { index } = await archive(storage, "key", {
    volumeSize: 30_000,
    frameSize: 4096,
  });
  storage.objects.delete("key.vol1.tgz");
  await assert.rejects(TarVolume.open(storage, "key", { index: null }), {
    code: "not-found",
  });
  const opened = await TarVolume.open(storage, "key", { index });
  await assert.rejects(opened.extractAll(new MemorySink()), {
    code: "not-found",
  });
});

test("volumes are read in the order of their numbers", async () => {
  const storage = new MemoryStorage();
  const writer = TarVolume.create(storage, "k", {
    volumeSize: 4096,
    frameSize: 1024,
  });
  for (let n = 0; n < 40; n++) await writer.add(`${n}`, noise(2000, n + 1));
  const index = await writer.close();
  assert.ok(index.volumes.length > 11);
  const opened = await TarVolume.open(storage, "k", { index: null });
  const listed = (await Array.fromAsync(opened.members())).map(({ path }) =>
    path
  );
  assert.deepEqual(listed, index.members.map(({ path }) => path));
});

test("TarVolumeWriter.close() that fails leaves nothing of the archive", async () => {
  const storage = new MemoryStorage();
  await storage.put("key.index.ndjson", utf8("mine"));
  const writer = TarVolume.create(storage, "key");
  await writer.add("a", utf8("a"));
  await assert.rejects(writer.close(), { code: "exists" });
  assert.deepEqual([...storage.objects.keys()], ["key.index.ndjson"]);
});

test("TarVolume.compress() stores a whole tree, and reports what could not be read", async () => {
  const storage = new MemoryStorage();
  const entries: Entry[] = [
    special("dir", "directory") as Entry,
    file("dir/a", 3) as Entry,
    file("dir/gone", 3) as Entry,
    file("dir/halfway", 3_000_000) as Entry,
    file("dir/shrunk", 10) as Entry,
    special("dir/soft", "symlink", "dir/gone") as Entry,
    special("dir/twin", "hardlink", "dir/gone") as Entry,
    special("dir/hard", "hardlink", "dir/a") as Entry,
  ];
  const tree: TreeSource = {
    async *walk() {
      yield* entries;
    },
    open(path) {
      if (path === "dir/gone") {
        throw Object.assign(new Error("no"), { code: "ENOENT" });
      }
      if (path === "dir/halfway") {
        return (function* () {
          yield noise(2_000_000);
          throw new Error("bad sector");
        })();
      }
      return utf8("abc");
    },
  };
  const skipped: Skipped[] = [];
  const index = await TarVolume.compress(tree, storage, "tree", {
    onSkip: (skip) => skipped.push(skip),
  });
  assert.deepEqual(
    skipped.map(({ path, reason }) => [path, reason]),
    [
      ["dir/gone", "vanished"],
      ["dir/halfway", "unreadable"],
      ["dir/shrunk", "changed"],
      ["dir/twin", "unreadable"],
    ],
  );
  assert.deepEqual(
    index.members.map(({ path }) => path),
    ["dir", "dir/a", "dir/shrunk", "dir/soft", "dir/hard"],
  );
  const scanned = await TarVolume.open(storage, "tree", { index: null });
  const listed = (await Array.fromAsync(scanned.members())).map(({ path }) =>
    path
  );
  assert.deepEqual(listed, [
    "dir",
    "dir/a",
    "dir/halfway",
    "dir/shrunk",
    "dir/soft",
    "dir/hard",
  ]);
});

test(
  "a directory that is archived and extracted is unchanged",
  needsPosix("names with a newline"),
  async () => {
    await withFolder(async (folder) => {
      const from = join(folder, "from");
      mkdirSync(join(from, "sub/empty"), { recursive: true });
      for (const [n, name] of ["a", "sub/-b", "sub/new\nline ü"].entries()) {
        writeFileSync(join(from, name), noise(n * 700_000, n + 1));
        chmodSync(join(from, name), 0o640);
        utimesSync(join(from, name), 1e9 + n, 1e9 + n);
      }
      linkSync(join(from, "a"), join(from, "twin"));
      symlinkSync("../nowhere", join(from, "sub/link"));
      for (const name of ["sub/empty", "sub"]) {
        utimesSync(join(from, name), 1e9, 1e9);
      }

      const storage = new MemoryStorage();
      await TarVolume.compress(new Dir(from), storage, "tree");
      for (const index of [undefined, null]) {
        const archive = await TarVolume.open(storage, "tree", { index });
        const out = join(folder, `out${index}`);
        await archive.extractAll(out);
        const state = async (root: string) => {
          const found = [];
          for await (const entry of new Dir(root).walk()) {
            const { path, kind, mode, mtime, size, target } = entry;
            // Not every runtime sets the time of a link to the nanosecond.
            const time = kind === "symlink" ? 0n : mtime;
            found.push({ path, kind, mode, time, size, target });
          }
          return [found, await new Dir(root).hash("contents")];
        };
        assert.deepEqual(await state(out), await state(from));
        const part = join(folder, `part${index}`);
        await archive.extract("sub/-b", part);
        assert.ok(readFileSync(join(part, "sub/-b")).equals(noise(700_000, 2)));
        assert.deepEqual(readdirSync(part), ["sub"]);
      }
    });
  },
);

test("TarVolumeWriter.add() refuses a stream that is longer than its size, and the archive stays intact [L4]", async () => {
  for (const length of [1000, 3 << 20]) {
    for (const more of [[], [new Uint8Array(5)]]) {
      const storage = new MemoryStorage();
      const writer = TarVolume.create(storage, "a");
      const bytes = noise(length);
      const source = more.length > 0
        ? [bytes, new Uint8Array(0), ...more]
        : [noise(length + 1)];
      await assert.rejects(
        writer.add({ path: "long", size: length }, source),
        { code: "changed", message: /has more than \d+ bytes/ },
      );
      await writer.add({ path: "exact", size: length }, [bytes]);
      await writer.close();
      const archive = await TarVolume.open(storage, "a");
      for (const path of ["long", "exact"]) {
        const content = await collect(archive.extractFile(path));
        assert.ok(toHex(content) === toHex(bytes), path);
      }
    }
  }
});

test("TarVolumeWriter.add() refuses a file without a source and a stream without a size [L4]", async () => {
  const storage = new MemoryStorage();
  const writer = TarVolume.create(storage, "a");
  await assert.rejects(writer.add("file1"), {
    name: "TypeError",
    message: "file1: no source; pass the content of the file",
  });
  await assert.rejects(writer.add("file2", [new Uint8Array(3)]), {
    name: "RangeError",
    message: "file2: no size; pass the length of the stream in bytes",
  });
  await assert.rejects(
    writer.add({ path: "file3", size: NaN }, [new Uint8Array(3)]),
    { name: "RangeError", message: /file3: size must be a whole number/ },
  );
  await writer.add({ path: "folder", kind: "directory" });
  const index = await writer.close();
  assert.deepEqual(index.members.map(({ path }) => path), ["folder"]);
});
