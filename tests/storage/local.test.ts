import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { collect } from "../../lib/bytes/source.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { needsPosix } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { conforms, count } from "./conforms.ts";

conforms(
  "local",
  (work) => withTemp((folder) => work(new LocalStorage(join(folder, "store")))),
);

/** Returns an expected error of the system, with any code. */
const io = (error: { name: string; code: string; cause?: unknown }) => {
  assert.equal(error.name, "DeltarError");
  assert.equal(error.code, "io", String(error));
  assert.ok(error.cause instanceof Error);
  return true;
};

async function names(storage: LocalStorage): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of storage.list()) found.push(name);
  return found.sort();
}

test(
  "local: files other than objects are neither listed nor do they interfere",
  needsPosix("names with a newline"),
  async () => {
    await withTemp(async (folder) => {
      const storage = new LocalStorage(folder);
      await storage.put("a/b", count(3));
      fs.writeFileSync(join(folder, ".deltar-stage-1"), "left by a crash");
      fs.writeFileSync(join(folder, "a/.deltar-stage-2"), "left by a crash");
      fs.writeFileSync(join(folder, "a\nb"), "no object's name");
      fs.writeFileSync(join(folder, "a/back\\slash"), "no object's name");
      fs.mkdirSync(join(folder, "a/.snapshot"));
      fs.writeFileSync(join(folder, "a/.snapshot/b"), "not ours");
      fs.symlinkSync("nowhere", join(folder, "dangling"));
      fs.symlinkSync("a", join(folder, "link"));
      assert.deepEqual(await names(storage), ["a/b"]);
    });
  },
);

test("local: no temporary file remains next to an object", async () => {
  await withTemp(async (folder) => {
    const storage = new LocalStorage(folder);
    await storage.put("a/x", count(1));
    await storage.put("a/x", count(2));
    await storage.put("a/y", count(1), { ifAbsent: true });
    await assert.rejects(storage.put("a/y", count(1), { ifAbsent: true }));
    await assert.rejects(storage.put("a/z", count(1), {
      signal: AbortSignal.abort(),
    }));
    assert.deepEqual(fs.readdirSync(join(folder, "a")).sort(), ["x", "y"]);
  });
});

test("local: a folder or file in the wrong place is an io error, not a missing object", async () => {
  await withTemp(async (folder) => {
    const storage = new LocalStorage(folder);
    await storage.put("a/b", count(1));
    await storage.put("file", count(1));
    await assert.rejects(collect(storage.get("a")), io);
    await assert.rejects(storage.put("a", count(1)), io);
    await assert.rejects(storage.delete("a"), io);
    for (const ifAbsent of [false, true]) {
      await assert.rejects(storage.put("file/x", count(1), { ifAbsent }), io);
      await assert.rejects(storage.put("file/x/y", count(1), { ifAbsent }), io);
    }
    await assert.rejects(collect(storage.get("file/x")), io);
    assert.deepEqual(await names(storage), ["a/b", "file"]);
    assert.deepEqual(fs.readdirSync(folder).sort(), ["a", "file"]);
    const inFile = new LocalStorage(join(folder, "file"));
    await assert.rejects(inFile.put("x", count(1)), io);
    await assert.rejects(names(inFile), io);
    await assert.rejects(collect(inFile.get("x")), io);
  });
});

test("local: put() fails with an io error if its folder is deleted in the meantime", async () => {
  await withTemp(async (folder) => {
    const place = join(folder, "store");
    const storage = new LocalStorage(place);
    const source = async function* () {
      await Promise.resolve();
      yield count(1);
      fs.rmSync(place, { recursive: true });
    };
    await assert.rejects(storage.put("a/x", source()), io);
    await assert.rejects(storage.put("a/x", source(), { ifAbsent: true }), io);
  });
});

test("local: an object that was shortened is truncated", async () => {
  await withTemp(async (folder) => {
    const storage = new LocalStorage(folder);
    await storage.put("x", new Uint8Array(3_000_000));
    await assert.rejects(async () => {
      for await (const _ of storage.get("x")) {
        fs.truncateSync(join(folder, "x"), 5);
      }
    }, { code: "truncated" });
  });
});
