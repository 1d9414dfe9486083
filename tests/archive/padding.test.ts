import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { codecFor } from "../../lib/archive/codec.ts";
import { paddingCodec } from "../../lib/archive/padding.ts";
import { VolumeWriter } from "../../lib/archive/volume_writer.ts";
import { MIN_PADDED_BYTES, paddedSize } from "../../lib/bytes/padded_size.ts";
import { chunks, collect, concat } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { needs, run, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import { file, noise } from "./helpers.ts";

/** Computes the Padmé size in whole numbers, as in the listing of the paper. */
function padme(size: number): number {
  const exponent = size.toString(2).length - 1;
  const bits = exponent - exponent.toString(2).length;
  const mask = (1n << BigInt(bits)) - 1n;
  return Number((BigInt(size) + mask) & ~mask);
}

test("paddedSize() returns the Padmé size, but never less than a minimum", () => {
  for (const size of [0, 1, 200, MIN_PADDED_BYTES]) {
    assert.equal(paddedSize(size), MIN_PADDED_BYTES);
  }
  for (let size = MIN_PADDED_BYTES; size < 2 ** 52;) {
    const padded = paddedSize(size);
    assert.equal(padded, padme(size), `${size}`);
    assert.equal(paddedSize(padded), padded);
    assert.equal(paddedSize(padded + 1), padme(padded + 1));
    assert.ok(padded <= size * (size < 2 ** 16 ? 1.0625 : 1.032), `${size}`);
    size = Math.ceil(size * 1.0137);
  }
});

/** The programs that decompress, and the options of tar for them. */
const PROGRAMS = {
  zstd: { decompress: ["zstd", ["-dc"]], list: ["--zstd", "-tf"] },
  gzip: { decompress: ["gzip", ["-dc"]], list: ["-tzf"] },
} as const;

for (const name of ["zstd", "gzip"] as const) {
  const codec = paddingCodec(name);
  const { decompress: [program, args], list } = PROGRAMS[name];

  test(
    `the padding of ${name} decompresses to nothing`,
    needs(program),
    async () => {
      const sizes = [0, 1, 3000, 4096, 16_000, 1_000_000, 40_000_000];
      for (let size = 3700; size < 3900; size += 3) sizes.push(size);
      for (const size of sizes) {
        const content = noise(size, size + 1);
        const packed = await codec.store(content);
        const pieces = [...codec.padding!(packed.length)];
        const object = concat([packed, ...pieces]);
        // If the gap is too short for a padding piece, the next larger padded
        // size is used.
        assert.equal(object.length, paddedSize(object.length), `${size}`);
        assert.ok(object.length <= paddedSize(packed.length + 26), `${size}`);
        const plain = codecFor(name).decompress(chunks(object));
        assert.deepEqual(await collect(plain), content, `${size}`);
        // Larger files would fill the pipes in both directions.
        if (size > 32_000) continue;
        const printed = run(program, [...args], { input: object });
        assert.ok(Buffer.from(content).equals(printed), `${size}`);
      }
    },
  );

  test(
    `tar reads padded volumes of ${name}, whose sizes are those of the padding`,
    needs(program, "tar"),
    async () => {
      await withTemp(async (folder) => {
        const storage = new MemoryStorage();
        const volumes = new VolumeWriter({
          storage,
          name: (n) => `v${n}`,
          codec,
          volumeSize: 50_000,
        });
        const names: string[] = [];
        for (let n = 0; n < 40; n++) {
          const content = noise(5000, n + 1);
          names.push(`file ${n}`);
          volumes.add(file(`file ${n}`, content.length), content);
          await volumes.ready();
        }
        const listed: string[] = [];
        for (const { name, size } of await volumes.close()) {
          const object = storage.objects.get(name)!;
          assert.equal(object.length, size);
          assert.equal(size, paddedSize(size));
          const place = join(folder, name);
          writeFileSync(place, object);
          const text = runText("tar", [...list, place]);
          listed.push(...text.trim().split("\n"));
        }
        assert.ok(storage.objects.size > 3);
        assert.deepEqual(listed, names);
      });
    },
  );
}
