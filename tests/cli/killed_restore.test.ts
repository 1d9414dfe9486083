import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { collect } from "../../lib/bytes/source.ts";
import { LocalStorage, Repository } from "../../mod.ts";
import { generator } from "../support/faulty_storage.ts";
import { noise } from "../support/noise.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

const command = process.env.DELTAR_BINARY
  ? [process.env.DELTAR_BINARY]
  : COMMAND;
const ROUNDS = process.env.SLOW ? 40 : 6;
/** The number of files of the directory. Each file differs in every state. */
const FILES = 60;

type States = Record<string, { kind: string; content?: string }>;

/** Returns the content of the directory without deltar's temporary files. */
function contentOf(root: string): States {
  const states = stateOf(root) as States;
  return Object.fromEntries(
    Object.entries(states).filter(([path]) => !path.includes(".deltar-stage-")),
  );
}

/** Brings the directory into the state with the given number. */
function fill(root: string, state: number): void {
  for (const name of fs.readdirSync(root)) {
    fs.rmSync(join(root, name), { recursive: true });
  }
  fs.mkdirSync(join(root, "sub"));
  for (let at = 0; at < FILES; at++) {
    // Some files exist in only one of the states, and some are a folder in the
    // other state.
    if ((at + state) % 5 === 0) continue;
    const size = at % 20 === 1 ? 1_500_000 : 20_000;
    const isFolder = at % 10 === 2 && state % 2 === 0;
    const path = join(root, at % 2 === 0 ? "sub" : "", `${at}`);
    if (isFolder) fs.mkdirSync(path);
    fs.writeFileSync(
      isFolder ? join(path, "in") : path,
      noise(size, 1 + at + 1000 * state),
    );
  }
  roundTimes(root);
}

/**
 * Runs the command, and kills it at a random time after its journal exists, or
 * after the given number of milliseconds, unless it has ended before.
 */
async function runKilled(
  place: Place,
  words: string[],
  { after, atWork }: { after: number; atWork: boolean },
): Promise<boolean> {
  const [program, ...args] = [...command, ...words];
  const { root, env } = place;
  const before = new Set(fs.readdirSync(root));
  const child = spawn(program, args, { cwd: root, env, stdio: "ignore" });
  let isOver = false;
  const killed = new Promise<boolean>((resolve) =>
    child.on("exit", (_, signal) => {
      isOver = true;
      resolve(signal === "SIGKILL");
    })
  );
  const isAtWork = () =>
    fs.readdirSync(root).some((name) =>
      name.endsWith("-journal") && !before.has(name)
    );
  while (atWork && !isOver && !isAtWork()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), after);
  const result = await killed;
  clearTimeout(timer);
  return result;
}

/**
 * The SHA-256 of all content that the snapshots have. Each content is read
 * once.
 */
class StoredSums {
  readonly #folder: string;
  readonly #known = new Map<string, Set<string>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async read(): Promise<Set<string>> {
    const repository = await Repository.open(new LocalStorage(this.#folder));
    for (const record of await repository.snapshots()) {
      if (this.#known.has(record.id)) continue;
      const sums = new Set<string>();
      for (const { path, kind } of (await repository.tree(record)).entries) {
        if (kind !== "file") continue;
        const content = await repository.readFile(record, path);
        sums.add(toHex(sha256(await collect(content))));
      }
      this.#known.set(record.id, sums);
    }
    return new Set([...this.#known.values()].flatMap((sums) => [...sums]));
  }
}

test("a restore over files and its undo, killed at any time, lose no byte, and are finished or reverted", async () => {
  await withPlace(async (place) => {
    const { root } = place;
    const chance = generator(Number(process.env.SEED ?? 1));
    const folder = join(place.folder, "repository");
    const repo = ["--repo", folder];
    fill(root, 0);
    const { id } = place.json(["snapshot", ...repo]);
    const wanted = contentOf(root);
    const restore = ["restore", id, "--in-place", "--delete", ...repo];
    fill(root, 1);
    const begun = performance.now();
    assert.equal(place.run(restore).code, 0);
    const whole = performance.now() - begun;
    const sums = new StoredSums(folder);
    let killedAtWork = 0;
    const kill = async (words: string[], round: number) => {
      const atWork = round % 3 !== 0;
      const after = chance() * (atWork ? whole / 3 : 1.2 * whole);
      const isKilled = await runKilled(place, words, { after, atWork });
      if (isKilled && atWork) killedAtWork++;
    };
    for (let round = 0; round < ROUNDS; round++) {
      const what = `round ${round}`;
      fill(root, 2 + round);
      const before = contentOf(root);
      /**
       * Checks that each path has its old or its wanted content, or that the
       * content is in a snapshot.
       */
      const check = async () => {
        const now = contentOf(root);
        const stored = await sums.read();
        const there = new Set(Object.values(now).map(({ content }) => content));
        for (const [path, { content }] of Object.entries(before)) {
          const isKept = content === undefined || there.has(content) ||
            stored.has(content);
          assert.ok(isKept, `${what}: the bytes of ${path} are lost`);
        }
        for (const [path, { content }] of Object.entries(now)) {
          if (content === undefined) continue;
          const good = [before[path]?.content, wanted[path]?.content];
          assert.ok(good.includes(content), `${what}: ${path} is half`);
        }
      };
      const run = (words: string[]) => {
        const { code, err } = place.run(words);
        assert.equal(code, 0, `${what}: ${words[0]}: ${err}`);
      };
      await kill(restore, round);
      await check();
      const undo = ["undo", root, ...repo];
      if (round % 2 === 0) {
        run(restore);
        assert.deepEqual(contentOf(root), wanted, what);
        await kill(undo, round + 1);
        await check();
      }
      // Another undo would revert the restore before this one.
      if (isLeft(root) || isDifferent(contentOf(root), before)) run(undo);
      assert.deepEqual(contentOf(root), before, what);
      assert.ok(!isLeft(root), what);
    }
    assert.ok(killedAtWork > 0, `${killedAtWork} killed at work`);
    const repository = await Repository.open(new LocalStorage(folder));
    assert.deepEqual((await repository.verify({ data: true })).damage, []);
  });
});

/** Returns whether a restore was interrupted. */
function isLeft(root: string): boolean {
  return fs.readdirSync(root).some((name) => name.endsWith("-journal"));
}

function isDifferent(one: unknown, other: unknown): boolean {
  try {
    assert.deepEqual(one, other);
    return false;
  } catch {
    return true;
  }
}
