import assert from "node:assert/strict";
import { test } from "node:test";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { concat } from "../../lib/bytes/source.ts";
import { FileScan } from "../../lib/delta/file_scan.ts";
import type { OldPart, OldParts } from "../../lib/delta/old_parts.ts";
import { patchBytes } from "../../lib/delta/patch.ts";
import { signBytes } from "../../lib/delta/sign.ts";
import { runs } from "../support/runs.ts";
import { mutate, random, randomBytes } from "./helpers.ts";

/** The old content, divided into parts, two of which stay loaded. */
class Parts implements OldParts {
  parts: OldPart[] = [];
  readonly loads: number[] = [];
  readonly kept: { start: number; end: number }[] = [];
  readonly #old: Uint8Array;
  readonly #partBytes: number;

  constructor(old: Uint8Array, partBytes: number) {
    this.#old = old;
    this.#partBytes = partBytes;
  }

  async load(place: number): Promise<void> {
    await Promise.resolve();
    this.loads.push(place);
    if (this.parts.length > 1) this.parts.shift()?.bytes.fill(0xee);
    const offset = place - place % this.#partBytes;
    const bytes = this.#old.slice(offset, offset + this.#partBytes);
    this.parts.push({ offset, bytes });
  }

  keep(start: number, end: number): void {
    this.kept.push({ start, end });
  }
}

async function scanned(
  old: Uint8Array,
  now: Uint8Array,
  parts: OldParts | undefined,
  blockSize: number,
): Promise<Uint8Array> {
  const delta: Uint8Array[] = [];
  const scan = new FileScan({
    basis: signBytes(old, { blockSize }),
    old: parts,
    size: now.length,
    onDelta: (bytes) => void delta.push(bytes.slice()),
  });
  for (let at = 0; at < now.length; at += 100_000) {
    await scan.push(now.subarray(at, at + 100_000));
  }
  const { deltaSize } = await scan.finish();
  const whole = concat(delta);
  assert.equal(deltaSize, whole.length);
  return whole;
}

test("FileScan with the old content makes a delta with the right result, from any edits", async () => {
  for (let seed = 1; seed <= runs(40).numRuns; seed++) {
    const length = seed % 5 === 0 ? 1_500_000 : seed * 7919 % 200_000;
    const old = randomBytes(length, seed);
    let now = old;
    for (let edit = 0; edit <= seed % 6; edit++) now = mutate(now, seed + edit);
    const blockSize = [64, 512, 2048][seed % 3];
    const parts = new Parts(old, [5000, 70_000, 400_000][seed % 3]);
    const delta = await scanned(old, now, parts, blockSize);
    assert.deepEqual(patchBytes(old, delta), now, `seed ${seed}`);
  }
});

test("FileScan loads each changed part once, and keeps the bytes between copies", async () => {
  const old = randomBytes(1_000_000, 1);
  const now = old.slice();
  const next = random(9);
  for (let edit = 0; edit < 40; edit++) {
    now.set(randomBytes(50, edit + 2), next() % 500_000);
  }
  const parts = new Parts(old, 100_000);
  const delta = await scanned(old, now, parts, 1024);
  assert.deepEqual(patchBytes(old, delta), now);
  const loaded = parts.loads.map((place) => Math.floor(place / 100_000));
  assert.deepEqual(loaded, [0, 1, 2, 3, 4]);
  const plain = await scanned(old, now, undefined, 1024);
  assert.ok(delta.length <= plain.length, `${delta.length} ${plain.length}`);
  const changed = [...now].flatMap((byte, at) => byte === old[at] ? [] : [at]);
  for (const at of changed) {
    assert.ok(parts.kept.some(({ start, end }) => start <= at && at < end));
  }
});

test("FileScan uses only the signature after a part could not be loaded", async () => {
  const old = randomBytes(600_000, 1);
  const now = old.slice();
  for (let at = 100; at < now.length; at += 60_000) now.fill(7, at, at + 9);
  const parts = new Parts(old, 100_000);
  const load = parts.load.bind(parts);
  parts.load = (place) =>
    parts.loads.length < 2
      ? load(place)
      : Promise.reject(new DeltarError("corrupt", "damaged zstd frame"));
  const delta = await scanned(old, now, parts, 1024);
  assert.deepEqual(patchBytes(old, delta), now);
  assert.ok(delta.length < 20 * 2048, `${delta.length}`);

  parts.load = () => Promise.reject(new DeltarError("aborted", "aborted"));
  parts.parts = [];
  await assert.rejects(scanned(old, now, parts, 1024), { code: "aborted" });
});
