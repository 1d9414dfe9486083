import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { clearImmediate, setImmediate } from "node:timers";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { generator } from "../support/faulty_storage.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything, noise } from "./helpers.ts";

const ROUNDS = process.env.SLOW ? 60 : 4;

type States = Record<string, { kind: string; content?: string }>;

/**
 * A directory whose files change all the time, with all states that they have
 * had.
 */
class Restless {
  readonly root: string;
  /**
   * The states that each path has had: the SHA-256 of files, or another kind.
   */
  readonly seen = new Map<string, Set<string>>();
  changes = 0;
  readonly #chance: () => number;

  constructor(root: string, chance: () => number) {
    this.root = root;
    this.#chance = chance;
    fs.mkdirSync(root);
    for (let at = 0; at < 24; at++) this.#write(`${at}`);
  }

  /** Changes files whenever the event loop is free, until the work ends. */
  async changeWhile<Result>(work: () => Promise<Result>): Promise<Result> {
    let timer = setImmediate(() => {});
    const tick = () => {
      this.change();
      timer = setImmediate(tick);
    };
    tick();
    try {
      return await work();
    } finally {
      clearImmediate(timer);
    }
  }

  /** Changes a file from time to time. */
  change(): void {
    if (this.#chance() < 0.5) this.#change(`${Math.floor(this.#below(24))}`);
  }

  #below(most: number): number {
    return this.#chance() * most;
  }

  /**
   * Writes a file. Every fourth file is large and is read in pieces, between
   * which other files change.
   */
  #write(path: string): void {
    const size = Number(path) % 4 === 0 ? 1_500_000 : 9000;
    const content = noise(size, 1 + Math.floor(this.#below(1e6)));
    fs.rmSync(join(this.root, path), { recursive: true, force: true });
    fs.writeFileSync(join(this.root, path), content);
    this.#note(path);
  }

  #change(path: string): void {
    const place = join(this.root, path);
    const isFile = fs.lstatSync(place, { throwIfNoEntry: false })?.isFile();
    const kinds = isFile ? 6 : 1;
    this.changes++;
    switch (Math.floor(this.#below(kinds))) {
      case 1:
        fs.appendFileSync(place, "more");
        break;
      case 2:
        fs.truncateSync(
          place,
          Math.floor(this.#below(fs.statSync(place).size)),
        );
        break;
      case 3:
        fs.rmSync(place);
        break;
      case 4:
        fs.rmSync(place);
        if (this.#chance() < 0.5) fs.mkdirSync(place);
        else fs.symlinkSync("elsewhere", place);
        break;
      case 5: {
        // The change is in the middle, which a reader may already have passed.
        const fd = fs.openSync(place, "r+");
        fs.writeSync(fd, "changed", fs.fstatSync(fd).size >> 1);
        fs.closeSync(fd);
        break;
      }
      default:
        return this.#write(path);
    }
    this.#note(path);
  }

  #note(path: string): void {
    const seen = this.seen.get(path) ?? new Set();
    const place = join(this.root, path);
    const stat = fs.lstatSync(place, { throwIfNoEntry: false });
    seen.add(
      stat === undefined
        ? "nothing"
        : stat.isDirectory()
        ? "directory"
        : stat.isSymbolicLink()
        ? "symlink"
        : toHex(sha256(fs.readFileSync(place))),
    );
    this.seen.set(path, seen);
  }
}

test("snapshot() handles files that grow, shrink, vanish or change their kind while they are read", async () => {
  await withTemp(async (folder) => {
    const chance = generator(Number(process.env.SEED ?? 1));
    const restless = new Restless(join(folder, "root"), chance);
    const { root, seen } = restless;
    const repository = await Repository.create(new MemoryStorage());
    const cache = join(folder, "cache");
    const reasons = new Set<string>();
    // A change of a file is noticed only if it happens between two of its
    // pieces.
    const isEnough = (round: number) =>
      round >= (reasons.has("changed") ? ROUNDS : 20 * ROUNDS);
    for (let round = 0; !isEnough(round); round++) {
      const { record, skipped } = await restless.changeWhile(() =>
        repository.snapshot(everything(root), {
          cache,
          label: `${round}`,
          onProgress: () => restless.change(),
        })
      );
      const left = new Map(skipped.map(({ path, reason }) => [path, reason]));
      for (const reason of left.values()) reasons.add(reason);
      // Each restored file has one of its states completely, or was named as
      // skipped.
      const target = join(folder, "restored");
      const { failed } = await repository.restore(record, target);
      assert.deepEqual(failed, []);
      const states = stateOf(target) as States;
      for (const [path, { kind, content }] of Object.entries(states)) {
        if (left.get(path) === "changed") continue;
        const what = `round ${round}: ${path} is a ${kind} that never was`;
        const found = kind === "file" ? content! : kind;
        assert.ok(seen.get(path)!.has(found), what);
      }
      for (const [path, all] of seen) {
        const isThere = path in states || left.has(path) || all.has("nothing");
        assert.ok(isThere, `round ${round}: ${path} is left out unsaid`);
      }
      fs.rmSync(target, { recursive: true });
      // Files that no longer change are stored exactly.
      roundTimes(root);
      const still = await repository.snapshot(everything(root), { cache });
      assert.deepEqual(still.skipped, []);
      await repository.restore(still.record, target);
      assert.deepEqual(stateOf(target), stateOf(root), `round ${round}`);
      fs.rmSync(target, { recursive: true });
    }
    assert.ok(restless.changes > 5 * ROUNDS, `${restless.changes} changes`);
    assert.ok(reasons.has("changed"), `${[...reasons]}`);
    const { damage } = await repository.verify({ data: true });
    assert.deepEqual(damage, []);
  });
});
