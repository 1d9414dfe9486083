import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { codecFor } from "../../lib/archive/codec.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { readTar } from "../../lib/archive/tar_reader.ts";
import { VolumeIndex } from "../../lib/archive/volume_index.ts";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { collect, concat } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { MemorySink } from "./fakes.ts";
import { file, gather, noise, pieces, utf8 } from "./helpers.ts";
import { withFolder } from "./peers.ts";
import { padded, rawHeader, rawPax, rawTar, record } from "./raw_tar.ts";
import { needsSymlinks } from "../support/system.ts";

/** Opens an archive that consists of one uncompressed tar. */
async function open(tar: Uint8Array): Promise<TarVolume> {
  const storage = new MemoryStorage();
  await storage.put("evil.tar", tar);
  return TarVolume.fromVolumes(storage, ["evil.tar"]);
}

/** Returns all members with their contents, or the error. */
async function drain(
  tar: Uint8Array,
  length = 700,
): Promise<[string, number][]> {
  const found: [string, number][] = [];
  for await (
    const { member, body } of readTar(pieces(tar, length), { object: "evil" })
  ) {
    found.push([member.path, (await gather(body)).length]);
  }
  return found;
}

const CONTENT = padded(utf8("evil"));
const evilFile = (name: string) =>
  concat([rawHeader({ name, size: 4 }), CONTENT]);

const UNSAFE: Record<string, Uint8Array> = {
  "parent": evilFile("../evil"),
  "parent inside": evilFile("a/../../evil"),
  "parent at the end": rawHeader({ name: "a/..", type: "5" }),
  "absolute": evilFile("/tmp/evil"),
  "absolute, twice": evilFile("//evil"),
  "parent by prefix": concat([
    rawHeader({ prefix: "..", name: "evil", size: 4 }),
    CONTENT,
  ]),
  "parent by pax": concat([
    rawPax(record("path", "../evil")),
    evilFile("fine"),
  ]),
  "absolute by pax": concat([
    rawPax(record("path", "/tmp/evil")),
    evilFile("fine"),
  ]),
  "parent by global pax": concat([
    rawPax(record("path", "../evil"), "g"),
    evilFile("fine"),
  ]),
  "parent by GNU name": concat([
    rawHeader({ type: "L", size: 8 }),
    padded(utf8("../evil\0")),
    evilFile("fine"),
  ]),
  "hard link to parent": rawHeader({ name: "l", type: "1", link: "../evil" }),
  "hard link to absolute": rawHeader({
    name: "l",
    type: "1",
    link: "/etc/passwd",
  }),
  "symlink, then through it": concat([
    rawHeader({ name: "door", type: "2", link: ".." }),
    evilFile("door/evil"),
  ]),
  "symlink, then a folder and a file through it": concat([
    rawHeader({ name: "door", type: "2", link: ".." }),
    rawHeader({ name: "door/sub", type: "5" }),
    evilFile("door/sub/evil"),
  ]),
  "symlink, then a symlink through it": concat([
    rawHeader({ name: "door", type: "2", link: ".." }),
    rawHeader({ name: "door/evil", type: "2", link: "/etc/passwd" }),
  ]),
  "symlink, then a hard link through it": concat([
    rawHeader({ name: "door", type: "2", link: ".." }),
    rawHeader({ name: "l", type: "1", link: "door/outside" }),
  ]),
};

for (const [name, members] of Object.entries(UNSAFE)) {
  const options = name.startsWith("symlink,") ? needsSymlinks : {};
  test(
    `TarVolume.extractAll() writes nothing outside of the target: ${name}`,
    options,
    async () => {
      const archive = await open(rawTar(members));
      await assert.rejects(archive.extractAll(new MemorySink()), {
        code: "unsafe",
      });
      await withFolder(async (folder) => {
        const target = join(folder, "target");
        mkdirSync(target);
        writeFileSync(join(folder, "outside"), "mine");
        await assert.rejects(archive.extractAll(target), { code: "unsafe" });
        assert.deepEqual(readdirSync(folder).sort(), ["outside", "target"]);
        assert.equal(readFileSync(join(folder, "outside"), "utf8"), "mine");
        for (const left of readdirSync(target)) {
          assert.ok(left === "door", `${left} was left behind`);
        }
      });
      assert.equal(existsSync("/tmp/evil"), false);
    },
  );
}

test(
  "TarVolume.extractAll() does not follow a symlink that already existed",
  needsSymlinks,
  async () => {
    const archive = await open(rawTar(evilFile("door/evil")));
    await withFolder(async (folder) => {
      const target = join(folder, "target");
      mkdirSync(target);
      symlinkSync(folder, join(target, "door"));
      await assert.rejects(archive.extractAll(target), { code: "unsafe" });
      assert.deepEqual(readdirSync(folder), ["target"]);
    });
  },
);

