import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { Repository } from "../../lib/repository/repository.ts";
import type {
  SnapshotResult,
  TakeOptions,
} from "../../lib/repository/snapshot/take_snapshot.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { fs as system } from "../../lib/bytes/node.ts";
import type { FileRange } from "../../lib/tree/file_range.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { noise } from "../support/noise.ts";
import { needsHeld, runHeld } from "../support/other_user.ts";
import { runs } from "../support/runs.ts";
import { needsPosix } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import {
  rewriteTree,
  roundTimes,
  stateOf,
  treeLife,
  writeTree,
} from "../support/trees.ts";
import { everything, later } from "./helpers.ts";
import { onPages, takeBoth } from "./paged.ts";

const needsPages = needsPosix("open files that can be replaced");
const worker = fileURLToPath(new URL("./paged_worker.ts", import.meta.url));

/** Makes a directory whose state takes several pages. */
function makeTree(root: string): void {
  for (let folder = 0; folder < 20; folder++) {
    const inside = join(root, `folder ${folder}/inside`);
    fs.mkdirSync(inside, { recursive: true });
    for (let at = 0; at < 120; at++) {
      const place = join(at % 2 ? inside : join(inside, ".."), `file ${at}`);
      fs.writeFileSync(place, noise(20 + at % 9, at));
    }
    fs.writeFileSync(join(inside, "left out.log"), "x");
    fs.linkSync(join(inside, "file 3"), join(inside, "other name"));
  }
  fs.writeFileSync(join(root, "large"), noise(300_000, 1));
  fs.symlinkSync("large", join(root, "link"));
}

test(
  "a state that is read by pages makes the same snapshots",
  needsPages,
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      const at = (path: string) => join(root, path);
      const walker = () => new Walker(root, { excludes: ["*.log"] });
      const results = await takeBoth(walker, folder, [
        () => makeTree(root),
        () => {},
        () => {},
        () => fs.writeFileSync(at("folder 7/inside/file 3"), "linked"),
        () => {
          fs.renameSync(at("folder 1"), at("folder X"));
          fs.renameSync(at("folder 2/file 0"), at("folder 2/a"));
          fs.cpSync(at("folder 3/file 2"), at("folder 4/copy"));
        },
        () => {
          fs.appendFileSync(at("large"), "more");
          fs.rmSync(at("folder 5"), { recursive: true });
          fs.chmodSync(at("folder 6/file 2"), 0o600);
          fs.rmSync(at("folder 8/inside/other name"));
          fs.linkSync(at("folder 8/file 4"), at("folder 9/inside/linked"));
        },
        () => {
          fs.writeFileSync(at("folder 9/.deltarignore"), "file 1*\n");
          fs.rmSync(at("link"));
          fs.mkdirSync(at("link"));
          fs.utimesSync(at("folder 10/file 6"), 1000, 1000);
        },
        () => fs.writeFileSync(at(".deltarignore"), "inside\n"),
        () => fs.rmSync(at(".deltarignore")),
      ]);
      assert.deepEqual(
        results.map(({ isNew }) => isNew),
        [true, false, true, true, true, true, true, true, true],
      );
    });
  },
);

test(
  "any changes are found in a state that is read by pages",
  needsPages,
  async () => {
    await fc.assert(
      fc.asyncProperty(treeLife, (life) =>
        withTemp(async (folder) => {
          const root = join(folder, "root");
          await takeBoth(
            () => everything(root),
            folder,
            life.map((tree, at) => () => {
              if (at === 0) writeTree(root, tree);
              else rewriteTree(root, life[at - 1], tree);
            }),
          );
        })),
      runs(10),
    );
  },
);

test(
  "a state that is read by pages makes the same snapshots of paths that cannot be read",
  needsHeld,
  async () => {
    await withTemp((folder) => runHeld(worker, folder));
  },
);

/**
 * Makes a directory, and takes the first snapshot, whose state the machine
 * remembers.
 */
async function remembered(
  work: (given: {
    root: string;
    folder: string;
    /** The file of the remembered state. */
    file: string;
    repository: Repository;
    snapshot: (options?: TakeOptions) => Promise<SnapshotResult>;
  }) => Promise<void>,
): Promise<void> {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    makeTree(root);
    const repository = await Repository.create(new MemoryStorage());
    const cache = join(folder, "cache");
    const snapshot = (options: TakeOptions = {}) =>
      later(
        60,
        () =>
          repository.snapshot(new Walker(root, { excludes: ["*x.log"] }), {
            cache,
            minPaged: 0,
            ...options,
          } as TakeOptions),
      );
    await snapshot();
    const [name] = fs.readdirSync(cache);
    const file = join(cache, name);
    await work({ root, folder, file, repository, snapshot });
  });
}

