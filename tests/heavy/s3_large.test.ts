import assert from "node:assert/strict";
import { createHash, randomFillSync } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { type Place, withPlace } from "../cli/helpers.ts";
import { cephBucket, NEEDS_CEPH } from "../support/ceph.ts";
import { withProxy } from "../support/proxy.ts";
import { finish, start } from "./child.ts";

const MEBIBYTE = 2 ** 20;
const slow = process.env.CI || process.env.SLOW;
const OPTIONS = {
  ...NEEDS_CEPH,
  ...(!slow && { skip: "takes minutes: set SLOW=1" }),
  timeout: 1_800_000,
};

/** Writes bytes that do not compress. Returns their SHA-256. */
function writeNoise(place: string, size: number): string {
  const block = new Uint8Array(MEBIBYTE);
  randomFillSync(block);
  const numbers = new DataView(block.buffer);
  const sum = createHash("sha256");
  const fd = fs.openSync(place, "w");
  for (let at = 0; at < size; at += MEBIBYTE) {
    // All blocks of a file differ.
    numbers.setFloat64(0, at);
    fs.writeSync(fd, block);
    sum.update(block);
  }
  fs.closeSync(fd);
  return sum.digest("hex");
}

async function sumOf(place: string): Promise<string> {
  const sum = createHash("sha256");
  for await (const part of fs.createReadStream(place)) sum.update(part);
  return sum.digest("hex");
}

/** Runs work with a place, and a repository in a bucket behind a proxy. */
async function withCeph(
  work: (
    place: Place,
    repo: string,
    direct: Record<string, string>,
  ) => Promise<void>,
): Promise<void> {
  const options = await cephBucket();
  await withPlace(async (place) => {
    await work(place, `s3://${options.bucket}/r`, {
      ...place.env,
      AWS_ACCESS_KEY_ID: options.accessKeyId,
      AWS_SECRET_ACCESS_KEY: options.secretAccessKey,
      AWS_ENDPOINT_URL: options.endpoint,
    });
  });
}

test("a killed upload of 2 GiB is continued", OPTIONS, async () => {
  const files = 32;
  await withCeph(async (place, repo, direct) => {
    for (let at = 0; at < files; at++) {
      writeNoise(join(place.root, `f${at}`), 64 * MEBIBYTE);
    }
    const all = files * 64 * MEBIBYTE;
    await withProxy(direct.AWS_ENDPOINT_URL, {}, async (proxy) => {
      const env = { ...direct, AWS_ENDPOINT_URL: proxy.address };
      const sent = () => proxy.passed.reduce((sum, { sent }) => sum + sent, 0);
      const words = ["snapshot", place.root, "--repo", repo];
      const killed = start(words, env);
      const gone = new Promise((resolve) => killed.on("exit", resolve));
      while (sent() < all / 2 && killed.exitCode === null) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      killed.kill("SIGKILL");
      await gone;
      const first = sent();
      proxy.passed.length = 0;
      await finish(start(words, env));
      // The rest, one volume of 64 MiB, and small objects may be sent.
      const most = all - first + 64 * MEBIBYTE + 2 * MEBIBYTE;
      console.log(`# ${first} bytes, then ${sent()} of at most ${most}`);
      assert.ok(sent() <= most, `${first} bytes, then ${sent()}, not ${most}`);
    });
    await finish(start(["verify", "--repo", repo], direct));
  });
});

test(
  "a large file is stored and restored in bounded memory",
  OPTIONS,
  async () => {
    const size = (process.env.SLOW ? 8 : 2) * 1024 * MEBIBYTE;
    await withCeph(async (place, repo, direct) => {
      const file = join(place.root, "large");
      const sum = writeNoise(file, size);
      const up = await finish(
        start(["snapshot", place.root, "--repo", repo], direct),
      );
      fs.rmSync(file);
      const target = join(place.folder, "restored");
      const down = await finish(
        start(["restore", "latest", "--repo", repo, "--to", target], direct),
      );
      assert.equal(await sumOf(join(target, "large")), sum);
      console.log(`# ${up / MEBIBYTE} MiB up, ${down / MEBIBYTE} MiB down`);
      assert.ok(Math.max(up, down) < 400 * MEBIBYTE, `${up}, ${down} bytes`);
    });
  },
);
