import assert from "node:assert/strict";
import { test } from "node:test";
import { codecFor } from "../../lib/archive/codec.ts";
import { ContentFrames } from "../../lib/archive/content_frames.ts";
import { concat } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { noise } from "./helpers.ts";

const SKIP = 700;
const BEHIND = 900;

/**
 * Returns a volume whose frames hold a content and the bytes before and after
 * it.
 */
async function volume() {
  const codec = codecFor("zstd");
  const text = (size: number, seed: number) =>
    noise(size, seed).map((byte) => 65 + byte % 4);
  const plain = [
    text(300_000, 1),
    noise(500_000, 2),
    text(1_300_000, 3),
    text(10, 4),
    noise(200_000, 5),
    text(BEHIND + 1000, 6),
  ];
  const frames = await Promise.all(
    plain.map((bytes, at) =>
      at % 3 === 1 ? codec.store(bytes) : codec.compress(bytes)
    ),
  );
  const storage = new MemoryStorage();
  const before = noise(50, 7);
  await storage.put("volume", concat([before, ...frames, noise(60, 8)]));
  const whole = concat(plain);
  const content = whole.slice(SKIP, whole.length - BEHIND);
  const reference = {
    volume: "volume",
    offset: before.length,
    length: concat(frames).length,
    skip: SKIP,
  };
  return { storage, reference, content };
}

test("ContentFrames loads the part around any byte", async () => {
  const { storage, reference, content } = await volume();
  using frames = new ContentFrames(storage, reference, content.length);
  const edges = [0, 299_299, 299_300, 799_299, 799_300, content.length - 1];
  const places = [...edges.toReversed(), ...edges];
  for (let at = 0; at < 300; at++) {
    places.push(at * 104_729 % content.length);
  }
  for (const place of places) {
    const { offset, bytes } = await frames.load(place);
    assert.ok(offset <= place && place < offset + bytes.length, `${place}`);
    assert.ok(offset >= 0 && offset + bytes.length <= content.length);
    const expected = content.subarray(offset, offset + bytes.length);
    assert.ok(Buffer.from(bytes).equals(expected), `${place}`);
    assert.ok(frames.parts.length <= 2);
  }
});

test("ContentFrames refuses damaged and missing frames", async () => {
  const { storage, reference, content } = await volume();
  const short = new ContentFrames(
    storage,
    { ...reference, length: 100 },
    content.length,
  );
  await assert.rejects(short.load(0), { code: "truncated" });
  const longer = new ContentFrames(storage, reference, 2 * content.length);
  await assert.rejects(longer.load(content.length + BEHIND), {
    code: "corrupt",
  });
  const bytes = concat(await Array.fromAsync(storage.get("volume")));
  const damaged = new MemoryStorage();
  await damaged.put("volume", bytes.fill(0xff, 200, 60_000));
  const frames = new ContentFrames(damaged, reference, content.length);
  await assert.rejects(frames.load(0), { code: "corrupt" });
});