test("`.` segments in names are removed", async () => {
  const archive = await open(rawTar(
    rawHeader({ name: "./", type: "5" }),
    evilFile("./a//b/./c"),
  ));
  const sink = new MemorySink();
  await archive.extractAll(sink);
  assert.deepEqual([...sink.entries.keys()], ["", "a/b/c"]);
});

test("wrong lengths are refused, and no memory is allocated for them", async () => {
  const header = (size: string) =>
    concat([rawHeader({ name: "a", size }), CONTENT]);
  const cases: [Uint8Array, string][] = [
    [header("00000000005\0"), ""],
    [header("77777777777\0"), "truncated"],
    [header("\x80\0\0\0\0\x0f\xff\xff\xff\xff\xff\xff"), "corrupt"],
    [header("-0000000001\0"), "corrupt"],
    [header("0000000000x\0"), "corrupt"],
    [header("NaN\0"), "corrupt"],
    [concat([rawPax(record("size", "-1")), evilFile("a")]), "corrupt"],
    [concat([rawPax(record("size", "NaN")), evilFile("a")]), "corrupt"],
    [concat([rawPax(record("size", "1e3")), evilFile("a")]), "corrupt"],
    [concat([rawPax(record("size", "0x10")), evilFile("a")]), "corrupt"],
    [
      concat([rawPax(record("size", "99999999999999999")), evilFile("a")]),
      "corrupt",
    ],
    [
      concat([rawPax(record("size", "9007199254740991")), evilFile("a")]),
      "truncated",
    ],
    [
      concat([rawPax(record("size", "9007199254740992")), evilFile("a")]),
      "corrupt",
    ],
    [concat([rawPax(record("mtime", "tomorrow")), evilFile("a")]), "corrupt"],
    [concat([rawPax(record("uid", "-5")), evilFile("a")]), "corrupt"],
    [concat([rawPax(record("path", "a\0b")), evilFile("a")]), "corrupt"],
    [
      concat([rawPax(record("linkpath", "a\0b")), rawHeader({ type: "2" })]),
      "corrupt",
    ],
    [concat([rawPax("5 a=b\n"), evilFile("a")]), "corrupt"],
    [concat([rawPax("999 path=b\n"), evilFile("a")]), "corrupt"],
    [concat([rawPax("99999999999999999999 a=b\n"), evilFile("a")]), "corrupt"],
    [concat([rawPax("-6 a=b\n"), evilFile("a")]), "corrupt"],
    [concat([rawPax("0 a=b\n"), evilFile("a")]), "corrupt"],
    [concat([rawPax("8 nokey\n"), evilFile("a")]), "corrupt"],
    [concat([rawPax("7 a=bcd"), evilFile("a")]), "corrupt"],
    [concat([rawPax(new Uint8Array(40)), evilFile("a")]), "corrupt"],
    [rawHeader({ type: "x", size: 2 ** 21 }), "limit"],
    [rawHeader({ type: "g", size: 2 ** 32 }), "limit"],
    [rawHeader({ type: "L", size: 2 ** 33 - 1 }), "limit"],
    [rawHeader({ type: "K", size: 2 ** 30 }), "limit"],
    [rawHeader({ type: "x", size: 2 ** 19 }), "truncated"],
    [rawPax(record("path", "alone")), "corrupt"],
    [rawHeader({ name: "" }), "corrupt"],
    [rawHeader({ sumOff: 1 }), "corrupt"],
    [rawHeader({ type: "M", magic: "ustar  \0" }), "unsupported"],
    [
      concat([rawPax(record("GNU.sparse.major", "2")), evilFile("a")]),
      "corrupt",
    ],
    [noise(512), "corrupt"],
  ];
  for (const [n, [members, code]] of cases.entries()) {
    const tar = rawTar(members);
    for (const length of [1, 513, tar.length]) {
      if (code === "") await drain(tar, length);
      else {
        await assert.rejects(drain(tar, length), (error) => {
          assert.ok(error instanceof DeltarError, `case ${n}: ${error}`);
          assert.equal(error.code, code, `case ${n}: ${error.message}`);
          assert.equal(error.object, "evil");
          assert.ok(error.offset! >= 0 && error.offset! <= tar.length);
          return true;
        });
      }
    }
  }
});

test("endless extended headers do not fill the memory", async () => {
  const body = utf8(record("comment", "x".repeat(500_000)));
  const header = rawPax(body, "g");
  const source = async function* () {
    for (let n = 0; n < 1600; n++) yield header;
    yield rawTar();
  };
  const before = process.memoryUsage().rss;
  for await (const _ of readTar(source())) assert.fail();
  assert.ok(process.memoryUsage().rss - before < 400e6);
});

