import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeHeader } from "../../lib/archive/tar_decode.ts";
import { encodeHeader } from "../../lib/archive/tar_header.ts";
import { encodePax, formatTime, parseTime } from "../../lib/archive/pax.ts";
import { ByteReader } from "../../lib/bytes/byte_reader.ts";
import type { TarMember } from "../../lib/archive/tar_member.ts";
import { readTar } from "../../lib/archive/tar_reader.ts";
import { file, gather, noise, pieces, runs, special, utf8 } from "./helpers.ts";
import { padded, rawHeader, rawPax, rawTar, record } from "./raw_tar.ts";

const segment = fc.string({ unit: "binary", minLength: 1, maxLength: 120 })
  .map((text) => text.replace(/[\0/]/g, "-").toWellFormed());
const path = fc.array(segment, { minLength: 1, maxLength: 5 })
  .map((segments) => segments.join("/"));
const natural = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 31 }),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
);
const time = fc.oneof(
  fc.bigInt({ min: -(2n ** 62n), max: 2n ** 66n }),
  fc.bigInt({ min: -(2n ** 32n), max: 2n ** 36n }).map((s) => s * 10n ** 9n),
);
const member: fc.Arbitrary<TarMember> = fc.record({
  path,
  kind: fc.constantFrom("file", "directory", "symlink", "hardlink"),
  size: natural,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  mtime: time,
  uid: natural,
  gid: natural,
  target: path,
}).map(({ target, ...one }) => {
  const isLink = one.kind === "symlink" || one.kind === "hardlink";
  const size = one.kind === "file" ? one.size : 0;
  return { ...one, size, ...(isLink && { target }) } as TarMember;
});

/** Reads the first member of a tar that may have no content or end. */
async function first(bytes: Uint8Array): Promise<TarMember> {
  for await (const { member } of readTar(pieces(bytes, 512))) return member;
  throw new Error("no member");
}

test("any member that is written is read back unchanged", async () => {
  const cases = fc.asyncProperty(member, async (one) => {
    const header = encodeHeader(one);
    assert.equal(header.length % 512, 0);
    assert.deepEqual(encodeHeader({ ...one }), header);
    assert.deepEqual(await first(header), one);
  });
  await fc.assert(cases, { numRuns: runs(200) });
});

test("names at the limits of ustar and pax are read back unchanged", async () => {
  for (
    const length of [1, 99, 100, 101, 154, 155, 156, 254, 255, 256, 257, 4000]
  ) {
    for (const unit of ["x", "ü", "x/y", "\n", "\u{1F600}"]) {
      for (const kind of ["file", "directory"] as const) {
        const name = unit.repeat(Math.ceil(length / unit.length)).slice(
          0,
          length,
        ).toWellFormed();
        const one = kind === "file" ? file(name, 0) : special(name, kind);
        if (name.endsWith("/")) one.path = name + "z";
        assert.deepEqual(await first(encodeHeader(one)), one);
        const link = special("l", "symlink", one.path);
        assert.deepEqual(await first(encodeHeader(link)), link);
      }
    }
  }
});

test("a member has a pax header only if it does not fit into a ustar header", () => {
  const blocks = (one: TarMember) => encodeHeader(one).length / 512;
  assert.equal(blocks(file("a", 8 * 1024 ** 3 - 1)), 1);
  assert.equal(blocks(file("a", 8 * 1024 ** 3)), 3);
  assert.equal(blocks(file("a", 0, { mtime: 5n * 10n ** 9n })), 1);
  assert.equal(blocks(file("a", 0, { mtime: 5n * 10n ** 9n + 1n })), 3);
  assert.equal(blocks(file(`${"p".repeat(155)}/${"n".repeat(100)}`, 0)), 1);
  assert.equal(blocks(file("n".repeat(101), 0)), 3);
  assert.equal(blocks(file("ü", 0)), 3);
  assert.equal(blocks(file("a", 0, { uid: 0o7777777 })), 1);
  assert.equal(blocks(file("a", 0, { uid: 0o10000000 })), 3);
});

test("sizes of more than 2, 4 and 8 GiB are read back unchanged", async () => {
  for (
    const size of [
      2 ** 31,
      2 ** 32,
      2 ** 33,
      2 ** 33 + 1,
      2 ** 40,
      Number.MAX_SAFE_INTEGER,
    ]
  ) {
    for (const one of [file("a", size), file("ü".repeat(200), size - 1)]) {
      assert.deepEqual(await first(encodeHeader(one)), one);
    }
  }
});

test("values that no tar can hold are refused", () => {
  const wrong: [Partial<TarMember>, ErrorConstructor][] = [
    [{ path: "" }, TypeError],
    [{ path: "a\0b" }, TypeError],
    [{ path: "ü\0b" }, TypeError],
    [{ kind: "other" }, TypeError],
    [{ kind: "symlink", size: 0 }, TypeError],
    [{ kind: "symlink", size: 0, target: "a\0b" }, TypeError],
    [{ kind: "directory" }, RangeError],
    [{ size: -1 }, RangeError],
    [{ size: NaN }, RangeError],
    [{ size: 0.5 }, RangeError],
    [{ size: 2 ** 53 }, RangeError],
    [{ uid: -1 }, RangeError],
    [{ gid: Infinity }, RangeError],
  ];
  for (const [change, error] of wrong) {
    assert.throws(
      () => encodeHeader({ ...file("a", 1), ...change } as TarMember),
      error,
    );
  }
});

test("the length of a pax record includes its own digits", () => {
  for (let length = 0; length < 1200; length++) {
    const bytes = encodePax(new Map([["path", "ü".repeat(length)]]));
    const text = new TextDecoder().decode(bytes);
    assert.equal(parseInt(text), bytes.length);
  }
});

