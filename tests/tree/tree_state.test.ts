import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { DirIndex, type IndexEntry } from "../../lib/tree/dir_index.ts";
import { EntryList, type EntrySink } from "../../lib/tree/entry_list.ts";
import { WORDS } from "../../lib/tree/entry_rows.ts";
import { HashReader } from "../../lib/tree/file_reader.ts";
import { indexTree } from "../../lib/tree/index_tree.ts";
import {
  bytesOf,
  KnownEntries,
  type KnownRun,
} from "../../lib/tree/known_entries.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { ENTRY } from "../../lib/tree/state_layout.ts";
import { StateWriter } from "../../lib/tree/state_writer.ts";
import { TreeState } from "../../lib/tree/tree_state.ts";
import { findUnchangedFolders } from "../../lib/tree/unchanged_folders.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { walkTree } from "../../lib/tree/walk_tree.ts";
import { needsHeld, runHeld } from "../support/other_user.ts";
import { runs } from "../support/runs.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { rewriteTree, treeAndEdited, writeTree } from "../support/trees.ts";
import { isUnchanged, type Rules, stateOf } from "./states.ts";

const worker = fileURLToPath(
  new URL("./unreadable_worker.ts", import.meta.url),
);

const RULES: Rules = { excludes: ["*.log"], gitignore: true };

/** Makes a directory with rule files. */
function makeRuled(root: string): void {
  fs.mkdirSync(join(root, "folder/deep"), { recursive: true });
  fs.mkdirSync(join(root, "nested/.git/info"), { recursive: true });
  fs.mkdirSync(join(root, "ignored"));
  fs.mkdirSync(join(root, "other/deep"), { recursive: true });
  for (
    const [path, content] of Object.entries({
      "a": "one",
      "b": "two",
      "folder/c": "three",
      "folder/.deltarignore": "*.x\n",
      "folder/d.x": "left out",
      "folder/deep/e": "four",
      "e.log": "left out",
      "nested/.git/info/exclude": "*.y\n",
      "nested/f.y": "left out",
      ".gitignore": "/ignored\n",
      "ignored/g": "left out",
      "other/deep/h": "five",
      "other/deep/i": "six",
    })
  ) fs.writeFileSync(join(root, path), content);
  if (needsSymlinks.skip === undefined) {
    fs.symlinkSync("a", join(root, "link"));
  }
}

/** Returns whether a change is noticed in a directory that is made for it. */
async function isSeen(
  edit: (root: string) => void,
  rules: Rules = RULES,
  after: Rules = rules,
): Promise<boolean> {
  return await withTemp(async (root) => {
    makeRuled(root);
    const state = stateOf(root, rules);
    assert.equal(await isUnchanged(new Walker(root, rules), state), true);
    edit(root);
    return !await isUnchanged(new Walker(root, after), state);
  });
}

/** Changes a file in a way that hides the change. */
function rewrite(place: string, content: string): void {
  const { mtime, size } = lstat(place);
  assert.equal(content.length, size);
  fs.writeFileSync(place, content);
  setTimes(place, mtime);
}

const EDITS: Record<string, (root: string) => void> = {
  "content with the earlier size and time": (root) =>
    rewrite(join(root, "folder/deep/e"), "FOUR"),
  "a mode": (root) => fs.chmodSync(join(root, "folder/c"), 0o600),
  "a folder's mode": (root) => fs.chmodSync(join(root, "folder/deep"), 0o700),
  "a time": (root) => setTimes(join(root, "a"), 1_000_000_000_000_000_000n),
  "a new file": (root) => fs.writeFileSync(join(root, "folder/new"), ""),
  "a deleted file": (root) => fs.rmSync(join(root, "folder/deep/e")),
  "a deleted folder": (root) =>
    fs.rmSync(join(root, "folder"), { recursive: true }),
  "another name": (root) => fs.renameSync(join(root, "a"), join(root, "A-")),
  "two files that exchange their paths": (root) => {
    fs.renameSync(join(root, "a"), join(root, "t"));
    fs.renameSync(join(root, "b"), join(root, "a"));
    fs.renameSync(join(root, "t"), join(root, "b"));
  },
  "a copy in place of a file": (root) => {
    fs.copyFileSync(join(root, "a"), join(root, "t"));
    setTimes(join(root, "t"), lstat(join(root, "a")).mtime);
    fs.renameSync(join(root, "t"), join(root, "a"));
  },
  "a hard link at an excluded path": (root) =>
    fs.linkSync(join(root, "a"), join(root, "ignored/a")),
  "another link target": (root) => {
    fs.rmSync(join(root, "link"));
    fs.symlinkSync("b", join(root, "link"));
  },
  "a folder in place of a file": (root) => {
    fs.rmSync(join(root, "a"));
    fs.mkdirSync(join(root, "a"));
  },
  "a folder in place of an excluded file": (root) => {
    fs.rmSync(join(root, "e.log"));
    fs.mkdirSync(join(root, "e.log"));
  },
  "other rules of the same length": (root) =>
    rewrite(join(root, "folder/.deltarignore"), "*.w\n"),
  "other rules that are part of no tree": (root) =>
    rewrite(join(root, "nested/.git/info/exclude"), "*.w\n"),
  "rules above": (root) => fs.writeFileSync(join(root, ".deltarignore"), "/b"),
  "new rules between": (root) =>
    fs.writeFileSync(join(root, "other/.deltarignore"), "h"),
};