test("a tar that is truncated anywhere causes an error", async () => {
  const tar = rawTar(
    rawPax(record("path", "first")),
    evilFile("a"),
    rawHeader({ name: "b", size: 1000 }),
    padded(noise(1000)),
    rawHeader({ name: "c", type: "5" }),
  );
  const cuts = new Set<number>();
  for (let block = 0; block <= tar.length; block += 512) {
    for (const at of [block - 1, block, block + 1]) cuts.add(at);
  }
  for (const cut of cuts) {
    if (cut < 0 || cut >= tar.length) continue;
    for (const length of [500, tar.length]) {
      await assert.rejects(drain(tar.subarray(0, cut), length), {
        code: "truncated",
      });
    }
  }
  await drain(concat([tar, new Uint8Array(20_000)]));
  for (
    const at of [
      tar.length - 512,
      tar.length - 1,
      tar.length,
      tar.length + 5000,
    ]
  ) {
    const behind = concat([tar, new Uint8Array(20_000)]);
    behind[at] = 1;
    await assert.rejects(drain(behind), { code: "corrupt", offset: at });
  }
});

/** Makes a small archive of two volumes with its index. */
async function sample(codec: "gzip" | "zstd") {
  const storage = new MemoryStorage();
  const writer = TarVolume.create(storage, "key", {
    codec,
    volumeSize: 4096,
    frameSize: 1024,
  });
  for (let n = 0; n < 3; n++) {
    const content = noise(1500, n + 1);
    await writer.add(
      file(`file${n}`, content.length) as { path: string },
      content,
    );
  }
  await writer.add({ path: "link", kind: "symlink", target: "file1" });
  await writer.close();
  const names = [...storage.objects.keys()];
  assert.equal(names.length, 3);
  return { storage, names };
}

/** Returns the extracted tree of an archive as text for comparison. */
async function extracted(
  storage: MemoryStorage,
  index?: null,
): Promise<string> {
  const sink = new MemorySink();
  const archive = await TarVolume.open(storage, "key", { index });
  await archive.extractAll(sink);
  return JSON.stringify(
    [...sink.entries],
    (_, value) => typeof value === "bigint" ? String(value) : value,
  );
}

for (const codec of ["gzip", "zstd"] as const) {
  test(`${codec}: a flipped bit anywhere is refused or does no harm`, async () => {
    const { storage, names } = await sample(codec);
    const right = await extracted(storage);
    const step = process.env.SLOW ? 1 : 61;
    let refused = 0;
    for (const name of names) {
      const whole = storage.objects.get(name)!;
      for (let bit = 0; bit < whole.length * 8; bit += step) {
        const damaged = whole.slice();
        damaged[bit >> 3] ^= 1 << (bit & 7);
        storage.objects.set(name, damaged);
        try {
          assert.equal(await extracted(storage), right, `${name}, bit ${bit}`);
        } catch (error) {
          if (!(error instanceof DeltarError)) throw error;
          refused += 1;
        }
      }
      storage.objects.set(name, whole);
    }
    assert.ok(refused > 100);
  });

  test(`${codec}: truncated volumes are refused`, async () => {
    const { storage, names } = await sample(codec);
    for (const name of names) {
      const whole = storage.objects.get(name)!;
      const step = process.env.SLOW ? 1 : 37;
      for (let cut = 0; cut < whole.length; cut += step) {
        storage.objects.set(name, whole.slice(0, cut));
        const way = name.endsWith("ndjson") ? undefined : null;
        await assert.rejects(
          extracted(storage, way),
          DeltarError,
          `${name} cut to ${cut}`,
        );
      }
      storage.objects.set(name, whole);
    }
  });

  test(`${codec}: volumes in the wrong order are refused`, async () => {
    const { storage, names } = await sample(codec);
    const [first, second] = names;
    const [one, other] = [
      storage.objects.get(first)!,
      storage.objects.get(second)!,
    ];
    storage.objects.set(first, other);
    storage.objects.set(second, one);
    await assert.rejects(extracted(storage), DeltarError);
  });

  test(`${codec}: an archive that expands to a very large size is read in bounded memory`, async () => {
    const size = 1024 * 1024 * 1024;
    const bytes = codecFor(codec);
    const mebibyte = await bytes.compress(new Uint8Array(1024 * 1024));
    const storage = new MemoryStorage();
    const header = await bytes.compress(rawHeader({ name: "zeros", size }));
    const end = await bytes.compress(new Uint8Array(1024));
    await storage.put(
      "bomb",
      concat([header, ...Array(1024).fill(mebibyte), end]),
    );
    const before = process.memoryUsage().rss;
    let peak = 0;
    let read = 0;
    const reader = TarVolume.fromVolumes(storage, ["bomb"]).extractFile("zeros")
      .getReader();
    for (let n = 0;; n++) {
      const { value, done } = await reader.read();
      if (done) break;
      read += value.length;
      if (n % 500 === 0) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        peak = Math.max(peak, process.memoryUsage().rss - before);
      }
    }
    assert.equal(read, size);
    assert.ok(peak < 500e6, `${peak} bytes more`);
  });
}

