import assert from "node:assert/strict";
import { test } from "node:test";
import { collect } from "../../lib/bytes/source.ts";
import { deltaBytes } from "../../lib/delta/delta.ts";
import { bytesAccess } from "../../lib/delta/random_access.ts";
import { sign, signBytes } from "../../lib/delta/sign.ts";
import {
  DeltaStream,
  PatchStream,
  SignatureStream,
} from "../../lib/delta/transform_streams.ts";
import { noise } from "../support/noise.ts";

/**
 * Returns a stream of bytes in pieces, and the number of pieces that were
 * pulled.
 */
function pieces(bytes: Uint8Array<ArrayBuffer>, length: number) {
  let at = 0;
  const counted = { pulled: 0 };
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      counted.pulled++;
      controller.enqueue(bytes.slice(at, at += length));
    },
  }, { highWaterMark: 0 });
  return { stream, counted };
}

const before = noise(400_000, 1);
const after = new Uint8Array([...before.slice(1000), ...noise(5000, 2)]);

test("the three streams in sequence reproduce the file", async () => {
  const { stream } = pieces(before, 1 << 14);
  const size = before.length;
  const encoded = await collect(
    stream.pipeThrough(new SignatureStream({ size })),
  );
  const basis = await sign(before, { size });
  assert.deepEqual(encoded, basis.encode());
  const result = pieces(after, 777).stream
    .pipeThrough(new DeltaStream(basis))
    .pipeThrough(new PatchStream(bytesAccess(before)));
  assert.deepEqual(await collect(result), after);
});

test("DeltaStream has the same result as deltaBytes()", async () => {
  const basis = signBytes(before);
  const stream = pieces(after, 1 << 15).stream.pipeThrough(
    new DeltaStream(basis),
  );
  assert.deepEqual(await collect(stream), deltaBytes(basis, after));
});

test("PatchStream fails at both ends if the delta is damaged", async () => {
  const delta = deltaBytes(signBytes(before), after).slice();
  delta[0] ^= 1;
  const { readable, writable } = new PatchStream(bytesAccess(before));
  const writer = writable.getWriter();
  const written = writer.write(delta).catch(() => {});
  await assert.rejects(collect(readable), { code: "corrupt" });
  await written;
  await assert.rejects(writer.write(delta));
});

test("a reader that stops ends the writer", async () => {
  const { readable, writable } = new DeltaStream(signBytes(before));
  const { stream, counted } = pieces(noise(1 << 22, 3), 1 << 14);
  const piped = stream.pipeTo(writable);
  const reader = readable.getReader();
  await reader.read();
  await reader.cancel();
  await assert.rejects(piped);
  assert.ok(counted.pulled < 256, `${counted.pulled} pieces`);
});