test("times are exact to the nanosecond", () => {
  fc.assert(
    fc.property(time, (one) => {
      assert.equal(parseTime(formatTime(one)), one);
    }),
    { numRuns: runs(200) },
  );
  assert.equal(formatTime(1_500_000_000n), "1.5");
  assert.equal(formatTime(-1n), "-0.000000001");
  assert.equal(parseTime("1.0000000019"), 1_000_000_001n);
  assert.equal(parseTime("7."), 7_000_000_000n);
  for (const text of ["", "x", "1e3", ".5", "--1", "1.-5", "1".repeat(21)]) {
    assert.equal(parseTime(text), undefined);
  }
});

test("a tar is read from any pieces, and its contents are read, skipped or read in part", async () => {
  const contents = [0, 1, 511, 512, 513, 5000].map((size) =>
    noise(size, size + 1)
  );
  const tar = rawTar(...contents.flatMap((content, n) => [
    encodeHeader(file(`${n}`, content.length, { mtime: BigInt(n) })),
    padded(content),
  ]));
  for (const length of [1, 2, 511, 512, 513, 1000, tar.length]) {
    for (const way of ["read", "skip", "part", "leave"]) {
      const found: string[] = [];
      for await (
        const { member, body, offset } of readTar(pieces(tar, length))
      ) {
        assert.equal(offset % 512, 0);
        const content = contents[Number(member.path)];
        found.push(member.path);
        if (way === "read") assert.deepEqual(await gather(body), content);
        if (way === "part") {
          for await (const _ of body) break;
        }
        if (way === "leave" && found.length === 3) break;
      }
      assert.equal(found.length, way === "leave" ? 3 : contents.length);
    }
  }
});

test("the content of a member that was passed can no longer be read", async () => {
  const tar = rawTar(encodeHeader(file("a", 3)), padded(utf8("abc")));
  const entries = await Array.fromAsync(readTar(pieces(tar, 100)));
  await assert.rejects(gather(entries[0].body), TypeError);
});

test("GNU names and links, global headers and pax are applied", async () => {
  const gnu = (type: string, text: string) => [
    rawHeader({
      type,
      size: text.length + 1,
      name: "././@LongLink",
      magic: "ustar  \0",
    }),
    padded(utf8(text + "\0")),
  ];
  const tar = rawTar(
    ...gnu("K", "link/".repeat(50)),
    ...gnu("L", "name/".repeat(50) + "x"),
    rawHeader({ type: "2", link: "short", magic: "ustar  \0" }),
    rawHeader({ name: "plain", type: "0" }),
    rawPax(record("mtime", "5.5") + record("comment", "no matter"), "g"),
    rawHeader({ name: "globally" }),
    rawPax(record("mtime", "6") + record("path", "pax/ü")),
    rawHeader({ name: "ignored" }),
    rawPax(record("path", "away") + record("path", "")),
    rawHeader({ name: "own", mtime: "00000000007\0" }),
    rawHeader({ name: "old/", magic: "\0\0\0\0\0\0\0\0", type: "\0" }),
    rawHeader({ name: "n", prefix: "p/q" }),
    rawHeader({ name: "n", prefix: "p", magic: "ustar  \0" }),
    rawHeader({ name: "fifo", type: "6", size: 512 }),
    rawHeader({ name: "hard", type: "1", link: "n", size: 512 }),
    rawHeader({ name: "contiguous", type: "7" }),
  );
  const found = [];
  for await (const { member } of readTar(pieces(tar, 700))) found.push(member);
  assert.deepEqual(
    found.map(({ path, kind, mtime }) => [path, kind, mtime]),
    [
      ["name/".repeat(50) + "x", "symlink", 0n],
      ["plain", "file", 0n],
      ["globally", "file", 5_500_000_000n],
      ["pax/ü", "file", 6_000_000_000n],
      ["own", "file", 5_500_000_000n],
      ["old", "directory", 5_500_000_000n],
      ["p/q/n", "file", 5_500_000_000n],
      ["n", "file", 5_500_000_000n],
      ["fifo", "fifo", 5_500_000_000n],
      ["hard", "hardlink", 5_500_000_000n],
      ["contiguous", "file", 5_500_000_000n],
    ],
  );
  assert.equal(found[0].target, "link/".repeat(50));
});

test("base-256 numbers, blanks and signed checksums are read", () => {
  const decode = (block: Uint8Array) =>
    decodeHeader(block, new ByteReader(pieces(block, 512)));
  const at = (field: number, ...bytes: number[]) =>
    decode(rawHeader({ patch: [field, bytes] }))!;
  assert.equal(at(124, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0).size, 2 ** 33);
  const negative = [
    0xff,
    255,
    255,
    255,
    255,
    255,
    255,
    255,
    255,
    255,
    255,
    254,
  ];
  assert.equal(at(136, ...negative).mtime, -2_000_000_000n);
  assert.throws(() => at(124, ...negative), { code: "corrupt" });
  assert.throws(
    () => at(124, 0x80, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255),
    { code: "corrupt" },
  );
  assert.equal(at(100, ...utf8("  644 \0 ")).mode, 0o644);
  assert.equal(at(124, ...utf8("            ")).size, 0);
  const high = rawHeader({ name: "\xff\xfe".repeat(10) });
  const unsigned = parseInt(
    new TextDecoder().decode(high.subarray(148, 154)),
    8,
  );
  const highs = high.filter((byte) => byte >= 0x80).length;
  high.set(utf8((unsigned - 256 * highs).toString(8).padStart(6, "0")), 148);
  assert.ok(decode(high));
  assert.equal(decode(new Uint8Array(512)), undefined);
});
