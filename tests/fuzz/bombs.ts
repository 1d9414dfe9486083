/**
 * Small repositories that claim, or expand to, a very large size. A reader must
 * recognize this in time.
 */
import { Buffer } from "node:buffer";
import * as fs from "node:fs";
import { join } from "node:path";
import * as zlib from "node:zlib";
import { listingOf, sealed, sumOf } from "./listing.ts";
import type { Objects } from "./model.ts";
import type { Random } from "./random.ts";
import type { JsonObject } from "./values.ts";

/** The id of the only snapshot. */
const ID = "20250601T120000Z-0aa0bb";
const MEBIBYTE = 1 << 20;

/** A bomb: its objects, and large files that consist of a hole. */
export interface Bomb {
  what: string;
  objects: Objects;
  /** The objects that are extended to this size by a hole. */
  inflated?: { name: string; size: number };
  /** The size that the entries claim, in bytes. */
  claimed: number;
}

/**
 * Prepares the objects whose compression takes long.
 *
 * @param folder The folder in which they are stored.
 */
export function prepareBombs(folder: string): void {
  fs.mkdirSync(folder, { recursive: true });
  const write = (name: string, bytes: Uint8Array) =>
    fs.writeFileSync(join(folder, name), bytes);
  const zeros = new Uint8Array(64 * MEBIBYTE);
  write("zeros.zst", zlib.zstdCompressSync(zeros));
  write("zeros.gz", zlib.gzipSync(zeros, { level: 1 }));
  // This frame expands to much more than any frame that deltar writes.
  const whole = zlib.zstdCompressSync(Buffer.alloc(700 * MEBIBYTE));
  write("frame.zst", whole);
  // This tree has 400 MB in frames of 8 MB, each of which is valid.
  const frames: { first: string; length: number; sha256: string }[] = [];
  const parts: Uint8Array[] = [];
  let sum = Buffer.from(
    `${JSON.stringify({ format: "deltar-tree", version: 1 })}\n`,
  );
  for (let frame = 0; frame < 60; frame++) {
    const prefix = `${String(frame).padStart(3, "0")}/${
      "long name ".repeat(380)
    }`;
    const lines = Array.from({ length: 2000 }, (_, at) =>
      JSON.stringify({
        path: `${prefix}${String(at).padStart(6, "0")}`,
        kind: "symlink",
        mode: "0777",
        mtime: "1",
        uid: 0,
        gid: 0,
        target: "x",
      }) + "\n");
    const text = Buffer.from(lines.join(""));
    const plain = frame === 0 ? Buffer.concat([sum, text]) : text;
    const packed = zlib.zstdCompressSync(plain);
    parts.push(packed);
    frames.push({
      first: JSON.parse(lines[0]).path,
      length: packed.length,
      sha256: sumOf(packed),
    });
  }
  sum = Buffer.alloc(0);
  write("tree.zst", Buffer.concat(parts));
  write("tree.json", Buffer.from(JSON.stringify(frames)));
}

/** Returns a number in the form that librsync writes. */
function be(value: number, bytes: 4 | 8): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt(value));
  return buffer.subarray(8 - bytes);
}

/** Returns a delta that copies ranges of its basis. */
export function copies(
  ranges: readonly [offset: number, length: number][],
): Uint8Array {
  return Buffer.concat([
    be(0x72730236, 4),
    ...ranges.map(([offset, length]) =>
      // The offset and the length take eight bytes each.
      Buffer.concat([Buffer.from([0x45 + 15]), be(offset, 8), be(length, 8)])
    ),
    Buffer.from([0]),
  ]);
}

