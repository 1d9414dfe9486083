import assert from "node:assert/strict";
import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { Repository } from "../../lib/repository/repository.ts";
import {
  restoreTree,
  revertRestore,
} from "../../lib/repository/restore/restore.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import {
  owner,
  STAGE_PREFIX,
  temporaryName,
} from "../../lib/storage/temporary.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { collect } from "../../lib/bytes/source.ts";
import {
  failAt,
  FaultyStorage,
  isInjected,
} from "../support/faulty_storage.ts";
import { withTemp } from "../support/temp.ts";
import { stateOf } from "../support/trees.ts";
import { copyOf, everything, noise, storeOf } from "./helpers.ts";

/**
 * The error of a killed process. After it, the process makes no further change.
 */
class Killed extends Error {}

/** Allows `steps` changes of the disk, and refuses all later ones. */
function killAfter(steps: number): { onStep: () => void; count: () => number } {
  let count = 0;
  return {
    onStep: () => {
      if (++count > steps) throw new Killed();
    },
    count: () => count,
  };
}

function isKill(error: unknown): boolean {
  return error instanceof Killed ||
    error instanceof Error && isKill(error.cause);
}

/** Returns the complete state of a directory, including its own mode. */
function whole(root: string): unknown {
  return { "": lstat(root).mode, ...stateOf(root) };
}

const LARGE = [noise(1_100_000, 3), noise(1_100_000, 4)];

/** Makes two states of a directory that differ in every way. */
function makeStates(folder: string): { source: string; target: string } {
  const source = join(folder, "source");
  const target = join(folder, "target");
  for (const root of [source, target]) {
    fs.mkdirSync(join(root, "same"), { recursive: true });
    fs.writeFileSync(join(root, "same/file"), "same");
  }
  const write = (root: string, path: string, content: string | Uint8Array) => {
    fs.mkdirSync(join(root, path, ".."), { recursive: true });
    fs.writeFileSync(join(root, path), content);
  };
  write(source, "changed", "as it was");
  write(target, "changed", "as it is now");
  write(source, "sub/new", "new");
  write(source, "large", LARGE[0]);
  write(target, "large", LARGE[1]);
  write(target, "extra/deep/file", "extra");
  write(source, "was-folder", "a file");
  write(target, "was-folder/in/it", "mine");
  write(source, "was-file/in", "in a folder");
  write(target, "was-file", "a file, mine");
  fs.symlinkSync("a", join(source, "link"));
  fs.symlinkSync("b", join(target, "link"));
  write(source, "first", "linked");
  fs.linkSync(join(source, "first"), join(source, "second"));
  write(target, "first", "apart");
  write(target, "second", "also apart");
  write(target, "pair-a", "a pair");
  fs.linkSync(join(target, "pair-a"), join(target, "pair-b"));
  write(source, "pair-a", "no pair");
  fs.chmodSync(join(target, "same/file"), 0o600);
  for (const root of [source, target]) {
    const names = fs.readdirSync(root, { recursive: true, encoding: "utf8" });
    for (const name of names.sort().reverse()) {
      setTimes(join(root, name), BigInt(name.length) * 10n ** 16n);
    }
  }
  return { source, target };
}

/** Returns the SHA-256 of each file in a directory. */
function sumsOf(root: string): Set<string> {
  const sums = new Set<string>();
  for (const state of Object.values(stateOf(root))) {
    const { kind, content } = state as { kind: string; content: string };
    if (kind === "file") sums.add(content);
  }
  return sums;
}

/** Returns the SHA-256 of all contents that the repository can restore. */
async function sumsIn(repository: Repository): Promise<Set<string>> {
  const sums = new Set<string>();
  for (const record of await repository.snapshots()) {
    for (const { path, kind } of (await repository.tree(record)).entries) {
      if (kind !== "file") continue;
      const stream = await repository.readFile(record, path);
      sums.add(toHex(sha256(await collect(stream))));
    }
  }
  return sums;
}

function leftovers(root: string): string[] {
  return fs.readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.includes(STAGE_PREFIX));
}

/** The distance between the tested steps. With `SLOW=1`, all are tested. */
const STRIDE = process.env.SLOW ? 1 : 4;
let offset = 0;