for (const [what, edit] of Object.entries(EDITS)) {
  const options = what === "another link target" ? needsSymlinks : {};
  test(`${what} is noticed`, options, async () => {
    assert.equal(await isSeen(edit), true);
    await withTemp(async (root) => {
      makeRuled(root);
      const walker = new Walker(root, RULES);
      const before = await remember(walker);
      edit(root);
      const { entries } = await DirIndex.of(walker);
      const { blocks } = await findUnchangedFolders(walker, before.state);
      const after = await remember(walker, { ...before, unchanged: blocks });
      assert.deepEqual(after.found.map(lineOf), entries.map(lineOf));
    });
  });
}

test("another owner is noticed", {
  skip: process.getuid?.() !== 0 && "needs root",
}, async () => {
  const edit = (root: string) => fs.chownSync(join(root, "a"), 1234, 1234);
  assert.equal(await isSeen(edit), true);
});

test("other options are noticed, and excluded paths are not compared", async () => {
  const rules = { excludes: ["*.log"], gitignore: true };
  const nothing = () => {};
  for (
    const after of [
      { ...rules, excludes: ["*.LOG"] },
      { ...rules, gitignore: false },
      { ...rules, ignoreFile: false as const },
      { ...rules, neverTouch: ["/nowhere"] },
    ]
  ) assert.equal(await isSeen(nothing, rules, after), true);
  const edits = [
    (root: string) => fs.appendFileSync(join(root, "e.log"), "more"),
    (root: string) => fs.writeFileSync(join(root, "ignored/new"), ""),
    (root: string) => fs.rmSync(join(root, "ignored/g")),
  ];
  for (const edit of edits) assert.equal(await isSeen(edit), false);
});

test("an entry that changed just now is in doubt, and one with a time in the future is not", async () => {
  await withTemp(async (root) => {
    const place = join(root, "a");
    fs.writeFileSync(place, "");
    const walker = new Walker(root);
    const { ctime } = lstat(place);
    const day = 86_400_000_000_000n;
    const ask = async (mtime: bigint, newest: bigint) => {
      setTimes(place, mtime);
      return await isUnchanged(walker, stateOf(root, {}, newest));
    };
    // The time is rounded to a second, because Node sets times as doubles.
    const long = ctime - ctime % 1_000_000_000n + 1000n * day;
    assert.equal(await ask(ctime, long), true);
    assert.equal(await ask(ctime, ctime), false);
    assert.equal(await ask(long, long), false);
    assert.equal(await ask(long + 2n * day, long), true);
  });
});