/** Makes a repository with one file that consists of the given pieces. */
function repositoryOf(
  pieces: { form: string; size: number; packed: Uint8Array; skip?: number }[],
  entry: { size: number; sha256?: string; signature?: Uint8Array },
  directory: string,
): Objects {
  const volume = `volumes/${ID}.vol0.tar.zst`;
  const objects: Objects = new Map();
  let offset = 0;
  const content = pieces.map(({ form, size, packed, skip = 0 }) => {
    const piece = { form, size, volume, offset, length: packed.length, skip };
    offset += packed.length;
    return piece;
  });
  const signature = entry.signature && {
    form: "whole",
    size: 64 * MEBIBYTE,
    volume,
    offset,
    length: entry.signature.length,
    skip: 0,
  };
  const all = pieces.map(({ packed }) => packed);
  if (entry.signature) all.push(entry.signature);
  objects.set(volume, Buffer.concat(all));
  return withTree(
    objects,
    [
      {
        path: "file",
        kind: "file",
        mode: "0644",
        mtime: "1",
        uid: 0,
        gid: 0,
        size: entry.size,
        sha256: entry.sha256 ?? "0".repeat(64),
        content,
        ...signature && { signature },
      },
    ],
    directory,
    volume,
  );
}

/** Adds the settings, the tree and the record. */
function withTree(
  objects: Objects,
  entries: JsonObject[],
  directory: string,
  volume?: string,
): Objects {
  const lines: JsonObject[] = [
    { format: "deltar-tree", version: 1 },
    ...entries,
  ];
  if (volume !== undefined) {
    const bytes = objects.get(volume)!;
    const object = { name: volume, size: bytes.length, sha256: sumOf(bytes) };
    lines.push({ object });
  }
  const layer = zlib.zstdCompressSync(listingOf(lines));
  return withRecord(objects, directory, layer, [{
    length: layer.length,
    sha256: sumOf(layer),
    first: String(entries[0]?.path ?? ""),
  }], entries.length);
}

function withRecord(
  objects: Objects,
  directory: string,
  layer: Uint8Array,
  frames: JsonObject[],
  entries: number,
): Objects {
  const name = `trees/${ID}.ndjson.zst`;
  objects.set(name, layer);
  objects.set(
    "deltar.json",
    listingOf([{
      format: "deltar-repository",
      version: 1,
      id: "00000000-0000-4000-8000-000000000000",
      codec: "zstd",
    }]),
  );
  const counts = Object.fromEntries(
    "files directories links bytes created updated deleted renamed copied touched stored faults"
      .split(" ").map((name) => [name, 0]),
  );
  objects.set(
    `snapshots/${ID}.json`,
    listingOf([{
      format: "deltar-snapshot",
      version: 1,
      id: ID,
      time: "2025-06-01T12:00:00.000Z",
      duration: 1,
      directory,
      root: { mode: "0755", mtime: "1", uid: 0, gid: 0 },
      layers: [{
        name,
        size: layer.length,
        sha256: sumOf(layer),
        entries,
        frames,
      }],
      counts,
    }]),
  );
  return objects;
}

/**
 * Returns a random bomb.
 *
 * @param folder The folder with the prepared objects.
 * @param directory The directory that the snapshot names.
 */
