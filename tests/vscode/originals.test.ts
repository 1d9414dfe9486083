import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Originals } from "../../extension/src/host/folders/originals.ts";
import { withTemp } from "../support/temp.ts";

test("Originals counts the copies of earlier windows", () =>
  withTemp(async (folder) => {
    const place = join(folder, "originals", "project");
    const file = join(folder, "file");
    fs.writeFileSync(file, "the original\n");
    const names = Array.from({ length: 999 }, (_, at) => `a/${at}`);
    const earlier = new Originals();
    for (const name of names) assert.ok(await earlier.keep(place, file, name));
    const originals = new Originals();
    assert.equal(await originals.keep(place, file, names[0]), true);
    assert.equal(
      await originals.keep(place, join(folder, "absent"), "b"),
      false,
    );
    assert.equal(await originals.keep(place, file, "b"), true);
    assert.equal(await originals.keep(place, file, "c"), false);
    await originals.delete(place);
    assert.equal(await originals.exist(place), false);
    assert.equal(await originals.keep(place, file, "c"), true);
    assert.equal(fs.readFileSync(join(place, "c"), "utf8"), "the original\n");
  }));

test("Originals counts the bytes of copies in earlier windows", () =>
  withTemp(async (folder) => {
    const place = join(folder, "originals", "project");
    const large = join(folder, "large");
    fs.writeFileSync(large, "");
    fs.truncateSync(large, 60 * 2 ** 20);
    fs.mkdirSync(place, { recursive: true });
    for (const name of ["a", "b", "c", "d"]) {
      fs.writeFileSync(join(place, name), "");
      fs.truncateSync(join(place, name), 60 * 2 ** 20);
    }
    assert.equal(await new Originals().keep(place, large, "e"), false);
    fs.truncateSync(large, 2 ** 20);
    assert.equal(await new Originals().keep(place, large, "e"), true);
  }));

test("Originals deletes unfinished copies of processes that have ended", () =>
  withTemp(async (folder) => {
    const above = join(folder, "originals");
    const file = join(folder, "file");
    fs.writeFileSync(file, "the original\n");
    fs.mkdirSync(above);
    const { pid: ended } = spawnSync(process.execPath, ["--version"]);
    const names = [`project.${ended}.1`, `other.${ended}.2`];
    const kept = `other.${process.ppid}.1`;
    for (const name of [...names, kept]) {
      fs.writeFileSync(join(above, name), "");
    }
    await new Originals().keep(join(above, "project"), file, "file");
    assert.deepEqual(fs.readdirSync(above).sort(), [kept, "project"]);
  }));
