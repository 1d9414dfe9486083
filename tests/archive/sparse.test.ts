import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readTar } from "../../lib/archive/tar_reader.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { codeOf } from "../../lib/bytes/errors.ts";
import { collect, concat } from "../../lib/bytes/source.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { pieces, utf8 } from "./helpers.ts";
import { has, run, withFolder } from "./peers.ts";
import { padded, rawHeader, rawPax, rawTar, record } from "./raw_tar.ts";

/** Makes a file with data at the given offsets, and holes elsewhere. */
function plant(place: string, size: number, offsets: number[]): void {
  const fd = fs.openSync(place, "w");
  fs.ftruncateSync(fd, size);
  for (const offset of offsets) {
    const bytes = utf8(`data at ${offset}`);
    fs.writeSync(fd, bytes, 0, bytes.length, offset);
  }
  fs.closeSync(fd);
}

const FORMATS = [
  ["tar", "--format=gnu"],
  ["tar", "--format=oldgnu"],
  ["tar", "--format=posix", "--sparse-version=0.0"],
  ["tar", "--format=posix", "--sparse-version=0.1"],
  ["tar", "--format=posix", "--sparse-version=1.0"],
  ["bsdtar", "--format=pax"],
];

for (const [command, ...format] of FORMATS) {
  test(`sparse members of ${command} ${format.join(" ")} are read`, async (context) => {
    if (!has(context, command)) return;
    await withFolder(async (folder) => {
      const root = join(folder, "tree");
      fs.mkdirSync(root);
      const many = Array.from({ length: 60 }, (_, n) => n * 200_000);
      plant(join(root, "middle"), 5_000_000, [1_000_000, 3_000_000]);
      plant(join(root, "many"), 13_000_000, many);
      plant(join(root, "hole"), 2_000_000, []);
      plant(join(root, "end"), 3_000_000, [2_999_980]);
      plant(join(root, "full"), 3, []);
      const long = "l".repeat(90);
      fs.mkdirSync(join(root, long));
      plant(join(root, long, `${long}ü`), 1_000_000, [70_000]);
      const archive = join(folder, "archive.tar");
      run(command, [...format, "-Scf", archive, "-C", folder, "tree"]);
      assert.ok(fs.statSync(archive).size < 2_000_000);
      const storage = new LocalStorage(folder);
      const opened = TarVolume.fromVolumes(storage, ["archive.tar"]);
      await opened.extractAll(join(folder, "out"));
      run("diff", ["-r", root, join(folder, "out", "tree")]);
      for await (const { kind, path, size } of opened.members()) {
        if (kind !== "file") continue;
        assert.equal(size, fs.statSync(join(folder, path)).size, path);
        const found = await collect(opened.extractFile(path));
        assert.ok(fs.readFileSync(join(folder, path)).equals(found), path);
      }
    });
  });
}

test("extractAll() makes a sparse file of 1 TB without reading its zeros", async (context) => {
  if (!has(context, "tar")) return;
  await withFolder(async (folder) => {
    const root = join(folder, "tree");
    fs.mkdirSync(root);
    const size = 10 ** 12;
    plant(join(root, "huge"), size, [0, 4096 * 10 ** 7, size - 4096]);
    const archive = join(folder, "archive.tar");
    run("tar", ["--format=posix", "-Scf", archive, "-C", root, "huge"]);
    const storage = new LocalStorage(folder);
    const opened = TarVolume.fromVolumes(storage, ["archive.tar"]);
    const target = join(folder, "out");
    await opened.extractAll(target);
    const stat = fs.statSync(join(target, "huge"));
    assert.equal(stat.size, size);
    assert.ok(stat.blocks <= 100, `${stat.blocks}`);
    const fd = fs.openSync(join(target, "huge"), "r");
    const bytes = new Uint8Array(20);
    fs.readSync(fd, bytes, 0, 19, 4096 * 10 ** 7);
    fs.closeSync(fd);
    const text = new TextDecoder().decode(bytes);
    assert.equal(text, "data at 40960000000\0");
  });
});

/** Returns a sparse member in PAX format 1.0. */
function condensed(list: string, data: string, size: number): Uint8Array {
  const bytes = concat([padded(utf8(list)), utf8(data)]);
  return concat([
    rawPax(
      record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") +
        record("GNU.sparse.realsize", String(size)),
    ),
    rawHeader({ name: "a", size: bytes.length }),
    padded(bytes),
  ]);
}

/** Returns a sparse member in PAX format 0.1. */
function listed(list: string, data: string, size: string): Uint8Array {
  return concat([
    rawPax(record("GNU.sparse.size", size) + record("GNU.sparse.map", list)),
    rawHeader({ name: "a", size: data.length }),
    padded(utf8(data)),
  ]);
}

