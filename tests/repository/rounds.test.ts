import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { withCache } from "../../lib/repository/with_cache.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { FaultyStorage } from "../support/faulty_storage.ts";
import { RoundStorage } from "../support/rounds.ts";
import { lastingTemp } from "../support/temp.ts";
import { copyOf, everything, later } from "./helpers.ts";

/** The number of files in the directory. */
const FILES = 40;
/** The number of files that change between two snapshots. */
const CHANGED = 10;
/** The maximum number of requests at the same time. */
const MOST = 16;
const POLICY = { last: 1000 };
/** One file of the directory. */
const ONE = "folder/3";

const temp = lastingTemp();
const { folder } = temp;
after(() => temp.remove());

/** A directory with some snapshots, and its repository. */
interface History {
  root: string;
  /** The folder with the remembered state of the directory. */
  cache: string;
  storage: MemoryStorage;
}

const histories = new Map<number, History>();

before(async () => {
  for (const count of [16, 100]) {
    const history: History = {
      root: join(folder, `root${count}`),
      cache: join(folder, `cache${count}`),
      storage: new MemoryStorage(),
    };
    const { root, cache } = history;
    for (let file = 0; file < FILES; file++) {
      put(root, `folder/${file}`, `first ${file}`);
    }
    const repository = await Repository.create(history.storage);
    for (let at = 0; at < count; at++) {
      change(root, at);
      await later(
        100 + at * 10,
        () => repository.snapshot(everything(root), { cache }),
      );
    }
    // The next prune finds the same list of counted snapshots that it would
    // write.
    await repository.prune(POLICY);
    histories.set(count, history);
  }
});

function put(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** Changes some files of the directory. */
function change(root: string, at: number): void {
  for (let file = 0; file < CHANGED; file++) {
    const name = (at * 7 + file) % FILES;
    put(root, `folder/${name}`, `${name} of ${at}`);
  }
}

/**
 * A command, with the maximum numbers of rounds and requests by number of
 * snapshots.
 */
interface Command {
  name: string;
  rounds: Record<number, number>;
  requests: Record<number, number>;
  run: (repository: Repository, history: History) => Promise<unknown>;
}

/** Restores one file into a folder with other content. */
async function restoreOver(
  repository: Repository,
  target: string,
  safety: boolean,
): Promise<void> {
  put(target, ONE, "other content");
  const record = await repository.find("latest");
  const { files } = await repository
    .restore(record, target, { paths: [ONE], safety });
  assert.equal(files, 1);
}

const commands: Command[] = [
  {
    name: "list",
    rounds: { 16: 3, 100: 9 },
    requests: { 16: 19, 100: 103 },
    run: (repository) => repository.snapshots(),
  },
  {
    name: "verify",
    rounds: { 16: 6, 100: 18 },
    requests: { 16: 37, 100: 205 },
    run: async (repository) =>
      assert.deepEqual((await repository.verify()).damage, []),
  },
  {
    name: "prune, with nothing to do",
    rounds: { 16: 10, 100: 22 },
    requests: { 16: 51, 100: 219 },
    run: async (repository) =>
      assert.equal((await repository.prune(POLICY)).deleted, 0),
  },
  {
    name: "restore of one file into a new folder",
    rounds: { 16: 5, 100: 5 },
    requests: { 16: 7, 100: 7 },
    run: async (repository) => {
      const target = join(folder, "new");
      rmSync(target, { recursive: true, force: true });
      const record = await repository.find("latest");
      await repository.restore(record, target, { paths: [ONE] });
    },
  },
  {
    name: "restore of one file over another, without a safety snapshot",
    rounds: { 16: 5, 100: 5 },
    requests: { 16: 6, 100: 8 },
    run: (repository) =>
      restoreOver(repository, join(folder, "elsewhere"), false),
  },
  {
    name: "restore of one file over another, with a safety snapshot",
    rounds: { 16: 12, 100: 12 },
    requests: { 16: 17, 100: 19 },
    run: (repository) =>
      restoreOver(repository, join(folder, "elsewhere"), true),
  },
  {
    name: "restore of one file into the directory, with a safety snapshot",
    rounds: { 16: 13, 100: 13 },
    requests: { 16: 19, 100: 20 },
    run: (repository, { root }) => restoreOver(repository, root, true),
  },
  {
    name: "snapshot of 10 changed files",
    rounds: { 16: 12, 100: 13 },
    requests: { 16: 17, 100: 19 },
    run: async (repository, { root, cache }) => {
      change(root, 3000);
      const { isNew } = await repository.snapshot(everything(root), { cache });
      assert.ok(isNew);
    },
  },
  {
    name: "snapshot of 10 changed files, without remembered state",
    rounds: { 16: 12, 100: 12 },
    requests: { 16: 21, 100: 23 },
    run: async (repository, { root }) => {
      change(root, 4000);
      assert.ok((await repository.snapshot(everything(root))).isNew);
    },
  },
];

for (const { name, rounds, requests, run } of commands) {
  for (const count of [16, 100]) {
    test(`rounds of requests with ${count} snapshots: ${name}`, async () => {
      const history = histories.get(count)!;
      const { storage } = await copyOf(history.storage);
      const far = new RoundStorage(storage);
      const counted = await far.count(async () => {
        const cached = withCache(far, new MemoryStorage());
        await run(await Repository.open(cached), history);
      });
      if (process.env.SHOW) {
        console.log(name, count, counted, far.trace.join("\n"));
      }
      assert.ok(counted.rounds <= rounds[count], JSON.stringify(counted));
      assert.ok(counted.requests <= requests[count], JSON.stringify(counted));
      assert.ok(counted.most <= MOST, JSON.stringify(counted));
    });
  }
}

test("a failed request ends the others, and none remains under way", async () => {
  const { storage } = await copyOf(histories.get(100)!.storage);
  let count = 0;
  const faulty = new FaultyStorage(
    storage,
    ({ name }) =>
      name.startsWith("snapshots/2") && ++count === 20 ? "before" : undefined,
  );
  const repository = await Repository.open(faulty);
  await assert.rejects(repository.snapshots());
  const failed = count;
  assert.ok(failed < 50, `${failed}`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(count, failed);
});

test("a signal ends concurrent requests", async () => {
  const { storage } = await copyOf(histories.get(100)!.storage);
  const far = new RoundStorage(storage);
  const repository = await Repository.open(far);
  for (const work of ["snapshots", "verify", "prune"] as const) {
    const stop = new AbortController();
    const { requests } = await far.count(async () => {
      const options = { signal: stop.signal, onProgress: () => stop.abort() };
      const running = work === "prune"
        ? repository.prune(POLICY, options)
        : repository[work](options);
      if (work === "snapshots") stop.abort();
      await assert.rejects(running, { code: "aborted" });
    });
    assert.ok(requests < 250, `${work}: ${requests}`);
  }
});