/** Runs `work` for each number of steps until it is no longer killed. */
async function atEveryStep(
  work: (
    folder: string,
    repository: Repository,
    record: SnapshotRecord,
    target: string,
    kill: { onStep: () => void },
    what: string,
  ) => Promise<boolean>,
): Promise<void> {
  await withTemp(async (base) => {
    const { source } = makeStates(join(base, "first"));
    const storage = new MemoryStorage();
    const made = await Repository.create(storage);
    const { record } = await made.snapshot(everything(source));
    const first = process.env.SLOW ? 0 : offset++ % STRIDE;
    for (let steps = first;; steps += STRIDE) {
      const folder = join(base, `${steps}`);
      const { target } = makeStates(folder);
      const copy = await copyOf(storage);
      const repository = await copy.open();
      const kill = killAfter(steps);
      const what = `after ${steps} steps`;
      if (!await work(folder, repository, record, target, kill, what)) {
        assert.ok(steps > 20);
        return;
      }
      fs.rmSync(folder, { recursive: true });
    }
  });
}

/** Runs work that may be killed. Returns whether it was. */
async function isKilled(
  root: string,
  work: Promise<unknown>,
): Promise<boolean> {
  try {
    await work;
    return false;
  } catch (error) {
    assert.ok(isKill(error), (error as Error).stack);
    asIfDead(root);
    return true;
  }
}

/**
 * Renames the temporary files that a kill has left, as if their process no
 * longer existed. The content of a folder is renamed before the folder.
 */
function asIfDead(root: string): void {
  for (const name of leftovers(root).sort().reverse()) {
    const place = join(root, name);
    const folder = dirname(place);
    const { mtime } = lstat(folder);
    const renamed = basename(place).replace(/-p\d+-/, "-p4000000000-");
    fs.renameSync(place, join(folder, renamed));
    setTimes(folder, mtime);
  }
}

test("restore() that is killed at any step loses no byte, and the same call completes it", async () => {
  await atEveryStep(async (folder, repository, record, target, kill, what) => {
    const before = whole(target);
    const bytes = sumsOf(target);
    const options = { delete: true };
    const killed = await isKilled(
      target,
      restoreTree(await storeOf(repository), record, target, options, kill),
    );
    const stored = await sumsIn(repository);
    const there = sumsOf(target);
    for (const sum of bytes) {
      assert.ok(there.has(sum) || stored.has(sum), `${what}: bytes are lost`);
    }
    const { failed } = await repository.restore(record, target, options);
    assert.deepEqual(failed, [], what);
    assert.deepEqual(whole(target), whole(join(folder, "source")), what);
    assert.deepEqual(leftovers(target), [], what);
    await repository.revert(target);
    assert.deepEqual(whole(target), before, what);
    return killed;
  });
});

test("undo after a restore that was killed at any step brings the earlier state back", async () => {
  await atEveryStep(async (_folder, repository, record, target, kill, what) => {
    const before = whole(target);
    const killed = await isKilled(
      target,
      restoreTree(
        await storeOf(repository),
        record,
        target,
        { delete: true },
        kill,
      ),
    );
    const isSaved = (await repository.snapshots()).length > 1;
    if (isSaved) await repository.revert(target);
    assert.deepEqual(contents(whole(target)), contents(before), what);
    return killed;
  });
});

test("an undo that is killed at any step is completed by the next one", async () => {
  await atEveryStep(async (_folder, repository, record, target, kill, what) => {
    const before = whole(target);
    await repository.restore(record, target, { delete: true });
    const after = whole(target);
    const killed = await isKilled(
      target,
      revertRestore(await storeOf(repository), target, {}, kill),
    );
    const isLeft = leftovers(target).some((name) => name.endsWith("-journal"));
    const isBegun = (await repository.safetySnapshots(target)).length > 1;
    if (isLeft || !isBegun) await repository.revert(target);
    assert.deepEqual(contents(whole(target)), contents(before), what);
    await repository.revert(target, { direction: "redo" });
    assert.deepEqual(contents(whole(target)), contents(after), what);
    return killed;
  });
});