test("a forged index is refused", async () => {
  const { storage } = await sample("gzip");
  const { index } = await TarVolume.open(storage, "key");
  const [member] = index!.members;
  const content = member.content!;
  const codes: [object, string[]][] = [
    [{ path: "../evil" }, ["unsafe"]],
    [{ path: "/evil" }, ["unsafe"]],
    [{ path: "a/./b" }, ["unsafe"]],
    [{ kind: "hardlink", target: "../x" }, ["unsafe"]],
    [{ kind: "socket" }, ["corrupt"]],
    [{ size: -1 }, ["corrupt"]],
    [{ size: NaN }, ["corrupt"]],
    [{ size: 1e300 }, ["corrupt"]],
    [{ size: member.size - 1 }, ["corrupt"]],
    [{ size: member.size + 1 }, ["corrupt"]],
    [{ size: 2 ** 52 }, ["corrupt"]],
    [{ sha256: "0".repeat(64) }, ["corrupt"]],
    [{ sha256: undefined }, ["corrupt"]],
    [{ content: undefined }, ["corrupt"]],
    [{ content: { ...content, offset: 2 ** 40 } }, ["corrupt"]],
    [{ content: { ...content, length: 2 ** 40 } }, ["corrupt"]],
    [{ content: { ...content, length: content.length - 1 } }, ["truncated"]],
    [{ content: { ...content, skip: -1 } }, ["corrupt"]],
    [{ content: { ...content, skip: 2 ** 52 } }, ["corrupt"]],
    [{ content: { ...content, offset: content.offset + 1 } }, ["corrupt"]],
    [{ content: { ...content, volume: "../key.vol0.tgz" } }, ["corrupt"]],
  ];
  for (const [change, expected] of codes) {
    const evil = new VolumeIndex("gzip", index!.volumes, [{
      ...member,
      ...change,
    }]);
    const read = async () => {
      storage.objects.set("key.index.ndjson", evil.encode());
      await (await TarVolume.open(storage, "key")).extractAll(new MemorySink());
    };
    await assert.rejects(read(), (error) => {
      assert.ok(
        error instanceof DeltarError,
        `${JSON.stringify(change)}: ${error}`,
      );
      assert.ok(
        expected.includes(error.code),
        `${JSON.stringify(change)}: ${error.message}`,
      );
      return true;
    });
  }
  const volumes = [{ ...index!.volumes[0], name: "../key.vol0.tgz" }];
  const outside = new VolumeIndex("gzip", volumes, []);
  assert.throws(() => VolumeIndex.decode(outside.encode()), {
    code: "corrupt",
  });
});

test("an index of a newer format is unsupported, and another file is corrupt", () => {
  const text = new TextDecoder().decode(
    new VolumeIndex("gzip", [], []).encode(),
  );
  for (
    const [bytes, code] of [
      [text.replace('"version":1', '"version":3'), "unsupported"],
      [text.replace('"codec":"gzip"', '"codec":"rot13"'), "corrupt"],
      [text.replace("deltar-volume-index", "deltar-index"), "corrupt"],
      ["{}\n", "corrupt"],
      ["", "truncated"],
      ["not json\n", "corrupt"],
      [text.slice(0, -1), "truncated"],
      [text.slice(0, -10), "truncated"],
    ]
  ) {
    assert.throws(() => VolumeIndex.decode(utf8(bytes), "i"), (error) => {
      assert.ok(error instanceof DeltarError);
      assert.equal(error.code, code, bytes);
      return true;
    });
  }
});

test("circular links are refused", async () => {
  const around = await open(rawTar(
    rawHeader({ name: "a", type: "1", link: "b" }),
    rawHeader({ name: "b", type: "1", link: "a" }),
  ));
  await assert.rejects(collect(around.extractFile("a")), { code: "not-found" });
  const self = await open(
    rawTar(rawHeader({ name: "a", type: "1", link: "a" })),
  );
  await assert.rejects(collect(self.extractFile("a")), { code: "not-found" });
});

test("devices and pipes are reported, and not created", async () => {
  const archive = await open(rawTar(
    rawHeader({ name: "null", type: "3" }),
    rawHeader({ name: "pipe", type: "6" }),
    rawHeader({ name: "odd", type: "Z", size: 4 }),
    CONTENT,
    evilFile("fine"),
  ));
  const skipped: string[] = [];
  const sink = new MemorySink();
  await archive.extractAll(sink, { onSkip: ({ path }) => skipped.push(path) });
  assert.deepEqual(skipped, ["null", "pipe", "odd"]);
  assert.deepEqual([...sink.entries.keys()], ["fine"]);
});
