import assert from "node:assert/strict";
import { test } from "node:test";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { codecFor } from "../../lib/archive/codec.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import type {
  LayerRecord,
  SnapshotRecord,
} from "../../lib/repository/format/snapshot_record.ts";
import { groupLines } from "../../lib/repository/layers/group_lines.ts";
import {
  encodeLayerLine,
  type LayerLine,
} from "../../lib/repository/layers/tree_layer.ts";
import { readTree } from "../../lib/repository/layers/tree_reader.ts";
import { Family } from "../../lib/repository/verify/family.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { GetOptions } from "../../lib/storage/storage.ts";
import { comparePaths } from "../../lib/tree/path.ts";

const STATE = { mode: 0o755, mtime: 1n, uid: 0, gid: 0 };

/** A random number below a limit; the same sequence in every run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor(state / 2 ** 31 * below);
  };
}

function directory(path: string, mode = 0o755): LayerLine {
  return { path, kind: "directory", size: 0, ...STATE, mode };
}

async function* batches(
  lines: readonly LayerLine[],
  size: number,
): AsyncGenerator<LayerLine[]> {
  for (let at = 0; at < lines.length; at += size) {
    yield lines.slice(at, at + size);
  }
}

/** Stores a layer with frames of a few lines each. */
async function layerOf(
  storage: MemoryStorage,
  name: string,
  lines: readonly LayerLine[],
  most: number,
): Promise<LayerRecord> {
  const zstd = codecFor("zstd");
  const encoded = lines.map(encodeLayerLine);
  const all = encodeLines("deltar-tree", 1, {}, encoded);
  const texts = new TextDecoder().decode(all).trimEnd().split("\n");
  const frames: LayerRecord["frames"] = [];
  const parts: Uint8Array[] = [];
  for (let at = 0; at < lines.length; at += most) {
    const end = at + most < lines.length ? 1 + at + most : texts.length;
    const text = texts.slice(at === 0 ? 0 : 1 + at, end);
    const plain = new TextEncoder().encode(`${text.join("\n")}\n`);
    const packed = await zstd.compress(plain);
    parts.push(packed);
    frames.push({
      length: packed.length,
      sha256: toHex(sha256(packed)),
      first: lines[at].path,
    });
  }
  const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
  await storage.put(name, bytes);
  const sum = toHex(sha256(bytes));
  return {
    name,
    size: bytes.length,
    sha256: sum,
    entries: lines.length,
    frames,
  };
}

function snapshotOf(id: string, layers: LayerRecord[]): SnapshotRecord {
  return { id, layers, root: STATE } as unknown as SnapshotRecord;
}

test("groupLines() gives all lines of a path together, in path order", async () => {
  const random = randomOf(7);
  for (let count = 0; count < 12; count++) {
    const layers = Array.from({ length: count }, () => {
      const paths = new Set(
        Array.from({ length: random(60) }, () => {
          const folder = random(3) === 0 ? `${random(5)}/` : "";
          return `${folder}${random(40)}`;
        }),
      );
      return [...paths].sort(comparePaths).map((path) => directory(path));
    });
    const groups = [];
    const sources = layers.map((lines) => batches(lines, 1 + random(9)));
    for await (const batch of groupLines(sources)) groups.push(...batch);
    const paths = [...new Set(layers.flat().map(({ path }) => path))];
    const expected = paths.sort(comparePaths).map((path) =>
      layers.flatMap((lines, layer) =>
        lines.filter((line) => line.path === path)
          .map((line) => ({ line, layer }))
      )
    );
    assert.deepEqual(groups, expected);
  }
});

test("a family has the entries of all its trees, each with its snapshots", async () => {
  const random = randomOf(11);
  const storage = new MemoryStorage();
  const paths = Array.from({ length: 60 }, (_, at) => `path ${at}`)
    .sort(comparePaths);
  const records: LayerRecord[] = [];
  for (let at = 0; at < 9; at++) {
    const lines = paths.flatMap((path): LayerLine[] => {
      if (at > 0 && random(3) > 0) return [];
      return at > 0 && random(3) === 0
        ? [{ path, kind: "gone" }]
        : [directory(path, at)];
    });
    records.push(await layerOf(storage, `trees/${at}.ndjson.zst`, lines, 7));
  }
  const [base, ...upper] = records;
  const snapshots = Array.from(
    { length: 8 },
    (_, at) =>
      snapshotOf(`${at}`, [base, ...upper.filter(() => random(3) === 0)]),
  );
  for (const damaged of [undefined, upper[2].name, base.name]) {
    if (damaged !== undefined) storage.objects.get(damaged)?.fill(0, 40, 60);
    const failed: string[] = [];
    const found: string[] = [];
    const families = Family.of(storage, snapshots, {
      onFailure: (error, { name }) => {
        assert.ok(error instanceof DeltarError);
        failed.push(name);
      },
    });
    let readable: readonly SnapshotRecord[] = [];
    for await (const family of families) {
      found.push(
        ...await family.pass(async (batches) => {
          const all: string[] = [];
          for await (const batch of batches) {
            for (const visible of batch) {
              const { path, mode } = visible.entry;
              for (const { id } of family.having(visible)) {
                all.push(`${id} ${path} ${mode}`);
              }
            }
          }
          return all;
        }),
      );
      readable = family.snapshots;
    }
    const lost = new Set(failed);
    assert.deepEqual(
      readable.map(({ id }) => id),
      snapshots
        .filter(({ layers }) => !layers.some(({ name }) => lost.has(name)))
        .map(({ id }) => id),
    );
    if (damaged !== undefined) assert.ok(lost.has(damaged));
    const expected: string[] = [];
    for (const snapshot of readable) {
      for (
        const { path, mode } of (await readTree(storage, snapshot)).entries
      ) {
        expected.push(`${snapshot.id} ${path} ${mode}`);
      }
    }
    assert.deepEqual(found.sort(), expected.sort());
  }
});

test("a pass over a family reads layers as it proceeds, not all at once", async () => {
  const inner = new MemoryStorage();
  const lines = Array.from(
    { length: 40_000 },
    (_, at) =>
      directory(
        `${String(at).padStart(6, "0")} ${toHex(sha256(Uint8Array.of(at)))}`,
        at % 512,
      ),
  );
  const layer = await layerOf(inner, "trees/0.ndjson.zst", lines, 200);
  let read = 0;
  const storage = Object.assign(new MemoryStorage(), {
    async *get(name: string, options?: GetOptions) {
      for await (const part of inner.get(name, options)) {
        read += part.length;
        yield part;
      }
    },
  });
  const families = Family.of(storage, [snapshotOf("a", [layer])], {
    onFailure: (error) => assert.fail(String(error)),
  });
  for await (const family of families) {
    let entries = 0;
    let atFirst = 0;
    await family.pass(async (batches) => {
      for await (const batch of batches) {
        atFirst ||= read;
        entries += batch.length;
      }
    });
    assert.equal(entries, lines.length);
    assert.equal(read, layer.size);
    assert.ok(atFirst < read / 2, `${atFirst} of ${read} bytes`);
  }
});
