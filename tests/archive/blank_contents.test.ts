import assert from "node:assert/strict";
import { test } from "node:test";
import { blankContents } from "../../lib/archive/blank_contents.ts";
import { codecFor } from "../../lib/archive/codec.ts";
import { readTar } from "../../lib/archive/tar_reader.ts";
import { VolumeWriter } from "../../lib/archive/volume_writer.ts";
import { chunks, collect } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { noise } from "../support/noise.ts";

/** Returns content that compresses well, badly or not at all. */
function contentOf(kind: number, length: number, seed: number): Uint8Array {
  if (kind === 0) return noise(length, seed);
  const words = `line ${seed} of the text; `.repeat(length);
  const text = new TextEncoder().encode(words).slice(0, length);
  if (kind === 1) return text;
  text.set(noise(length >>> 1, seed));
  return text;
}

for (const name of ["zstd", "gzip"] as const) {
  test(`blankContents() keeps the length and the other contents: ${name}`, async () => {
    const codec = codecFor(name);
    let tried = 0;
    for (let seed = 1; seed < 120; seed++) {
      const storage = new MemoryStorage();
      const writer = new VolumeWriter({
        storage,
        name: () => "volume",
        codec,
        volumeSize: 1 << 26,
      });
      const contents: Uint8Array[] = [];
      const count = 1 + seed % 5;
      for (let at = 0; at < count; at++) {
        const length = (seed * 37 + at * 1009) % (at === 1 ? 40_000 : 90) + 1;
        contents.push(contentOf((seed + at) % 3, length, seed * 10 + at));
      }
      const references = contents.map((content, at) =>
        writer.add({
          path: `created/${"é".repeat(at === 2 ? 90 : 1)}${at}`,
          kind: "file",
          size: content.length,
          mode: 0o644,
          mtime: 0n,
          uid: 0,
          gid: 0,
        }, content)
      );
      await writer.close();
      const { offset, length } = references[0];
      const frames = storage.objects.get("volume")!
        .slice(offset, offset + length);
      for (let gone = 0; gone < count; gone++) {
        tried++;
        const { skip } = references[gone];
        const isNeeded = (position: number) => position !== skip;
        const blanked = await blankContents(frames, codec, isNeeded, "volume");
        assert.equal(blanked.length, frames.length);
        const plain = await codec.decompressBlock(blanked, 1 << 26);
        for (const [at, content] of contents.entries()) {
          const { skip } = references[at];
          const now = plain.subarray(skip, skip + content.length);
          const isSame = Buffer.compare(now, content) === 0;
          if (at !== gone) assert.ok(isSame, `${seed}, ${at}`);
          else if (content.length > 8) assert.ok(!isSame, `${seed}, ${at}`);
        }
        const members = await Array.fromAsync(
          readTar(chunks(
            new Uint8Array(
              Buffer.concat([plain, new Uint8Array(1024)]),
            ),
          )),
          async ({ member, body }) => (await collect(body), member.path),
        );
        assert.equal(members.length, count);
      }
      const all = await blankContents(frames, codec, () => true, "volume");
      assert.equal(all, frames);
    }
    assert.ok(tried > 300);
  });
}

test("blankContents() leaves frames of a large content as they are", async () => {
  const codec = codecFor("zstd");
  const frames = await codec.compress(new Uint8Array((64 << 20) + 1));
  assert.equal(
    await blankContents(frames, codec, () => true, "volume"),
    frames,
  );
});
