/**
 * The first version together with the current one: given anything that the
 * current code writes, the old version must do the right thing, or refuse
 * before it writes or deletes anything.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { DirSet } from "../../lib/archive/dir_set.ts";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { withTemp } from "../support/temp.ts";
import { stateOf } from "../support/trees.ts";
import { FIRST } from "./frozen.ts";
import { edit, FEATURES, rows, type State, Workshop } from "./features.ts";
import { loadOld, needsCommit, type OldApi } from "./old_code.ts";

const posix = process.platform === "win32" ? { skip: "needs POSIX" } : {};
const options = { ...needsCommit(FIRST), ...posix };

/** Wraps a storage, and records what is written and deleted. */
function watched(storage: Storage, changes: string[]): Storage {
  return {
    location: storage.location,
    get: (name, options) => storage.get(name, options),
    put: (name, source, options) => {
      changes.push(`put ${name}`);
      return storage.put(name, source, options);
    },
    list: (prefix) => storage.list(prefix),
    delete: (name) => {
      changes.push(`delete ${name}`);
      return storage.delete(name);
    },
  };
}

/** The methods of an older deltar in place of the current `revert`. */
interface Reverting {
  undoRestore(target: string): Promise<unknown>;
  redoRestore(target: string): Promise<unknown>;
}

/** Undoes the last restore into a directory. */
function undo(repository: Repository, target: string): Promise<unknown> {
  if (repository instanceof Repository) return repository.revert(target);
  return (repository as unknown as Reverting).undoRestore(target);
}

/** Compares two states of a tree, with times exact to 1 µs. */
function assertSame(found: State, wanted: State, what: string): void {
  type Node = { mtime: bigint };
  for (const path of Object.keys(found)) {
    const [a, b] = [found[path] as Node, wanted[path] as Node | undefined];
    const off = a.mtime - (b?.mtime ?? 0n);
    if (off > -1000n && off < 1000n) a.mtime = b!.mtime;
  }
  assert.deepEqual(found, wanted, what);
}

/** Restores all snapshots with known states, and checks the results. */
async function assertRestores(
  { Repository: Any, LocalStorage: Local }: Pick<
    OldApi,
    "Repository" | "LocalStorage"
  >,
  place: string,
  states: ReadonlyMap<string, State>,
  what: string,
): Promise<void> {
  const repository = await Any.open(new Local(place));
  for (const record of await repository.snapshots()) {
    const state = states.get(record.id);
    if (state === undefined) continue;
    await withTemp(async (folder) => {
      const target = join(folder, "target");
      const { failed } = await repository.restore(record, target);
      assert.deepEqual(failed, [], what);
      assertSame(stateOf(target), state, `${what}: ${record.id}`);
    });
  }
}

type Old = Awaited<ReturnType<OldApi["Repository"]["open"]>>;

/** The commands that the old version runs on a repository. */
const WORK: Record<
  string,
  (repository: Old, shop: Workshop, old: OldApi) => Promise<unknown>
> = {
  list: (repository) => repository.snapshots(),
  verify: async (repository) => {
    const { damage } = await repository.verify({ data: true });
    // About records of a newer version, it says that a newer deltar is needed.
    const isRefused = ({ message }: { message: string }) =>
      /version \d+, .* use a newer one/.test(message);
    assert.deepEqual(damage.filter((one) => !isRefused(one)), []);
  },
  prune: (repository) => repository.prune({}, { grace: 0, patience: 0 }),
  "prune by rules": (repository) =>
    repository.prune({ last: 1 }, { grace: 0, patience: 0 }),
  "snapshot": (repository, shop, old) =>
    repository.snapshot(new old.Walker(shop.root, { excludes: [] }), {
      label: "by the old one",
    }),
  "snapshot of changed files": (repository, shop, old) => {
    const names = fs.readdirSync(shop.root).sort();
    const isFile = (name: string) =>
      fs.lstatSync(join(shop.root, name)).isFile();
    edit(join(shop.root, names.findLast(isFile)!), 0, "new");
    return repository.snapshot(new old.Walker(shop.root, { excludes: [] }));
  },
  "prune to a size": (repository) => repository.fit(5000, { patience: 0 }),
  "copy": async (repository, _, old) => {
    const target = await old.Repository.create(new old.MemoryStorage());
    await repository.copyTo(target, await repository.snapshots());
    const { damage } = await target.verify({ data: true });
    assert.deepEqual(damage, []);
  },
  "repair": (repository) => repository.repair(),
};

