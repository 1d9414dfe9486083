/**
 * Makes the frozen repositories with the code of the commit after which their
 * folder is named. They are never made again, because current versions must read
 * what the old version wrote. This script shows what the repositories have.
 *
 *     git archive 2abdc44 | tar x -C OLD && ln -s …/node_modules OLD
 *     node tests/frozen/make.mjs OLD tests/frozen/2abdc44
 *
 * Times, random numbers and UUIDs are predetermined, so two runs differ only in
 * the output of the runtime's compressor. Run the script as root on Linux.
 *
 * @module
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";

const [old, out] = process.argv.slice(2).map((path) => resolve(path));
const {
  Dir,
  DirIndex,
  DiffIndex,
  DiffData,
  LocalStorage,
  Repository,
  TarVolume,
  compose,
  deltaBytes,
  signBytes,
  bytesAccess,
} = await import(join(old, "mod.ts"));
const { lstat, setTimes } = await import(join(old, "lib/tree/stat.ts"));

/** The folder of the directories of which snapshots were taken. */
const SOURCES = "/tmp/deltar-frozen";
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let clock = Date.UTC(2025, 5, 1, 12);
let chance = 1;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...args.length === 0 ? [++clock] : args);
  }
  static now() {
    return ++clock;
  }
};
Math.random = () => (chance = chance * 48271 % 2147483647) / 2147483647;
let uuids = 0;
crypto.randomUUID = () =>
  `00000000-0000-4000-8000-${String(++uuids).padStart(12, "0")}`;

/** Returns bytes that do not compress. */
function noise(length, seed) {
  const bytes = Buffer.alloc(length);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

/** Returns lines that compress well, all of which differ. */
function rows(count, seed = 0) {
  const lines = [];
  for (let at = 0; at < count; at++) {
    const length = 1 + at * at % 31;
    lines.push(`${at + seed} ${"row ".repeat(length)}${seed}\n`);
  }
  return Buffer.from(lines.join(""));
}

/** Returns a text in which some bytes are replaced. */
function edited(bytes, at, text) {
  return Buffer.concat([
    bytes.subarray(0, at),
    Buffer.from(text),
    bytes.subarray(at + text.length - 3),
  ]);
}

/** A directory that is written to, with its current state. */
class Source {
  constructor(name) {
    this.path = join(SOURCES, name);
    fs.rmSync(this.path, { recursive: true, force: true });
    fs.mkdirSync(this.path, { recursive: true, mode: 0o755 });
  }
  at(path) {
    return join(this.path, path);
  }
  write(path, content, { mode = 0o644, mtime } = {}) {
    fs.mkdirSync(join(this.at(path), ".."), { recursive: true });
    fs.rmSync(this.at(path), { force: true });
    fs.writeFileSync(this.at(path), content);
    fs.chmodSync(this.at(path), mode);
    setTimes(
      this.at(path),
      mtime ?? BigInt(Date.now()) * 1_000_000n - 10n ** 13n,
    );
  }
  folder(path, { mode = 0o755, mtime = 1_700_000_000n * 10n ** 9n } = {}) {
    fs.mkdirSync(this.at(path), { recursive: true });
    fs.chmodSync(this.at(path), mode);
    setTimes(this.at(path), mtime);
  }
  link(target, path) {
    fs.symlinkSync(target, this.at(path));
    setTimes(this.at(path), 1_650_000_000_123_456_789n);
  }
  /** Gives folders times that do not depend on the time of the run. */
  settle(path = "") {
    for (
      const entry of fs.readdirSync(this.at(path), { withFileTypes: true })
    ) {
      const at = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) this.settle(at);
    }
    const { mtime } = lstat(this.at(path));
    if (mtime > 1_760_000_000n * 10n ** 9n) {
      setTimes(this.at(path), 1_740_000_000n * 10n ** 9n + BigInt(path.length));
    }
  }
  /** Returns the state that a restore must produce. */
  state() {
    const state = {};
    const inodes = new Map();
    const visit = (path) => {
      for (const name of fs.readdirSync(this.at(path)).sort()) {
        const at = path === "" ? name : `${path}/${name}`;
        const { kind, mode, mtime, inode, size } = lstat(this.at(at));
        const node = { kind, mode: mode.toString(8), mtime: String(mtime) };
        if (kind === "symlink") {
          delete node.mode;
          node.target = fs.readlinkSync(this.at(at));
        }
        if (kind === "file") {
          node.size = size;
          node.sha256 = createHash("sha256").update(
            fs.readFileSync(this.at(at)),
          )
            .digest("hex");
          const first = inodes.get(inode);
          if (first === undefined) inodes.set(inode, at);
          else node.sameFileAs = first;
        }
        state[at] = node;
        if (kind === "directory") visit(at);
      }
    };
    visit("");
    return state;
  }
}