/** Returns a sparse member in GNU tar's old format. */
function old(offset: number, length: number, data: string, size: number) {
  const octal = (value: number) =>
    utf8(value.toString(8).padStart(11, "0") + "\0");
  const patch = [...octal(offset), ...octal(length)];
  const real = [...octal(size)];
  return concat([
    rawHeader({
      name: "a",
      type: "S",
      magic: "ustar  \0",
      size: data.length,
      patch: [386, [
        ...patch,
        ...new Array(97 - patch.length).fill(0),
        ...real,
      ]],
    }),
    padded(utf8(data)),
  ]);
}

async function read(tar: Uint8Array): Promise<string> {
  let text = "";
  for await (const { body } of readTar(pieces(tar, 7000), { object: "evil" })) {
    for await (const part of body) text += new TextDecoder().decode(part);
  }
  return text.replaceAll("\0", "0");
}

test("readTar() puts the data of sparse members at the right offsets", async () => {
  const expected = "0000ab00cd0";
  const list = "3\n4\n2\n8\n2\n11\n0\n";
  const tars = [
    condensed(list, "abcd", 11),
    listed("4,2,8,2", "abcd", "11"),
    concat([
      rawPax(
        record("GNU.sparse.size", "11") +
          record("GNU.sparse.offset", "4") +
          record("GNU.sparse.numbytes", "2") +
          record("GNU.sparse.offset", "8") +
          record("GNU.sparse.numbytes", "2"),
      ),
      rawHeader({ name: "a", size: 4 }),
      padded(utf8("abcd")),
    ]),
  ];
  for (const tar of tars) assert.equal(await read(rawTar(tar)), expected);
  assert.equal(await read(rawTar(old(4, 2, "ab", 8))), "0000ab00");
  // A member without data, and one that is not read.
  assert.equal(await read(rawTar(listed("", "", "3"))), "000");
});

test("readTar() refuses invalid lists of the data of sparse members", async () => {
  const most = 9_007_199_254_740_991;
  const cases: [Uint8Array, string][] = [
    [condensed("2\n4\n2\n3\n2\n", "abcd", 11), "corrupt"],
    [condensed("2\n8\n2\n4\n2\n", "abcd", 11), "corrupt"],
    [condensed("1\n8\n4\n", "abcd", 11), "corrupt"],
    [condensed("1\n0\n4\n", "abcde", 11), "corrupt"],
    [condensed("1\n0\n5\n", "abcd", 11), "corrupt"],
    [condensed(`1\n${most}\n4\n`, "abcd", 11), "corrupt"],
    [condensed(`1\n4\n${most}\n`, "abcd", most), "corrupt"],
    [condensed("x\n", "", 11), "corrupt"],
    [condensed("\n", "", 11), "corrupt"],
    [condensed("-1\n", "", 11), "corrupt"],
    [condensed("1\n0\n99999999999999999\n", "", 11), "corrupt"],
    [condensed("3\n0\n1\n", "", 11), "corrupt"],
    [condensed("9999999\n0\n1\n", "", 11), "limit"],
    [condensed("2\n0\n1\n", "", 11).subarray(0, 1900), "truncated"],
    [listed("0,2,1,2", "abcd", "11"), "corrupt"],
    [listed("0,2,1", "abcd", "11"), "corrupt"],
    [listed("0,2,x,2", "abcd", "11"), "corrupt"],
    [listed("0,4", "abcd", "-1"), "corrupt"],
    [listed("0,4", "abcd", "3"), "corrupt"],
    [old(4, 2, "abc", 8), "corrupt"],
    [old(7, 2, "ab", 8), "corrupt"],
    [
      concat([
        rawPax(record("GNU.sparse.major", "1"), "g"),
        rawHeader({ name: "a" }),
      ]),
      "unsupported",
    ],
    [
      concat([
        rawPax(
          record("GNU.sparse.major", "2") + record("GNU.sparse.minor", "0") +
            record("GNU.sparse.realsize", "5"),
        ),
        rawHeader({ name: "a" }),
      ]),
      "unsupported",
    ],
    [
      // The blocks with ranges never end.
      concat([
        rawHeader({ type: "S", magic: "ustar  \0", patch: [482, [1]] }),
        ...Array.from({ length: 60_000 }, () => {
          const block = new Uint8Array(512).fill(0x30);
          block[504] = 1;
          return block;
        }),
      ]),
      "limit",
    ],
  ];
  for (const [n, [member, code]] of cases.entries()) {
    const tar = code === "truncated" ? member : rawTar(member);
    await assert.rejects(read(tar), (error) => {
      assert.equal(codeOf(error), code, `case ${n}: ${error}`);
      return true;
    });
  }
});