for (const code of ["ENOSPC", "EACCES"]) {
  test(`restore() with ${code} at any step loses no byte, and the same call completes it`, async () => {
    await atEveryStep(async (folder, repository, record, target, _, what) => {
      const before = whole(target);
      const failing = Number(what.match(/\d+/)![0]) + 1;
      let count = 0;
      const onStep = () => {
        if (++count === failing) {
          throw Object.assign(new Error("refused"), { code });
        }
      };
      const options = { delete: true };
      try {
        const { failed } = await restoreTree(
          await storeOf(repository),
          record,
          target,
          options,
          { onStep },
        );
        if (code === "ENOSPC") assert.deepEqual(failed, [], what);
      } catch (error) {
        assert.match(
          String(error),
          /refused/,
          `${what}: ${(error as Error).stack}`,
        );
      }
      const { failed } = await repository.restore(record, target, options);
      assert.deepEqual(failed, [], what);
      assert.deepEqual(whole(target), whole(join(folder, "source")), what);
      assert.deepEqual(leftovers(target), [], what);
      // If the first call completed, the second one is a separate restore.
      await repository.revert(target);
      if (contentsDiffer(whole(target), before)) {
        await repository.revert(target);
      }
      assert.deepEqual(whole(target), before, what);
      return count >= failing;
    });
  });
}

test("restore() from a storage that fails at any operation loses no byte", async () => {
  await withTemp(async (base) => {
    const { source } = makeStates(join(base, "first"));
    const storage = new MemoryStorage();
    const made = await Repository.create(storage);
    const { record } = await made.snapshot(everything(source));
    for (let failing = 1;; failing += process.env.SLOW ? 1 : 2) {
      const folder = join(base, `${failing}`);
      const { target } = makeStates(folder);
      const before = whole(target);
      const copy = await copyOf(storage);
      const faulty = new FaultyStorage(copy.storage, failAt(failing, "before"));
      const what = `operation ${failing}`;
      try {
        const repository = await Repository.open(faulty);
        await repository.restore(record, target, { delete: true });
      } catch (error) {
        assert.ok(isInjected(error), String(error));
      }
      const repository = await copy.open();
      const options = { delete: true };
      const { failed } = await repository.restore(record, target, options);
      assert.deepEqual(failed, [], what);
      assert.deepEqual(whole(target), whole(source), what);
      await repository.revert(target);
      if (contentsDiffer(whole(target), before)) {
        await repository.revert(target);
      }
      assert.deepEqual(whole(target), before, what);
      fs.rmSync(folder, { recursive: true });
      if (faulty.operations < failing) return;
    }
  });
});

test("only temporary files of a killed process are deleted together with a folder", async () => {
  await withTemp(async (base) => {
    const source = join(base, "source");
    const target = join(base, "target");
    fs.mkdirSync(source);
    fs.writeFileSync(join(source, "path"), "a file");
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(everything(source));
    const ended = `${STAGE_PREFIX}p4000000000-${owner().split("-")[1]}`;
    for (
      const [name, isReplaced] of [
        [`${ended}-1`, true],
        [`${ended}-journal`, false],
        [temporaryName(), false],
        [`${STAGE_PREFIX}mine`, false],
        [`${STAGE_PREFIX}old`, false],
      ] as const
    ) {
      fs.mkdirSync(join(target, "path/inner"), { recursive: true });
      fs.writeFileSync(join(target, "path/inner", name), "left");
      if (name.endsWith("old")) setTimes(join(target, "path/inner", name), 0n);
      const options = { delete: true };
      const { failed } = await repository.restore(record, target, options);
      assert.equal(failed.length, isReplaced ? 0 : 1, name);
      assert.equal(lstat(join(target, "path")).kind === "file", isReplaced);
      const place = join(target, "path/inner", name);
      assert.equal(fs.existsSync(place), !isReplaced, name);
      fs.rmSync(target, { recursive: true });
    }
  });
});

function contentsDiffer(one: unknown, other: unknown): boolean {
  try {
    assert.deepEqual(one, other);
    return false;
  } catch {
    return true;
  }
}

/** Returns a state without the temporary files that a kill has left. */
function contents(state: unknown): unknown {
  return Object.fromEntries(
    Object.entries(state as object)
      .filter(([path]) => !path.includes(STAGE_PREFIX)),
  );
}
