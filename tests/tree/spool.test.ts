import assert from "node:assert/strict";
import * as fs from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { concat } from "../../lib/bytes/source.ts";
import { Spool } from "../../lib/tree/spool.ts";
import { withTemp } from "../support/temp.ts";

test("Spool reads what was written, in memory or on the disk, and then deletes it", async () => {
  const usual = process.env.TMPDIR;
  await withTemp((folder) => {
    process.env.TMPDIR = folder;
    try {
      useSpools(folder);
    } finally {
      if (usual === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = usual;
    }
  });
});

function useSpools(folder: string): void {
  for (const inMemory of [0, 10, 25, 1000]) {
    const spool = new Spool(inMemory);
    const memory = new Uint8Array(10);
    for (let at = 0; at < 5; at++) {
      spool.write(memory.fill(at));
      assert.equal(spool.size, 10 * (at + 1));
    }
    const whole = Uint8Array.from(
      { length: 50 },
      (_, at) => Math.floor(at / 10),
    );
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(concat([...spool.read()]), whole);
    }
    // A process that is killed at this moment leaves nothing behind.
    if (process.platform !== "win32") {
      assert.deepEqual(fs.readdirSync(folder), []);
    }
    const access = spool.access();
    assert.equal(access.size, 50);
    assert.deepEqual(access.read(8, 4), Uint8Array.of(0, 0, 1, 1));
    spool.dispose();
    spool.dispose();
    assert.deepEqual(fs.readdirSync(folder), []);
  }
  assert.deepEqual(concat([...new Spool().read()]), new Uint8Array());
}