/** A repository that is written, with the expected results. */
class Frozen {
  constructor(name, about) {
    this.folder = join(out, name, "repository");
    fs.rmSync(join(out, name), { recursive: true, force: true });
    this.storage = new LocalStorage(this.folder);
    this.name = name;
    this.nodes = [];
    this.index = new Map();
    this.expected = { about, snapshots: [] };
  }
  async create(codec) {
    this.repository = await Repository.create(this.storage, { codec });
    return this;
  }
  /** Stores each state of a path once, and returns its number. */
  tree(state) {
    return Object.fromEntries(
      Object.entries(state).map(([path, node]) => {
        const text = JSON.stringify(node);
        if (!this.index.has(text)) {
          this.index.set(text, this.nodes.push(node) - 1);
        }
        return [path, this.index.get(text)];
      }),
    );
  }
  note({ id, label, directory, safety }, state, more = {}) {
    this.expected.snapshots.push({
      id,
      ...label !== undefined && { label },
      ...directory && { directory },
      ...safety && { safety },
      tree: this.tree(state),
      ...more,
    });
    this.expected.snapshots.sort((a, b) => a.id < b.id ? -1 : 1);
  }
  async take(source, options = {}) {
    source.settle();
    const { walk = {}, ...rest } = options;
    const dir = new Dir(source.path, { excludes: [], ...walk });
    const { record } = await this.repository.snapshot(dir, {
      volumeSize: 32_768,
      ...rest,
    });
    const state = source.state();
    const ignored = options.ignored ?? [];
    for (const path of Object.keys(state)) {
      if (ignored.some((one) => path === one || path.startsWith(`${one}/`))) {
        delete state[path];
      }
    }
    this.note(record, state);
    clock += HOUR;
    return record;
  }
  /**
   * Records the state that the last change of a directory saved, with only the
   * paths that the safety snapshot names.
   */
  async noteSafety(source, state) {
    const [record] = await this.repository.safetySnapshots(source.path);
    const tree = await this.repository.tree(record);
    const part = {};
    for (const { path } of tree.entries) part[path] = state[path];
    const absent = tree.skipped.map(({ path }) => path);
    this.note(record, part, { absent });
    clock += HOUR;
    return record;
  }
  finish(more = {}) {
    Object.assign(this.expected, more);
    const { about, snapshots, ...rest } = this.expected;
    const text = JSON.stringify({
      about,
      ...rest,
      snapshots,
      nodes: this.nodes,
    });
    fs.writeFileSync(join(out, this.name, "expected.json"), `${text}\n`);
    const bytes = sizeOf(join(out, this.name));
    console.log(`${this.name}: ${snapshots.length} snapshots, ${bytes} bytes`);
  }
}

function sizeOf(folder) {
  let sum = 0;
  for (const entry of fs.readdirSync(folder, { recursive: true })) {
    const stat = fs.lstatSync(join(folder, entry));
    if (stat.isFile()) sum += stat.size;
  }
  return sum;
}

