import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { withOutput } from "../../cli/output.ts";
import { codeOf } from "../../lib/bytes/errors.ts";
import { withTemp } from "../support/temp.ts";

const BYTES = new TextEncoder().encode("secret");

test("withOutput() without force keeps a file that was created meanwhile", async () => {
  await withTemp(async (folder) => {
    const file = join(folder, "out");
    const writing = withOutput(file, false, async (output) => {
      await output.write(BYTES);
      fs.writeFileSync(file, "other");
    });
    await assert.rejects(writing, (error) => codeOf(error) === "exists");
    assert.equal(fs.readFileSync(file, "utf8"), "other");
    assert.deepEqual(fs.readdirSync(folder), ["out"]);
    const size = await withOutput(file, true, async (output) => {
      await output.write(BYTES);
    });
    assert.equal(size, BYTES.length);
    assert.equal(fs.readFileSync(file, "utf8"), "secret");
    assert.deepEqual(fs.readdirSync(folder), ["out"]);
  });
});

test("withOutput() leaves nothing behind if the file cannot be renamed", async () => {
  await withTemp(async (folder) => {
    const file = join(folder, "out");
    const listeners = process.listenerCount("exit");
    const writing = withOutput(file, true, async (output) => {
      await output.write(BYTES);
      fs.mkdirSync(join(file, "full"), { recursive: true });
    });
    await assert.rejects(writing, (error) => codeOf(error) === "io");
    assert.deepEqual(fs.readdirSync(folder), ["out"]);
    assert.equal(process.listenerCount("exit"), listeners);
  });
});