export function bombOf(
  random: Random,
  folder: string,
  directory: string,
): Bomb {
  const read = (name: string) => fs.readFileSync(join(folder, name));
  const pack = (bytes: Uint8Array) => zlib.zstdCompressSync(bytes);
  const claims = random.pick([1000, MEBIBYTE, 4 * MEBIBYTE]);
  switch (random.below(9)) {
    case 0: {
      // Each delta doubles the result of the one before.
      const basis = new Uint8Array(MEBIBYTE + random.pick([0, 1, 100_000]));
      let size = basis.length;
      const deltas: Parameters<typeof repositoryOf>[0] = [];
      for (let at = random.pick([3, 8, 18, 40]); at > 0; at--) {
        const delta = copies([[0, size], [0, size]]);
        deltas.push({ form: "delta", size: delta.length, packed: pack(delta) });
        size *= 2;
        if (size > 2 ** 50) break;
      }
      const whole = { form: "whole", size: basis.length, packed: pack(basis) };
      return {
        what: "deltas that double",
        objects: repositoryOf([whole, ...deltas], { size: claims }, directory),
        claimed: claims,
      };
    }
    case 1: {
      const basis = new Uint8Array(MEBIBYTE);
      const delta = copies(
        Array.from({ length: 65_536 }, () => [0, basis.length]),
      );
      return {
        what: "a delta that gives 64 GiB",
        objects: repositoryOf(
          [
            { form: "whole", size: basis.length, packed: pack(basis) },
            { form: "delta", size: delta.length, packed: pack(delta) },
            ...random.chance(0.5)
              ? [{ form: "delta", size: delta.length, packed: pack(delta) }]
              : [],
          ],
          { size: claims },
          directory,
        ),
        claimed: claims,
      };
    }
    case 2: {
      const zeros = read("zeros.zst");
      const many = Buffer.concat(Array.from({ length: 40 }, () => zeros));
      const size = random.pick([1000, claims, 40 * 64 * MEBIBYTE]);
      return {
        what: "frames that unpack to 2.5 GiB for a small file",
        objects: repositoryOf(
          [
            {
              form: "whole",
              size,
              packed: many,
              skip: random.pick([0, 2 ** 31]),
            },
          ],
          { size: claims },
          directory,
        ),
        claimed: claims,
      };
    }
    case 3: {
      const size = random.pick([1000, MEBIBYTE, 700 * MEBIBYTE]);
      return {
        what: "a frame of 700 MiB in a volume",
        objects: repositoryOf([{
          form: "whole",
          size,
          packed: read("frame.zst"),
        }], {
          size: claims,
        }, directory),
        claimed: claims,
      };
    }
    case 4: {
      const frame = read("frame.zst");
      return {
        what: "a frame of 700 MiB in a layer",
        objects: withRecord(new Map(), directory, frame, [
          { length: frame.length, sha256: sumOf(frame), first: "a" },
        ], 1),
        claimed: 0,
      };
    }
    case 5: {
      const tree = read("tree.zst");
      const frames = JSON.parse(read("tree.json").toString());
      return {
        what: "a small layer that unpacks to 480 MiB of entries",
        objects: withRecord(new Map(), directory, tree, frames, 120_000),
        claimed: 0,
      };
    }
    case 6: {
      const basis = new Uint8Array(2 * MEBIBYTE);
      return {
        what: "a signature that unpacks to 700 MiB",
        objects: repositoryOf([
          { form: "whole", size: basis.length, packed: pack(basis) },
        ], {
          size: basis.length,
          sha256: sumOf(basis),
          signature: read("frame.zst"),
        }, directory),
        claimed: basis.length,
      };
    }
    case 7: {
      const objects = repositoryOf(
        [
          { form: "whole", size: 5, packed: pack(Buffer.from("hello")) },
        ],
        { size: 5, sha256: sumOf("hello") },
        directory,
      );
      const id = "20250602T000000Z-000000";
      objects.set(
        `checkpoints/${id}.0.ndjson.zst`,
        random.pick([read("frame.zst"), read("zeros.zst")]),
      );
      return { what: "a checkpoint of 700 MiB", objects, claimed: 5 };
    }
    default: {
      const objects = repositoryOf(
        [
          { form: "whole", size: 5, packed: pack(Buffer.from("hello")) },
        ],
        { size: 5, sha256: sumOf("hello") },
        directory,
      );
      const name = random.pick([
        "deltar.json",
        `snapshots/${ID}.json`,
        `trees/${ID}.ndjson.zst`,
        `settings/${ID}.json`,
        `removed/${ID}.json`,
        `garbage/${ID}.json`,
        `running/${ID}.json`,
        `running/${ID}.beat.json`,
        `labels/${ID}.${ID}.json`,
        `lease/1.json`,
        `moves/volumes/${ID}.vol0.tar.zst.json`,
        `checkpoints/${ID}.0.ndjson.zst`,
      ]);
      if (!objects.has(name)) {
        objects.set(name, sealed(Buffer.from('{"format":"x","version":1}\n')));
      }
      if (name.startsWith("moves/")) {
        objects.delete(`volumes/${ID}.vol0.tar.zst`);
      }
      return {
        what: `${name} is 1.5 GB long`,
        objects,
        inflated: { name, size: 1_500_000_000 },
        claimed: 5,
      };
    }
  }
}