/** Fills a directory with entries of each kind. */
function fill(source) {
  source.write("notes.txt", "first\n", { mtime: 1_234_567_890_123_456_789n });
  source.write("empty", "");
  source.write("before-1970", "old\n", { mtime: -1_500_000_000n });
  source.write("private", "secret\n", { mode: 0o600 });
  source.write("tool", "#!/bin/sh\n", { mode: 0o4755 });
  source.write("read-only", "fixed\n", { mode: 0o444 });
  source.write("größe/naïve café.txt", "é\n");
  source.write("größe/cafe\u0301", "decomposed\n");
  source.write("größe/😀\uffee", "beyond\n");
  source.write("two words/new\nline", "odd name\n");
  source.write("two words/-rf", "odd name\n");
  source.write("noise.bin", noise(5000, 1));
  source.write("lines.txt", rows(700));
  source.write("sub/one", "one\n");
  source.write("sub/two", rows(300, 5));
  source.write("sub/deep/er/file", "deep\n");
  const hole = Buffer.alloc(200_000);
  hole.write("in the middle", 100_000);
  source.write("hole", hole);
  fs.linkSync(source.at("sub/one"), source.at("sub/one-too"));
  fs.linkSync(source.at("noise.bin"), source.at("two words/linked"));
  source.link("sub/one", "to-one");
  source.link("../outside/é", "dangling");
  source.folder("empty-folder", { mode: 0o700 });
  source.folder("sticky", { mode: 0o1777 });
}

/**
 * Makes a repository with everything that snapshots, restores, undos and labels
 * write.
 */
async function makeLife() {
  const frozen = await new Frozen(
    "life",
    "snapshots of two directories, deltas, restores that were undone and " +
      "redone, labels, a removed snapshot, a size limit",
  ).create("zstd");
  const { repository } = frozen;
  const source = new Source("life");
  const other = new Source("other");
  fill(source);
  const first = await frozen.take(source, { label: "the first" });
  source.write("notes.txt", "second\n");
  source.write("lines.txt", edited(rows(700), 3000, "an edit in the middle"));
  source.write("sub/two", edited(rows(300, 5), 1000, "another"));
  fs.rmSync(source.at("noise.bin"));
  fs.renameSync(source.at("two words/linked"), source.at("noise.bin"));
  await frozen.take(source);
  other.write("report.md", "# A report\n");
  other.write("same.txt", rows(700));
  await frozen.take(other, { label: "Other ünïcode" });
  fs.chmodSync(source.at("private"), 0o640);
  fs.renameSync(source.at("sub/two"), source.at("sub/moved"));
  fs.copyFileSync(source.at("lines.txt"), source.at("sub/copied"));
  setTimes(source.at("sub/copied"), 1_600_000_000_000_000_001n);
  fs.rmSync(source.at("empty"));
  fs.mkdirSync(source.at("empty"));
  source.folder("empty");
  source.write(".deltarignore", "*.tmp\ncache/\n");
  source.write("x.tmp", "left out\n");
  source.write("cache/y", "left out\n");
  const third = await frozen.take(source, { ignored: ["x.tmp", "cache"] });
  fs.rmSync(source.at("cache"), { recursive: true });
  fs.rmSync(source.at("x.tmp"));
  fs.rmSync(source.at(".deltarignore"));
  const going = await frozen.take(source, { label: "to be removed" });
  source.write("notes.txt", "fourth\n");
  source.write("later.txt", "came later\n");
  await frozen.take(source);
  // These are a restore over existing files, its undo, and the redo of the
  // undo.
  const before = source.state();
  await repository.restore(first, source.path, { delete: true });
  await frozen.noteSafety(source, before);
  const restored = source.state();
  await repository.undoRestore(source.path);
  await frozen.noteSafety(source, restored);
  const undone = source.state();
  await repository.redoRestore(source.path);
  await frozen.noteSafety(source, undone);
  await repository.label(third, "named later");
  frozen.expected.snapshots.find(({ id }) => id === third.id).label =
    "named later";
  await repository.label(first, undefined);
  delete frozen.expected.snapshots.find(({ id }) => id === first.id).label;
  await repository.forget(going);
  const { tree } = frozen.expected.snapshots.find(({ id }) => id === going.id);
  frozen.expected.snapshots = frozen.expected.snapshots
    .filter(({ id }) => id !== going.id);
  await repository.setMaxSize(1 << 30);
  await repository.drill({ scratch: SOURCES, files: 3 });
  frozen.finish({
    removed: [{ id: going.id, label: "to be removed", tree }],
    maxSize: 1 << 30,
    undo: Object.keys(undone).length,
  });
}