test("any change is noticed, and unchanged entries are recognized", async () => {
  const property = fc.asyncProperty(treeAndEdited, async ([before, after]) => {
    await withTemp(async (root) => {
      writeTree(root, before);
      const walker = new Walker(root, { excludes: [] });
      const first = await remember(walker);
      const { state, entries, found } = first;
      assert.equal(await isUnchanged(walker, state), true);
      assert.equal(entries.length, found.length);
      for (const list of [first.list, entries]) {
        for (const [number, entry] of found.entries()) {
          assert.deepEqual(list.at(number), entry);
        }
        for (const entry of [...found, ...found.toReversed()]) {
          assert.deepEqual(list.get(entry.path), entry);
          assert.equal(list.get(`${entry.path}-`), undefined);
        }
      }
      rewriteTree(root, before, after);
      const index = await DirIndex.of(walker);
      const now = new Set(index.entries.map((entry) => lineOf(entry)));
      const isSame = now.size === found.length &&
        found.every((entry) => now.has(lineOf(entry)));
      const { isAll, blocks } = await findUnchangedFolders(walker, state);
      if (!isSame) assert.equal(isAll, false);
      for (const unchanged of [undefined, blocks]) {
        const second = await remember(walker, { ...first, unchanged });
        const lines = index.entries.map(lineOf);
        assert.deepEqual(second.found.map(lineOf), lines);
        assert.equal(await isUnchanged(walker, second.state), true);
        const again = lines.map((_, number) => second.entries.at(number));
        assert.deepEqual(again.map(lineOf), lines);
        assert.equal(second.entries.length, lines.length);
      }
    });
  });
  await fc.assert(property, runs(40));
});

/**
 * Checks a walk that copies unchanged folders: it finds the same as a new
 * index, and so does the next walk.
 *
 * @param prepare Makes the directory.
 * @param edit Changes the directory before the comparison.
 * @param between Changes the directory between the comparison and the walk.
 */
async function checkCopies(
  rules: Rules,
  prepare: Record<string, string>,
  edit: (root: string) => void,
  between: (root: string) => void = () => {},
): Promise<void> {
  await withTemp(async (root) => {
    for (const [path, content] of Object.entries(prepare)) {
      fs.mkdirSync(join(root, path, ".."), { recursive: true });
      fs.writeFileSync(join(root, path), content);
    }
    const walker = new Walker(root, rules);
    const first = await remember(walker);
    edit(root);
    const { blocks } = await findUnchangedFolders(walker, first.state);
    assert.ok(blocks.size > 0);
    between(root);
    const { entries } = await DirIndex.of(walker);
    const after = await remember(walker, { ...first, unchanged: blocks });
    assert.deepEqual(after.found.map(lineOf), entries.map(lineOf));
    const again = await findUnchangedFolders(walker, after.state);
    const last = await remember(walker, { ...after, unchanged: again.blocks });
    assert.deepEqual(last.found.map(lineOf), entries.map(lineOf));
  });
}

test("with a list of paths, a listed folder inside a copied one has all its files", async () => {
  const files = { "d/e/one": "1", "d/e/two": "2", "e/x/y": "3", "e/z": "4" };
  await checkCopies(
    { paths: ["d", "e/x"] },
    files,
    (root) => fs.writeFileSync(join(root, "d/e/one"), "11"),
  );
});

test("rules that change after the comparison apply to all folders", async () => {
  const files = { "a/b/c.log": "1", "a/b/d": "2", "a/e.log": "3", "f": "4" };
  for (const file of [".deltarignore", "a/.deltarignore"]) {
    await checkCopies(
      {},
      files,
      (root) => fs.writeFileSync(join(root, "f"), "44"),
      (root) => fs.writeFileSync(join(root, file), "*.log\n"),
    );
  }
  await checkCopies(
    {},
    { ...files, ".deltarignore": "*.log\n", "g/h": "5" },
    (root) => fs.writeFileSync(join(root, "f"), "44"),
    (root) => fs.rmSync(join(root, ".deltarignore")),
  );
});

test("a folder that is replaced after the comparison is listed", async () => {
  await checkCopies(
    {},
    { "a/b/c": "1", "a.new/b/c": "22", "a.new/d": "3", "f": "4" },
    (root) => fs.writeFileSync(join(root, "f"), "44"),
    (root) => {
      fs.renameSync(join(root, "a"), join(root, "a.old"));
      fs.renameSync(join(root, "a.new"), join(root, "a"));
    },
  );
});

