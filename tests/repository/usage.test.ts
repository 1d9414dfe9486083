import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { LayerRecord } from "../../lib/repository/format/snapshot_record.ts";
import type {
  LayerLine,
  LayerPart,
} from "../../lib/repository/layers/tree_layer.ts";
import { ALWAYS, findUsage } from "../../lib/repository/prune/usage.ts";

const PARTS = 100;
const LINES = 500;
const PATH_BYTES = 2000;

/** A path with its own memory, unlike a text that is joined from others. */
function pathOf(number: number): string {
  const bytes = Buffer.alloc(PATH_BYTES, "x");
  bytes.write(String(number).padStart(8, "0"));
  return bytes.toString("latin1");
}

/** The bytes of the heap that are in use, without garbage. */
function heapUsed(): number {
  const { Bun } = globalThis as { Bun?: { gc(isSync: boolean): void } };
  if (Bun !== undefined) Bun.gc(true);
  else {
    setFlagsFromString("--expose-gc");
    runInNewContext("gc")();
  }
  return process.memoryUsage().heapUsed;
}

function layer(name: string): LayerRecord {
  // A large layer is not read ahead.
  return { name, size: 1e9, sha256: name, entries: 0, frames: [] };
}

function partOf(lines: LayerLine[]): LayerPart {
  return { lines, objects: [], skipped: [] };
}

function directory(path: string): LayerLine {
  const state = { mode: 0o755, mtime: 1n, uid: 0, gid: 0 };
  return { path, kind: "directory", size: 0, ...state };
}

test("findUsage() does not keep the paths of the first layers", async () => {
  const first = layer("trees/first");
  const upper = layer("trees/upper");
  const gone = pathOf(7);
  let heap = 0;
  let seen = 0;
  const usage = await findUsage([{ layers: [first, upper], rank: ALWAYS }], {
    async *read({ name }) {
      if (name === upper.name) {
        yield partOf([{ path: gone, kind: "gone" }]);
        return;
      }
      const before = heapUsed();
      for (let part = 0; part < PARTS; part++) {
        yield partOf(
          Array.from(
            { length: LINES },
            (_, at) => directory(pathOf(LINES * part + at)),
          ),
        );
      }
      heap = heapUsed() - before;
    },
    onLine: ({ path }) => {
      assert.ok(path !== gone || seen === 0);
      seen++;
    },
  });
  assert.deepEqual([...usage.others.keys()].sort(), [first.name, upper.name]);
  // The tombstone, and all lines of the first layer but the deleted one.
  assert.equal(seen, PARTS * LINES);
  assert.ok(heap < PARTS * LINES * PATH_BYTES / 4, `${heap} bytes`);
});