/**
 * Makes a repository with a large file that changes more often than a chain has
 * deltas.
 */
async function makeLarge() {
  const frozen = await new Frozen(
    "large",
    "a file above 1 MiB with eleven changes: deltas, composed deltas, and " +
      "its signature; one that was small before",
  ).create("zstd");
  const source = new Source("large");
  let large = rows(20_000);
  for (let at = 0; at <= 11; at++) {
    if (at > 0) large = edited(large, at * 90_001, `edit number ${at}`);
    source.write("large.txt", large);
    if (at % 5 === 0) source.write("grows.txt", rows(14_000 + 800 * at, 3));
    await frozen.take(source);
  }
  frozen.finish();
}

/** Makes a repository of small contents with gzip. */
async function makeGzip() {
  const frozen = await new Frozen("gzip", "the same with gzip").create("gzip");
  const source = new Source("gzip");
  fill(source);
  await frozen.take(source);
  source.write("notes.txt", "second\n");
  source.write("lines.txt", edited(rows(700), 3000, "an edit in the middle"));
  await frozen.take(source, { label: "compressed by gzip" });
  fs.rmSync(source.at("two words"), { recursive: true });
  await frozen.take(source);
  frozen.finish();
}

/** Makes a repository with volumes that prunes repacked, one of them twice. */
async function makePruned() {
  const frozen = await new Frozen(
    "pruned",
    "volumes moved once and twice, a snapshot in its grace, marks",
  ).create("zstd");
  const { repository } = frozen;
  const source = new Source("pruned");
  for (const name of "abcdef") {
    source.write(`${name}.txt`, rows(12_000, name.charCodeAt(0)));
  }
  const options = { volumeSize: 1 << 20 };
  await frozen.take(source, options);
  for (const name of "abcd") {
    source.write(`${name}.txt`, `${name} now\n`);
  }
  await frozen.take(source, options);
  fs.rmSync(source.at("e.txt"));
  source.write("g.txt", rows(12_000, 1));
  await frozen.take(source, options);
  const prune = async (keep, grace) => {
    const records = await repository.snapshots();
    for (const record of records.slice(0, -keep)) {
      await repository.forget(record);
    }
    const result = await repository.prune({}, { grace, patience: 0 });
    clock += DAY;
    return result;
  };
  const one = await prune(2, 0);
  const two = await prune(1, 0);
  if (one.repacked + two.repacked < 2) throw new Error("nothing was moved");
  source.write("f.txt", edited(rows(12_000, 102), 50_000, "after the move"));
  const last = await frozen.take(source, options);
  source.write("h.txt", "the last\n");
  await frozen.take(source, options);
  await repository.forget(last);
  await repository.prune({}, { patience: 0 });
  const { tree } = frozen.expected.snapshots.find(({ id }) => id === last.id);
  const ids = (await repository.snapshots()).map(({ id }) => id);
  frozen.expected.snapshots = frozen.expected.snapshots
    .filter(({ id }) => ids.includes(id));
  frozen.finish({ removed: [{ id: last.id, tree }] });
}

/** Returns a storage whose machine crashes at the nth put of a kind. */
function dying(storage, isLast) {
  let isDead = false;
  const check = (name) => {
    if (isLast?.(name)) isDead = true;
    if (isDead) throw new Error("the machine died");
  };
  return {
    location: storage.location,
    async *get(name, options) {
      check();
      yield* storage.get(name, options);
    },
    async put(name, source, options) {
      check(name);
      await storage.put(name, source, options);
    },
    async *list(prefix) {
      check();
      yield* storage.list(prefix);
    },
    async delete(name) {
      check(`-${name}`);
      await storage.delete(name);
    },
  };
}