test("a block with another path is not copied [A8]", async () => {
  await withTemp(async (root) => {
    fs.mkdirSync(join(root, "a/c"), { recursive: true });
    fs.mkdirSync(join(root, "b"));
    fs.writeFileSync(join(root, "a/one"), "1");
    fs.writeFileSync(join(root, "a/c/two"), "2");
    const walker = new Walker(root);
    const first = await remember(walker);
    const { words } = first.state;
    const folder = first.state.folder(0)!;
    const [a, b] = [...folder.entries()].sort((one, two) =>
      first.state.name(one) < first.state.name(two) ? -1 : 1
    );
    words[b + ENTRY.size] = words[a + ENTRY.size];
    const unchanged = new Set([0, folder.blockOf(a), folder.blockOf(b)]);
    const after = await remember(walker, { ...first, unchanged });
    assert.deepEqual(
      after.found.map(({ path }) => path),
      ["a", "a/c", "a/c/two", "a/one", "b"],
    );
  });
});

test("a folder with an entry on another device is listed", async () => {
  await withTemp(async (root) => {
    fs.mkdirSync(join(root, "a/b"), { recursive: true });
    fs.writeFileSync(join(root, "a/b/one"), "1");
    const walker = new Walker(root);
    const { state } = await remember(walker);
    const a = state.folder(0)!.entries().next().value!;
    const block = state.folder(0)!.blockOf(a);
    assert.ok((await findUnchangedFolders(walker, state)).blocks.has(block));
    const b = state.folder(block)!.entries().next().value!;
    state.words[b + ENTRY.device]++;
    const { isAll, blocks } = await findUnchangedFolders(walker, state);
    assert.equal(isAll, true);
    assert.ok(!blocks.has(block));
  });
});

/** Indexes a directory, and returns the entries and the remembered state. */
async function remember(
  walker: Walker,
  before?: {
    state: TreeState;
    entries: KnownEntries;
    unchanged?: ReadonlySet<number>;
  },
) {
  const writer = new StateWriter();
  const sink = new Listed(writer);
  await indexTree(walker, sink, new HashReader(), {
    previous: before?.entries,
    unchanged: (entry) => entry.isKnown === true,
  }, {
    known: before?.state,
    entries: before?.entries,
    unchanged: before?.unchanged,
    writer,
    newest: 2n ** 63n,
  });
  const state = new TreeState(writer.finish());
  const entries = KnownEntries.decode(sink.list.encode(), state);
  return { list: sink.list, found: sink.found, state, entries };
}

/** Returns the blocks of a state in memory. */
function blocksOf({ words }: TreeState): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** A list, and the entries that it received. */
class Listed implements EntrySink {
  readonly writer: StateWriter;
  readonly list: EntryList;
  readonly found: IndexEntry[] = [];

  constructor(writer: StateWriter) {
    this.writer = writer;
    this.list = new EntryList(writer);
  }

  add(entry: IndexEntry, place: number, isOther: boolean): void {
    this.list.add(entry, place, isOther);
    const { signature: _, ...bare } = entry;
    this.found.push(bare);
  }

  keep(run: KnownRun): number {
    this.list.keep(run);
    const { entries, first, count } = run;
    for (let number = first; number < first + count; number++) {
      this.found.push(entries.at(number));
    }
    return bytesOf(run);
  }
}

/**
 * Returns an entry as text, without its signature and its creation time. A file
 * that is created again within one tick of the system's clock differs only in
 * this time, which does not count as a change. The fields may be in any order.
 */
function lineOf({ signature: _, btime: __, ...entry }: IndexEntry): string {
  return JSON.stringify(
    Object.entries(entry).sort(([a], [b]) => a < b ? -1 : 1),
    (_, value) => typeof value === "bigint" ? String(value) : value,
  );
}

test("names are found in any order of the system's list", async () => {
  await withTemp((root) => {
    const names = ["a", "é", "\uFFFD", "b".repeat(255), "c c"];
    for (const name of names) fs.writeFileSync(join(root, name), name);
    const state = stateOf(root, {});
    const encoder = new TextEncoder();
    for (const order of [names, names.toReversed(), [...names, ...names]]) {
      const folder = state.folder(0)!;
      assert.equal(folder.count, names.length);
      for (const name of order) {
        const bytes = encoder.encode(`x${name}x`);
        const entry = folder.find(bytes, 1, bytes.length - 1);
        assert.equal(state.name(entry), name);
        assert.equal(folder.find(bytes, 0, bytes.length), -1);
      }
    }
  });
});