test(
  "a state file that is overwritten while it is used hides no change [A8]",
  needsPages,
  async () => {
    await remembered(async ({ root, folder, file, snapshot }) => {
      const before = fs.readFileSync(file);
      fs.writeFileSync(join(root, "folder 3/file 2"), noise(22, 7));
      // The state of another snapshot contains the change.
      const other = await Repository.create(new MemoryStorage());
      const cache = join(folder, "other");
      await later(60, () => other.snapshot(everything(root), { cache }));
      const [name] = fs.readdirSync(cache);
      const after = fs.readFileSync(join(cache, name));
      assert.equal(after.length, before.length);
      let taken: SnapshotResult | undefined;
      await onPages((count) => {
        if (count === 0) fs.writeFileSync(file, after);
      }, async () => {
        taken = await snapshot();
      });
      assert.equal(taken?.isNew, true);
      assert.deepEqual(taken.diff.updated, ["folder 3/file 2"]);
    });
  },
);

test(
  "a state file that can no longer be read costs only time, even if it cannot be deleted [A8]",
  needsPages,
  async () => {
    const harms: ((file: string) => void)[] = [
      (file) => fs.truncateSync(file, 1000),
      (file) => fs.writeFileSync(file, new Uint8Array(fs.statSync(file).size)),
      // A folder with files is in the way of the next state.
      (file) => {
        fs.truncateSync(file, 0);
        fs.rmSync(file);
        fs.mkdirSync(join(file, "in the way"), { recursive: true });
      },
    ];
    await remembered(async ({ root, folder, file, repository, snapshot }) => {
      let rounds = 0;
      const changed = async (
        label: object,
        before: (count: number) => void,
      ) => {
        fs.writeFileSync(join(root, "folder 3/file 2"), `${rounds++}`);
        fs.rmSync(join(root, `folder 5/file ${2 * rounds}`));
        roundTimes(root);
        const told: unknown[] = [];
        let taken: SnapshotResult | undefined;
        const count = await onPages(before, async () => {
          taken = await snapshot({ ...label, onSkip: (one) => told.push(one) });
        });
        assert.ok(taken?.isNew);
        assert.deepEqual(told, []);
        assert.deepEqual(taken.skipped, []);
        assert.deepEqual(taken.diff.updated, ["folder 3/file 2"]);
        assert.deepEqual(taken.diff.deleted, [`folder 5/file ${2 * rounds}`]);
        return { count, record: taken.record };
      };
      // A snapshot with a label reads the state in another order.
      for (const label of [{}, { label: "a" }]) {
        const { count: all } = await changed(label, () => {});
        assert.ok(all > 3, `${all} pages`);
        for (let at = 0; at < all; at++) {
          const { record } = await changed(label, (count) => {
            if (count === at) harms[at % harms.length](file);
          });
          fs.rmSync(file, { recursive: true, force: true });
          await snapshot({ label: "remember the state again" });
          if (at % 5 > 0) continue;
          const target = join(folder, `restored ${rounds}`);
          await repository.restore(record, target);
          assert.deepEqual(stateOf(target), stateOf(root));
        }
      }
    });
  },
);

test(
  "a state file that becomes unreadable during the walk costs only time [A8]",
  needsPages,
  async () => {
    await remembered(async ({ root, file, snapshot }) => {
      // The states of excluded files are remembered, too. Together, they take
      // more memory than the pages that are kept in memory.
      for (let folder = 0; folder < 6; folder++) {
        const inside = join(root, `folder ${folder}/inside/many`);
        fs.mkdirSync(inside);
        for (let at = 0; at < 4500; at++) {
          const name = `${at}`.padEnd(240, "x");
          fs.writeFileSync(join(inside, `${name}.log`), "");
        }
      }
      await snapshot();
      const before = fs.readFileSync(file);
      assert.ok(before.length > 9 * 2 ** 20);
      let text = 0;
      const take = async (before: (count: number) => void) => {
        fs.writeFileSync(join(root, "folder 3/file 2"), `${text++}`);
        const told: unknown[] = [];
        let taken: SnapshotResult | undefined;
        const count = await onPages(before, async () => {
          taken = await snapshot({ onSkip: ({ reason }) => told.push(reason) });
        });
        assert.ok(taken?.isNew);
        const reasons = taken.skipped.map(({ reason }) => reason);
        assert.deepEqual(reasons, Array(6 * 4500).fill("excluded"));
        assert.deepEqual(taken.diff.updated, ["folder 3/file 2"]);
        assert.equal(taken.diff.changes.length, 1);
        return { count, told };
      };
      const { count } = await take(() => {});
      const isLate: boolean[] = [];
      for (const part of [0.2, 0.5, 0.7, 0.9]) {
        const { told } = await take((page) => {
          if (page === Math.floor(part * count)) fs.truncateSync(file, 100);
        });
        isLate.push(told.length > 6 * 4500);
        // The damaged state is not reported as a folder that is unreadable.
        assert.deepEqual(told, Array(told.length).fill("excluded"));
      }
      assert.ok(isLate.includes(true));
      // The file cannot be deleted, and is whole when the snapshot begins again.
      const whole = fs.readFileSync(file);
      const { rm } = system.promises;
      let refused = 0;
      system.promises.rm = (place, ...words) => {
        if (place !== file) return rm(place, ...words);
        refused++;
        fs.writeFileSync(file, whole);
        return Promise.reject(new Error("refused"));
      };
      try {
        await take((page) => {
          if (page >= Math.floor(0.9 * count)) fs.truncateSync(file, 100);
        });
      } finally {
        system.promises.rm = rm;
      }
      assert.equal(refused, 1);
    });
  },
);