async function killed(frozen, isLast, work) {
  const repository = await Repository.open(dying(frozen.storage, isLast));
  try {
    await work(repository);
  } catch (error) {
    if (/the machine died/.test(error.message)) return;
    throw error;
  }
  throw new Error("it did not die");
}

/** Makes a repository with the finished objects of killed runs. */
async function makeInterrupted() {
  const frozen = await new Frozen(
    "interrupted",
    "a snapshot whose machine died: its intent, checkpoints and volumes",
  ).create("zstd");
  const source = new Source("interrupted");
  for (let at = 0; at < 4; at++) source.write(`n${at}`, noise(4000, at + 9));
  await frozen.take(source, { volumeSize: 6000 });
  for (let at = 0; at < 6; at++) source.write(`m${at}`, noise(4000, at + 99));
  source.settle();
  await killed(
    frozen,
    (name) => name?.startsWith("trees/"),
    (repository) =>
      repository.snapshot(new Dir(source.path, { excludes: [] }), {
        volumeSize: 6000,
      }),
  );
  const next = frozen.tree(source.state());
  frozen.finish({ next });
}

/** Makes a repository with a prune that was killed after it stored its mark. */
async function makeCondemned() {
  const frozen = await new Frozen(
    "condemned",
    "a prune whose machine died: its lease and its mark",
  ).create("zstd");
  const source = new Source("condemned");
  const [first] = [
    await (source.write("a", noise(3000, 1)), frozen.take(source)),
    await (source.write("a", noise(3000, 2)), frozen.take(source)),
    await (source.write("b", noise(3000, 3)), frozen.take(source)),
  ];
  await frozen.repository.forget(first);
  clock += 2 * HOUR;
  await killed(
    frozen,
    (name) => name?.startsWith("-volumes/") || name?.startsWith("-trees/"),
    (repository) => repository.prune({}, { grace: HOUR, patience: 0 }),
  );
  frozen.expected.snapshots = frozen.expected.snapshots
    .filter(({ id }) => id !== first.id);
  frozen.finish();
}

/** Makes a small repository that is damaged afterwards. */
async function makeSmall(name, about) {
  const frozen = await new Frozen(name, about).create("zstd");
  const source = new Source(name);
  source.write("kept", "kept\n");
  source.write("a", noise(3000, 11));
  source.write("b", noise(3000, 12));
  fs.linkSync(source.at("a"), source.at("link-to-a"));
  const first = await frozen.take(source, { volumeSize: 4096 });
  source.write("c", noise(3000, 13));
  source.write("kept", "kept, and changed\n");
  const second = await frozen.take(source, { volumeSize: 4096 });
  source.write("d", noise(3000, 14));
  const third = await frozen.take(source, { volumeSize: 4096 });
  return { frozen, source, first, second, third };
}

/** Returns the volume in which a snapshot has the content of a path. */
async function volumeOf({ repository }, record, path) {
  const entry = await repository.lookup(record, path);
  return entry.content[0].reference.volume;
}

/**
 * Records the damage that verify reports, and the files that a restore cannot
 * produce.
 */
async function finishHarmed(frozen) {
  const { damage } = await frozen.repository.verify({ data: true });
  frozen.finish({
    damage: damage.map(({ object, kind, lost, files }) => ({
      object,
      kind,
      lost,
      files,
    })),
  });
}