for (const [feature, make] of Object.entries(FEATURES)) {
  test(
    `an older deltar works with ${feature}, or refuses`,
    options,
    async () => {
      const old = await loadOld(FIRST);
      await withTemp(async (temp) => {
        const shop = new Workshop(fs.realpathSync(temp));
        await make(shop);
        const now = { Repository, LocalStorage };
        await assertRestores(now, shop.place, shop.states, "today's");
        await assertRestores(old, shop.place, shop.states, "the old one")
          .catch(unlessRefused);
        for (const [name, work] of Object.entries(WORK)) {
          const what = `${feature}: ${name}`;
          const place = join(temp, "copy");
          fs.cpSync(shop.place, place, { recursive: true });
          const changes: string[] = [];
          try {
            const repository = await old.Repository
              .open(watched(new old.LocalStorage(place), changes));
            await work(repository, shop, old);
          } catch (error) {
            unlessRefused(error);
            const written = changes.filter((name) => !/ lease\//.test(name));
            assert.deepEqual(written, [], `${what} was refused`);
          }
          const repository = await Repository.open(new LocalStorage(place));
          const { damage } = await repository.verify({ data: true });
          assert.deepEqual(damage, [], what);
          await assertRestores(now, place, shop.states, what);
          fs.rmSync(place, { recursive: true });
        }
      });
    },
  );
}

/**
 * Ignores an error that is about an unknown version, and throws any other
 * error.
 */
function unlessRefused(error: unknown): void {
  if ((error as { code?: string }).code !== "unsupported") throw error;
}

test(
  "an older deltar refuses an undo if some paths were undone before",
  options,
  async () => {
    const old = await loadOld(FIRST);
    await withTemp(async (temp) => {
      const shop = new Workshop(fs.realpathSync(temp));
      await FEATURES["an undo of some paths"](shop);
      const before = stateOf(shop.root);
      const repository = await old.Repository
        .open(new old.LocalStorage(shop.place)) as unknown as Reverting;
      for (const way of ["undoRestore", "redoRestore"] as const) {
        await assert.rejects(() => repository[way](shop.root), {
          code: "unsupported",
        });
      }
      assert.deepEqual(stateOf(shop.root), before);
    });
  },
);

test(
  "an older deltar refuses an encrypted repository, with advice",
  options,
  async () => {
    const old = await loadOld(FIRST);
    await withTemp(async (temp) => {
      const shop = new Workshop(fs.realpathSync(temp));
      const identity = await newIdentity();
      const to = await recipientOf(identity);
      const repository = await Repository.create(
        new LocalStorage(shop.place),
        { encrypt: { name: "main", to } },
      );
      shop.write("a", rows(600));
      const walker = new Walker(shop.root, { excludes: [] });
      await repository.snapshot(walker);
      const before = stateOf(shop.place);
      const changes: string[] = [];
      const storage = watched(new old.LocalStorage(shop.place), changes);
      const refused = async (work: Promise<unknown>) =>
        await assert.rejects(work, {
          code: "unsupported",
          message: /^deltar\.json: .*version 2, .*; use a newer one$/,
        });
      await refused(old.Repository.open(storage));
      await refused(old.Repository.open(storage, { onDamage: () => {} }));
      await assert.rejects(old.Repository.create(storage), { code: "exists" });
      const others = changes.filter((name) => name !== "put deltar.json");
      assert.deepEqual(others, []);
      assert.deepEqual(stateOf(shop.place), before);
    });
  },
);

/** Increases the version of a listing and corrects its checksum. */
function raiseVersion(place: string): void {
  const lines = fs.readFileSync(place, "utf8").split("\n");
  const { version, ...rest } = JSON.parse(lines[0]);
  lines[0] = JSON.stringify({ ...rest, version: version + 1 });
  const text = lines.slice(0, -2).map((line) => `${line}\n`).join("");
  const sum = toHex(sha256(new TextEncoder().encode(text)));
  fs.writeFileSync(place, `${text}{"sha256":"${sum}"}\n`);
}

for (const which of ["first", "last"] as const) {
  test(
    `an older deltar changes nothing if the ${which} record has a newer version`,
    options,
    async () => {
      const old = await loadOld(FIRST);
      await withTemp(async (temp) => {
        const shop = new Workshop(fs.realpathSync(temp));
        await FEATURES["labels, proofs, a removed snapshot, a size limit"](
          shop,
        );
        const ids = [...shop.states.keys()].sort();
        const id = which === "first" ? ids[0] : ids.at(-1)!;
        raiseVersion(join(shop.place, `snapshots/${id}.json`));
        const refused: string[] = [];
        for (const [name, work] of Object.entries(WORK)) {
          const changes: string[] = [];
          const storage = watched(new old.LocalStorage(shop.place), changes);
          const repository = await old.Repository.open(storage);
          try {
            await work(repository, shop, old);
          } catch (error) {
            if (error instanceof assert.AssertionError) continue;
            unlessRefused(error);
            refused.push(name);
            const written = changes.filter((name) => !/ lease\//.test(name));
            assert.deepEqual(written, [], name);
          }
        }
        // A snapshot does not read the other records.
        const snapshots = which === "last"
          ? ["snapshot", "snapshot of changed files"]
          : [];
        for (
          const name of [
            "prune",
            "prune by rules",
            "prune to a size",
            ...snapshots,
          ]
        ) assert.ok(refused.includes(name), name);
      });
    },
  );
}

test(
  "an older and the current deltar can be used alternately in one repository",
  options,
  async () => {
    const old = await loadOld(FIRST);
    await withTemp(async (temp) => {
      const shop = new Workshop(fs.realpathSync(temp));
      await shop.repository();
      shop.write("large", rows(20_000));
      shop.write("lines", rows(600));
      const before = await shop.take({ label: "the first" });
      const now = { Repository, LocalStorage, Walker };
      for (let turn = 0; turn < 8; turn++) {
        const mine = turn % 2 === 0 ? old : now;
        const what = `turn ${turn} of ${mine === old ? "old" : "new"}`;
        edit(join(shop.root, "large"), turn * 70_001, `turn ${turn}`);
        edit(join(shop.root, "lines"), turn * 101, `turn ${turn}`);
        shop.write(`file ${turn}`, rows(50, turn));
        const repository = await mine.Repository
          .open(new mine.LocalStorage(shop.place) as LocalStorage);
        const { record } = await repository.snapshot(
          new mine.Walker(shop.root, { excludes: [] }) as Walker,
        );
        shop.states.set(record.id, stateOf(shop.root));
        if (turn === 3 || turn === 4) {
          // Restores the first state, and then the current one again.
          const now = stateOf(shop.root);
          await repository.restore(before as typeof record, shop.root, {
            delete: true,
          });
          assertSame(stateOf(shop.root), shop.states.get(before.id)!, what);
          await undo(repository, shop.root);
          assertSame(stateOf(shop.root), now, what);
        }
        if (turn === 5 || turn === 6) {
          const [, second] = await repository.snapshots();
          await repository.forget(second);
          await repository.prune({}, { grace: 0, patience: 0 });
          assert.deepEqual((await repository.removed()).length, 0);
        }
        for (const other of [old, now]) {
          const both = await other.Repository
            .open(new other.LocalStorage(shop.place) as LocalStorage);
          const { damage } = await both.verify({ data: true });
          assert.deepEqual(damage, [], what);
          await assertRestores(
            other as OldApi,
            shop.place,
            shop.states,
            what,
          );
        }
      }
    });
  },
);

test(
  "the first version restores snapshots with later rules, but does not delete by these rules",
  options,
  async () => {
    const old = await loadOld(FIRST);
    await withTemp(async (folder) => {
      const place = join(folder, "repository");
      const [a, b] = [join(folder, "root/a"), join(folder, "root/b")];
      for (const directory of [a, b]) {
        fs.mkdirSync(directory, { recursive: true });
        fs.writeFileSync(join(directory, "kept"), "kept");
        fs.writeFileSync(join(directory, "large"), "x".repeat(100));
      }
      const repository = await Repository.create(new LocalStorage(place));
      const rules = { excludes: [], excludeLargerThan: 10 };
      await repository.snapshot(new Walker(a, rules));
      await repository.snapshot(new DirSet([a, b], rules));
      const before = await old.Repository.open(new old.LocalStorage(place));
      const records = await before.snapshots();
      assert.equal(records.length, 2);
      for (const [at, record] of records.entries()) {
        const target = join(folder, `target-${at}`);
        await before.restore(record, target);
        const kept = at === 0 ? "kept" : "b/kept";
        fs.writeFileSync(join(target, `${kept}-later`), "x".repeat(100));
        await assert.rejects(
          before.restore(record, target, { delete: true }),
          { code: "unsupported" },
        );
        assert.equal(fs.readFileSync(join(target, kept), "utf8"), "kept");
        assert.ok(fs.existsSync(join(target, `${kept}-later`)));
      }
      // The next snapshot of one of the directories follows only this one.
      const walker = new old.Walker(a, { excludes: [] });
      const next = await before.snapshot(walker);
      assert.equal(next.record.parent, records[0].id);
      await repository.verify();
    });
  },
);