test(
  "a hidden error of the state file restarts the snapshot before all files are read [A8]",
  needsPages,
  async () => {
    await remembered(async ({ root, snapshot }) => {
      for (let folder = 0; folder < 20; folder++) {
        for (let at = 0; at < 120; at += 2) {
          const text = noise(20 + at % 9, 1000 + at);
          fs.writeFileSync(join(root, `folder ${folder}/file ${at}`), text);
        }
      }
      let range: FileRange | undefined;
      const entries: number[] = [];
      let taken: SnapshotResult | undefined;
      await onPages((_, opened) => range = opened, async () => {
        taken = await snapshot({
          label: "changed",
          onProgress(progress) {
            entries.push(progress.entries);
            if (range !== undefined) range.isBroken = true;
          },
        });
      });
      assert.equal(taken?.diff.updated.length, 20 * 60);
      const again = entries.findIndex((count, at) => count < entries[at - 1]);
      assert.ok(again > 0 && again < 400, `restarted after ${again} entries`);
    });
  },
);

test(
  "a newer state is not deleted when the state that it replaced cannot be read [A8]",
  needsPages,
  async () => {
    await remembered(async ({ root, folder, file, snapshot }) => {
      const newer = fs.readFileSync(file);
      const other = join(folder, "newer");
      fs.writeFileSync(other, newer);
      const told: boolean[] = [];
      for (const label of [{}, { label: "a" }]) {
        const { rm } = system.promises;
        fs.writeFileSync(join(root, "folder 3/file 2"), `${told.length}`);
        await onPages((count) => {
          if (count !== 0) return;
          fs.truncateSync(file, 100);
          fs.renameSync(other, file);
        }, async () => {
          system.promises.rm = (place, ...words) => {
            told.push(place === file);
            return rm(place, ...words);
          };
          try {
            assert.equal((await snapshot(label)).isNew, true);
          } finally {
            system.promises.rm = rm;
          }
        });
        fs.writeFileSync(other, newer);
      }
      assert.equal(told.includes(true), false);
    });
  },
);

test(
  "the file of a remembered state is closed after each snapshot",
  { skip: process.platform !== "linux" && "needs /proc" },
  async () => {
    await remembered(async ({ root, file, snapshot }) => {
      const opened = () =>
        fs.readdirSync("/proc/self/fd").filter((number) => {
          try {
            return fs.readlinkSync(`/proc/self/fd/${number}`).startsWith(file);
          } catch {
            return false;
          }
        });
      let during = 0;
      let replaced = 0;
      const onProgress = () => during = Math.max(during, opened().length);
      const taken: SnapshotResult[] = [];
      const { rename } = system.promises;
      const take = async (options: TakeOptions) => {
        during = 0;
        // The file is closed before another one replaces it.
        system.promises.rename = async (from, to) => {
          if (to === file) assert.deepEqual(opened(), []);
          await rename(from, to);
          if (to === file) replaced++;
        };
        try {
          taken.push(await snapshot({ ...options, onProgress }));
        } finally {
          system.promises.rename = rename;
        }
        assert.equal(during, 1);
        assert.deepEqual(opened(), []);
      };
      await take({});
      assert.equal(taken[0].isNew, false);
      fs.rmSync(join(root, "folder 2/file 2"));
      await take({});
      // The old entries are available after the file was closed.
      assert.deepEqual(taken[1].diff.deleted, ["folder 2/file 2"]);
      await assert.rejects(
        snapshot({
          label: "aborted",
          onProgress() {
            throw new Error("stop");
          },
        }),
        /stop/,
      );
      assert.deepEqual(opened(), []);
      // The state belongs to another snapshot.
      const old = fs.readFileSync(file);
      await take({ label: "newer" });
      assert.equal(replaced, 2);
      await take({ label: "newer still", readOnlyCache: true });
      fs.writeFileSync(file, old);
      await snapshot({ label: "newest" });
      assert.deepEqual(opened(), []);
      fs.truncateSync(file, 200_000);
      await snapshot({ label: "damaged" });
      assert.deepEqual(opened(), []);
    });
  },
);