test("TreeState.folder() returns nothing if there is no whole block [A8]", async () => {
  await withTemp((root) => {
    for (const name of ["a", "sub/b", "sub/deeper/c"]) {
      fs.mkdirSync(join(root, name, ".."), { recursive: true });
      fs.writeFileSync(join(root, name), name);
    }
    const good = blocksOf(stateOf(root, {}));
    const shifted = new Uint8Array(good.length);
    shifted.set(good.subarray(0, 80));
    shifted.set(good.subarray(80, -4), 81);
    const forged = [shifted, good.subarray(0, -4), new Uint8Array(0)];
    const { length } = good;
    for (const value of [0, 1, 7, length / 4, 2 ** 31, 2 ** 32 - 1]) {
      for (let word = 0; word < length / 4; word++) {
        const bytes = good.slice();
        new Uint32Array(bytes.buffer)[word] = value;
        forged.push(bytes);
      }
    }
    let refused = 0;
    const name = new Uint8Array([120]);
    for (const bytes of forged) {
      const state = new TreeState(bytes.slice());
      // The search ends soon, regardless of the content.
      const folders = [0];
      for (let seen = 0; folders.length > 0; seen++) {
        assert.ok(seen < 10);
        const folder = state.folder(folders.pop()!);
        if (folder === undefined) {
          refused++;
          continue;
        }
        assert.equal(folder.find(name, 0, 1), -1);
        for (const entry of folder.entries()) {
          assert.ok(state.name(entry).length <= length);
          const block = folder.blockOf(entry);
          if (block > 0) folders.push(block);
        }
      }
    }
    assert.ok(refused > 60, `${refused}`);
    assert.throws(() => new TreeState(good).name(length / 4 - 3), RangeError);
  });
});

test("KnownEntries.decode() refuses entries that do not match their states [A8]", async () => {
  await withTemp(async (root) => {
    fs.writeFileSync(join(root, "a"), "one");
    fs.mkdirSync(join(root, "sub"));
    fs.writeFileSync(join(root, "sub/b"), "two");
    const { list, state } = await remember(new Walker(root));
    const { bytes, odd } = list.encode();
    const refused = (forge: (words: Uint32Array, state: TreeState) => void) => {
      const copy = bytes.slice();
      const other = new TreeState(blocksOf(state).slice());
      forge(new Uint32Array(copy.buffer), other);
      assert.throws(() => KnownEntries.decode({ bytes: copy, odd }, other));
    };
    const { state: place, folder, length } = WORDS;
    refused((words) => words[place] = 2 ** 31);
    refused((words) => words[place] = state.length - 1);
    refused((words) => words[folder] = 0);
    refused((words) => words[2 * length + folder] = 2);
    refused((words, { words: states }) => states[words[place]] = 0o120777);
    const cut = bytes.slice(0, -4);
    assert.throws(() => KnownEntries.decode({ bytes: cut, odd }, state));
    assert.equal(KnownEntries.decode({ bytes, odd }, state).length, 3);
  });
});

test(
  "a folder that may not be listed is unchanged as long as it may not",
  needsHeld,
  async () => {
    await withTemp((root) => runHeld(worker, "folder", root));
  },
);

test("folders are compared in the order in which they are stored", async () => {
  await withTemp(async (root) => {
    for (let at = 0; at < 60; at++) {
      const inside = join(root, `${at * 7919 % 101}`, "inside");
      fs.mkdirSync(inside, { recursive: true });
      fs.mkdirSync(join(inside, "a"));
      fs.mkdirSync(join(inside, "b"));
    }
    const walked: string[] = [""];
    const writer = new StateWriter();
    const states = { writer, newest: 2n ** 63n };
    for (const { entry } of walkTree(new Walker(root), {}, states)) {
      if (entry?.kind === "directory") walked.push(entry.path);
    }
    const state = new TreeState(writer.finish());
    const compare = async () => {
      const compared: string[] = [];
      const onFolder = (path: string) => compared.push(path);
      await findUnchangedFolders(new Walker(root), state, { onFolder });
      return compared;
    };
    assert.deepEqual(await compare(), walked);
    // The folders inside a folder that changed are compared in this order, too.
    fs.writeFileSync(join(root, "new"), "");
    assert.deepEqual(await compare(), walked.slice(1));
  });
});

test("an abort ends the search for unchanged folders", async () => {
  await withTemp(async (root) => {
    const signal = AbortSignal.abort();
    const look = isUnchanged(new Walker(root), stateOf(root, {}), { signal });
    await assert.rejects(look, { code: "aborted" });
  });
});