async function makeHarmed() {
  const flipped = await makeSmall("flipped", "a bit of a volume is flipped");
  const volume = await volumeOf(flipped.frozen, flipped.first, "a");
  const place = join(flipped.frozen.folder, volume);
  const bytes = fs.readFileSync(place);
  bytes[1500] ^= 4;
  fs.writeFileSync(place, bytes);
  await finishHarmed(flipped.frozen);

  const cut = await makeSmall("cut-record", "the second record is cut short");
  const record = join(cut.frozen.folder, `snapshots/${cut.second.id}.json`);
  fs.truncateSync(record, 300);
  await finishHarmed(cut.frozen);

  const layer = await makeSmall(
    "no-layer",
    "the last snapshot's layer is gone",
  );
  fs.rmSync(join(layer.frozen.folder, layer.third.layers.at(-1).name));
  await finishHarmed(layer.frozen);

  const gone = await makeSmall("no-volume", "a volume is gone");
  fs.rmSync(
    join(gone.frozen.folder, await volumeOf(gone.frozen, gone.second, "c")),
  );
  await finishHarmed(gone.frozen);

  const mended = await makeSmall("repaired", "a volume was gone; repaired");
  fs.rmSync(
    join(
      mended.frozen.folder,
      await volumeOf(mended.frozen, mended.second, "c"),
    ),
  );
  const trees = mended.frozen.expected.snapshots.map(({ tree }) => tree);
  await mended.frozen.repository.repair();
  const after = await mended.frozen.repository.snapshots();
  mended.frozen.expected.snapshots = after.map((
    { id, label, repairs, directory },
    at,
  ) => {
    const tree = { ...trees[at] };
    // These files were in the same volume.
    if (repairs !== undefined) {
      delete tree.c;
      delete tree.kept;
    }
    return { id, label, repairs, directory, tree };
  });
  mended.frozen.finish();
}

/**
 * Writes archives, indexes, differences, signatures, deltas, and remembered
 * state.
 */
async function makeFiles() {
  const folder = join(out, "files");
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const source = new Source("files");
  fill(source);
  source.settle();
  const write = (name, bytes) => fs.writeFileSync(join(folder, name), bytes);
  const dir = new Dir(source.path, { excludes: [] });
  const before = await DirIndex.of(dir, { signatureMinimum: 0 });
  const frozen = new Frozen("files", "");
  const trees = { before: frozen.tree(source.state()) };
  await dir.compressTo(join(folder, "tree.tgz"));
  await dir.compressTo(join(folder, "tree.tar.zst"), { codec: "zstd" });
  await TarVolume.compress(
    dir,
    new LocalStorage(join(folder, "volumes")),
    "key",
    { volumeSize: 8192 },
  );
  await before.toFile(join(folder, "before.index.ndjson"));
  source.write("notes.txt", "second\n");
  source.write("lines.txt", edited(rows(700), 3000, "an edit in the middle"));
  source.write("new.txt", "new\n");
  fs.rmSync(source.at("sub/two"));
  source.settle();
  const after = await DirIndex.of(new Dir(source.path, { excludes: [] }), {
    previous: before,
  });
  trees.after = frozen.tree(source.state());
  await after.toFile(join(folder, "after.index.ndjson"));
  const diff = DiffIndex.compute(after, before);
  await diff.toFile(join(folder, "diff.ndjson"));
  await new DiffData(diff, new Dir(source.path, { excludes: [] }), before)
    .createArchive(join(folder, "diff.tgz"));
  const basis = rows(700);
  const target = edited(basis, 3000, "an edit in the middle");
  const last = edited(target, 9000, "and one more");
  const signature = signBytes(basis);
  write("basis", basis);
  write("signature", signature.encode());
  const one = deltaBytes(signature, target);
  const two = deltaBytes(signBytes(target), last);
  write("one.delta", one);
  write("two.delta", two);
  const parts = [];
  for await (const part of compose(bytesAccess(one), two)) parts.push(part);
  write("both.delta", Buffer.concat(parts));
  write("last", last);
  const cache = join(folder, "state");
  const repository = await Repository.create(
    new LocalStorage(join(SOURCES, "state-repository")),
  );
  clock += HOUR;
  await repository.snapshot(new Dir(source.path), { cache });
  fs.rmSync(join(SOURCES, "state-repository"), { recursive: true });
  fs.writeFileSync(
    join(folder, "expected.json"),
    `${JSON.stringify({ ...trees, nodes: frozen.nodes })}\n`,
  );
  console.log(`files: ${sizeOf(folder)} bytes`);
}

process.umask(0o022);
await makeLife();
await makeLarge();
await makeGzip();
await makePruned();
await makeInterrupted();
await makeCondemned();
await makeHarmed();
await makeFiles();
fs.rmSync(SOURCES, { recursive: true });
console.log(`all: ${sizeOf(out)} bytes`);
