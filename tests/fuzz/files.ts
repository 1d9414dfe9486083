/** Mutations of archives, indexes, differences, signatures and deltas. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import * as zlib from "node:zlib";
import { copies } from "./bombs.ts";
import { linesOf, listingOf, pack, unpack } from "./listing.ts";
import type { Objects } from "./model.ts";
import { otherBytes } from "./mutations.ts";
import type { Random } from "./random.ts";
import { otherObject, type Pool, textsIn } from "./values.ts";

const BLOCK = 512;

/** Changes fields of the headers of a tar, and corrects their checksums. */
export function otherTar(random: Random, tar: Uint8Array): Uint8Array {
  const copy = Buffer.from(tar);
  const headers: number[] = [];
  for (let at = 0; at + BLOCK <= copy.length; at += BLOCK) {
    if (copy.toString("latin1", at + 257, at + 262) === "ustar") {
      headers.push(at);
    }
  }
  if (headers.length === 0) return otherBytes(random, copy);
  for (let n = 1 + random.below(3); n > 0; n--) {
    const at = random.pick(headers);
    const [offset, length, values] = random.pick<
      [number, number, readonly string[]]
    >([
      [0, 100, [
        "../canary/evil",
        "/canary",
        "a/../../canary/evil",
        "",
        "./",
        "notes.txt/x",
        "dangling/x",
        ".deltar-stage-p1-00000000-0badcafe-journal",
        "x\u001b[31m",
        "to-one/x",
      ]],
      [100, 8, ["0007777", "-000001", "9999999", "\x80\0\0\0\0\0\0\0"]],
      [108, 8, ["7777777", "\x80\xff\xff\xff\xff\xff\xff"]],
      [124, 12, [
        "77777777777",
        "00000000000",
        "00000000001",
        "\x80\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        "99999999999",
        " 17        ",
      ]],
      [136, 12, ["77777777777", "\xff\0\0\0\0\0\0\0\0\0\0\x01", "x"]],
      [156, 1, [
        "0",
        "1",
        "2",
        "5",
        "x",
        "g",
        "L",
        "K",
        "S",
        "M",
        "7",
        "\0",
        "V",
      ]],
      [157, 100, ["../canary", "/", "notes.txt", "", "../canary/file"]],
      [257, 8, ["ustar  \0", "ustar\x0000", "\0\0\0\0\0\0\0\0"]],
      [345, 155, ["..", "/", "x".repeat(155)]],
    ]);
    copy.fill(0, at + offset, at + offset + length);
    copy.write(random.pick(values), at + offset, length, "latin1");
    fixSum(copy, at);
  }
  if (random.chance(0.2)) {
    const at = random.pick(headers);
    const pax = paxOf(random);
    return Buffer.concat([copy.subarray(0, at), pax, copy.subarray(at)]);
  }
  if (random.chance(0.1)) return copy.subarray(0, random.below(copy.length));
  return copy;
}

function fixSum(tar: Buffer, at: number): void {
  tar.write("        ", at + 148, "latin1");
  let sum = 0;
  for (let byte = 0; byte < BLOCK; byte++) sum += tar[at + byte];
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
}

/** Returns an extended header with unusual records. */
function paxOf(random: Random): Buffer {
  const record = (key: string, value: string) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length + 1;
    while (`${length}${rest}`.length !== length) length++;
    return `${length}${rest}`;
  };
  const records = [
    record(
      "path",
      random.pick(["../canary/x", "/x", "a\0b", "é", "x".repeat(70_000)]),
    ),
    record("linkpath", random.pick(["../canary", "x".repeat(5000)])),
    record(
      "size",
      random.pick(["-1", "1e9", "9".repeat(30), "18446744073709551616", "5"]),
    ),
    record("mtime", random.pick(["-1.5", "1e400", "9".repeat(40), "NaN"])),
    record("uid", random.pick(["4294967296", "-1", "x"])),
    record("GNU.sparse.major", "1"),
    "99999999999 path=x\n",
    "0 path=x\n",
    "no record",
  ];
  const body = Buffer.from(random.some(records, 0.3).join(""));
  const header = Buffer.alloc(BLOCK);
  header.write("PaxHeader", 0);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  const length = random.chance(0.8) ? body.length : random.below(1 << 30);
  header.write(`${length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write(random.pick(["x", "x", "x", "g", "L", "K"]), 156);
  header.write("ustar\x0000", 257, "latin1");
  fixSum(header, 0);
  const padding = Buffer.alloc((BLOCK - body.length % BLOCK) % BLOCK);
  return Buffer.concat([header, body, padding]);
}

/** Returns a delta with other commands. */
export function otherDelta(random: Random, delta: Uint8Array): Uint8Array {
  if (random.chance(0.5)) return otherBytes(random, delta);
  const many = random.pick([1, 10, 50_000]);
  const lengths = [1, 100, 10_000, 20_000, 2 ** 31, 2 ** 40, 2 ** 53 - 1];
  return copies(Array.from({ length: many }, () => [
    random.pick([0, 0, 1, 5000, 2 ** 40]),
    random.pick(lengths),
  ]));
}

/** Changes lines of a listing, and corrects its checksum. */
export function otherListing(random: Random, bytes: Uint8Array): Uint8Array {
  const lines = linesOf(bytes);
  const pool: Pool = { texts: [...textsIn(lines)] };
  for (let n = 1 + random.below(3); n > 0; n--) {
    const at = random.chance(0.3) ? 0 : random.below(lines.length);
    lines[at] = otherObject(random, lines[at], pool);
  }
  return listingOf(lines);
}

/** Changes a state file, and corrects its checksum. */
export function otherState(random: Random, bytes: Uint8Array): Uint8Array {
  const inside = Buffer.from(bytes.subarray(0, bytes.length - 32));
  const end = inside.indexOf(10);
  let changed: Uint8Array = inside;
  if (random.chance(0.3)) {
    const header = JSON.parse(inside.toString("utf8", 0, end));
    const text = JSON.stringify(otherObject(random, header, { texts: [] }));
    const padded = text.padEnd(Math.ceil((text.length + 1) / 4) * 4 - 1);
    changed = Buffer.concat([
      Buffer.from(`${padded}\n`),
      inside.subarray(end + 1),
    ]);
  } else if (random.chance(0.7)) {
    const word = end + 1 + 4 * random.below((inside.length - end) / 4 | 0);
    if (word + 4 <= inside.length) {
      inside.writeUInt32LE(
        random.pick([0, 1, 2 ** 31, 2 ** 32 - 1, 1000]),
        word,
      );
    }
  } else changed = otherBytes(random, inside);
  return Buffer.concat([
    changed,
    createHash("sha256").update(changed).digest(),
  ]);
}

/** Changes a random file of the corpus in the way of its kind. */
export function otherFile(
  random: Random,
  files: Objects,
  name: string,
): Uint8Array {
  const bytes = files.get(name)!;
  if (/\.tgz$|\.tar\.zst$/.test(name)) {
    if (random.chance(0.2)) return otherBytes(random, bytes);
    const packed = pack(name, otherTar(random, unpack(name, bytes)));
    if (random.chance(0.1)) {
      const zeros = zlib.gzipSync(new Uint8Array(1 << 22));
      return Buffer.concat([packed, zeros]);
    }
    return packed;
  }
  if (/ndjson$/.test(name)) {
    return random.chance(0.1)
      ? otherBytes(random, bytes)
      : otherListing(random, bytes);
  }
  if (/delta$/.test(name)) return otherDelta(random, bytes);
  if (/state$/.test(name)) return otherState(random, bytes);
  return otherBytes(random, bytes);
}
