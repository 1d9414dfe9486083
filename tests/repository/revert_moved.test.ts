import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MemoryStorage, Repository } from "../../mod.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

test("revert() with former paths undoes and redoes restores from before a move", () =>
  withTemp(async (temp) => {
    const [old, moved] = ["old", "moved"].map((name) => join(temp, name));
    fs.mkdirSync(old);
    fs.writeFileSync(join(old, "notes.md"), "first\n");
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(everything(old));
    fs.writeFileSync(join(old, "notes.md"), "second\n");
    await repository.restore(record, old);
    fs.renameSync(old, moved);
    const read = () => fs.readFileSync(join(moved, "notes.md"), "utf8");
    fs.writeFileSync(join(moved, "notes.md"), "third\n");
    await repository.restore(record, moved);
    assert.equal(read(), "first\n");

    // The restore after the move is undone first, and then the one before the
    // move.
    const options = { former: [old, moved] };
    await repository.revert(moved, options);
    assert.equal(read(), "third\n");
    await assert.rejects(repository.planRevert(moved), { code: "not-found" });
    const { steps } = await repository.planRevert(moved, options);
    assert.deepEqual(steps.map(({ path }) => path), ["notes.md"]);
    await repository.revert(moved, options);
    assert.equal(read(), "second\n");
    await assert.rejects(repository.revert(moved, options), {
      code: "not-found",
    });
    await repository.revert(moved, { ...options, direction: "redo" });
    assert.equal(read(), "third\n");
  }));

test("revert() with former paths undoes a restore into a new directory that was moved", () =>
  withTemp(async (temp) => {
    const [source, old, moved] = ["source", "old", "moved"]
      .map((name) => join(temp, name));
    fs.mkdirSync(source);
    for (const name of ["a", "b"]) fs.writeFileSync(join(source, name), name);
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(everything(source));
    await repository.restore(record, old);
    fs.renameSync(old, moved);
    fs.writeFileSync(join(moved, "b"), "changed");
    await assert.rejects(repository.revert(moved), { code: "not-found" });
    const { failed } = await repository.revert(moved, { former: [old] });
    assert.deepEqual(failed.map(({ path }) => path), ["b"]);
    assert.deepEqual(fs.readdirSync(moved), ["b"]);
  }));
