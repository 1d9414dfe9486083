/**
 * Repositories that the current code writes, one for each feature of the
 * format. `old_beside_new.test.ts` tests what an older version does with them.
 *
 * If you add a feature to the format, add it here, too.
 */
import process from "node:process";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import type { CodecName } from "../../lib/archive/codec.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import type { SnapshotOptions } from "../../lib/repository/snapshot/take_snapshot.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { whyNotMade } from "../../lib/tree/open_folder.ts";
import { setTimes } from "../../lib/tree/stat.ts";
import { dieAt, FaultyStorage } from "../support/faulty_storage.ts";
import { noise } from "../support/noise.ts";
import { stateOf } from "../support/trees.ts";
import { everything } from "../repository/helpers.ts";

/** The state of a directory by path. See `stateOf`. */
export type State = ReturnType<typeof stateOf>;

/** A repository that the current code creates, and its directory. */
export class Workshop {
  /** The directory. */
  readonly root: string;
  /** The folder of the repository. */
  readonly place: string;
  /** The state that a restore of each snapshot must produce. */
  readonly states: Map<string, State> = new Map();
  readonly #folder: string;
  #repository: Repository | undefined;

  /** Starts in an empty folder whose path has no symlink. */
  constructor(folder: string) {
    this.#folder = folder;
    this.root = this.another("root");
    this.place = join(folder, "repository");
  }

  /** Creates another directory. */
  another(name: string): string {
    const root = join(this.#folder, name);
    fs.mkdirSync(root);
    return root;
  }

  /** Returns the repository. The first call creates it. */
  async repository(codec: CodecName = "zstd"): Promise<Repository> {
    return this.#repository ??= await Repository.create(
      new LocalStorage(this.place),
      { codec },
    );
  }

  /** Writes a file below the directory. */
  write(path: string, content: string | Uint8Array, root = this.root): void {
    const place = join(root, path);
    fs.mkdirSync(dirname(place), { recursive: true });
    fs.writeFileSync(place, content);
  }

  /** Takes a snapshot, and remembers the state of the directory. */
  async take(
    options: SnapshotOptions = {},
    root = this.root,
  ): Promise<SnapshotRecord> {
    const { record } = await (await this.repository())
      .snapshot(everything(root), options);
    this.states.set(record.id, stateOf(root));
    return record;
  }
}

/** Returns text in which all lines differ. */
export function rows(count: number, seed = 0): string {
  const line = (at: number) =>
    `${at} ${"row ".repeat(1 + at * at % 31)}${seed}`;
  return Array.from({ length: count }, (_, at) => `${line(at)}\n`).join("");
}

/** Replaces a part of a file. */
export function edit(place: string, at: number, text: string): void {
  const bytes = fs.readFileSync(place);
  fs.writeFileSync(
    place,
    Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from(text),
      bytes.subarray(at),
    ]),
  );
}

/** Runs `work` with a clock that is wrong by some days. */
export async function withClock<Result>(
  days: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const now = Date.now;
  Date.now = () => now() + days * 86_400_000;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

/** Fills the directory with entries of each kind. */
function fill(shop: Workshop): void {
  shop.write("notes.txt", "first\n");
  shop.write("empty", "");
  shop.write("größe/naïve café.txt", "é\n");
  shop.write("two words/new\nline", "odd\n");
  shop.write("lines.txt", rows(600));
  shop.write("noise.bin", noise(5000));
  shop.write("tool", "#!/bin/sh\n");
  fs.chmodSync(join(shop.root, "tool"), 0o4755);
  shop.write("private", "secret\n");
  fs.chmodSync(join(shop.root, "private"), 0o600);
  shop.write("hole", new Uint8Array(300_000));
  fs.linkSync(join(shop.root, "noise.bin"), join(shop.root, "two words/link"));
  fs.symlinkSync("../outside", join(shop.root, "dangling"));
  fs.mkdirSync(join(shop.root, "sticky"));
  fs.chmodSync(join(shop.root, "sticky"), 0o1777);
}

/** The features. Each function fills a repository. */
export const FEATURES: Record<string, (shop: Workshop) => Promise<void>> = {
  "entries of every kind": async (shop) => {
    fill(shop);
    await shop.take();
    shop.write("notes.txt", "second\n");
    edit(join(shop.root, "lines.txt"), 3000, "in the middle");
    fs.renameSync(join(shop.root, "tool"), join(shop.root, "moved"));
    fs.rmSync(join(shop.root, "empty"));
    await shop.take({ label: "ünïcode" });
    fs.chmodSync(join(shop.root, "private"), 0o640);
    await shop.take();
  },

  "a named pipe": async (shop) => {
    fill(shop);
    await shop.take();
    // On Node, where a restore cannot create a pipe, snapshots with a pipe are
    // not restored.
    const canMake = whyNotMade("fifo") === undefined;
    execFileSync("mkfifo", ["-m", "640", join(shop.root, "pipe")]);
    setTimes(join(shop.root, "pipe"), 1_500_000_000_000_000_000n);
    for (const text of ["second\n", "third\n"]) {
      shop.write("notes.txt", text);
      const { id } = await shop.take();
      if (!canMake) shop.states.delete(id);
    }
    // The snapshot has no pipe, but one of its layers does.
    fs.rmSync(join(shop.root, "pipe"));
    await shop.take();
  },

  "names that are not valid UTF-8": async (shop) => {
    fill(shop);
    await shop.take();
    // macOS does not allow such names.
    if (process.platform !== "linux") return;
    // Not every runtime can read such names, so only the record is compared.
    const repository = await shop.repository();
    const raw = "\"$(printf 'caf\\351')\"";
    execFileSync("sh", ["-c", `echo 1 > ${raw}`], { cwd: shop.root });
    await repository.snapshot(everything(shop.root));
    execFileSync("sh", ["-c", `echo 2 >> ${raw}`], { cwd: shop.root });
    await repository.snapshot(everything(shop.root));
    // The snapshot has only valid names, but one of its layers does not.
    execFileSync("sh", ["-c", `rm ${raw}`], { cwd: shop.root });
    await shop.take();
  },

  "gzip": async (shop) => {
    await shop.repository("gzip");
    fill(shop);
    await shop.take();
    edit(join(shop.root, "lines.txt"), 3000, "in the middle");
    await shop.take();
  },

  "deltas of a large file": async (shop) => {
    shop.write("large", rows(20_000));
    await shop.take();
    for (let at = 0; at < 11; at++) {
      edit(join(shop.root, "large"), at * 90_001, `edit ${at}`);
      await shop.take();
    }
  },

  "sparse files": async (shop) => {
    const place = join(shop.root, "disk");
    shop.write("ordinary", "a");
    await shop.take();
    shop.write("disk", "");
    fs.truncateSync(place, 4_000_000);
    for (const offset of [1_500_000, 2_500_000]) {
      const fd = fs.openSync(place, "r+");
      fs.writeSync(fd, noise(9000, offset), 0, 9000, offset);
      fs.closeSync(fd);
      await shop.take();
    }
    fs.rmSync(place);
    await shop.take();
  },

  "a file that grew and shrank": async (shop) => {
    for (const count of [20_000, 60_000, 100, 30_000]) {
      shop.write("large", rows(count));
      await shop.take();
    }
  },

  "labels, proofs, a removed snapshot, a size limit": async (shop) => {
    const repository = await shop.repository();
    fill(shop);
    const first = await shop.take({ label: "one" });
    shop.write("a", "a");
    const second = await shop.take();
    shop.write("b", "b");
    await shop.take();
    await repository.label(first, "two");
    await repository.drill({ files: 2 });
    await repository.forget(second);
    shop.states.delete(second.id);
    await repository.setMaxSize(1 << 30);
  },

  "moved volumes": async (shop) => {
    const repository = await shop.repository();
    for (const name of "abcdef") {
      shop.write(name, rows(12_000, name.charCodeAt(0)));
    }
    const first = await shop.take();
    for (const name of "abcd") shop.write(name, name);
    const second = await shop.take();
    fs.rmSync(join(shop.root, "e"));
    await shop.take();
    for (const record of [first, second]) {
      await repository.forget(record);
      shop.states.delete(record.id);
      await repository.prune({}, { grace: 0, patience: 0 });
    }
  },

  "safety snapshots": async (shop) => {
    const repository = await shop.repository();
    fill(shop);
    const first = await shop.take();
    shop.write("notes.txt", "second\n");
    shop.write("later", "later\n");
    await shop.take();
    await repository.restore(first, shop.root, { delete: true });
    await repository.revert(shop.root);
    await repository.revert(shop.root, { direction: "redo" });
  },

  "restores into new directories": async (shop) => {
    const repository = await shop.repository();
    fill(shop);
    const record = await shop.take();
    const place = join(shop.root, "../restored");
    await repository.restore(record, join(place, "one"));
    await repository.restore(record, join(place, "two"));
    await repository.revert(join(place, "two"));
  },

  "an undo of some paths": async (shop) => {
    const repository = await shop.repository();
    fill(shop);
    const first = await shop.take();
    shop.write("notes.txt", "second\n");
    shop.write("lines.txt", "second\n");
    await shop.take();
    await repository.restore(first, shop.root);
    await repository.revert(shop.root, { paths: ["notes.txt"] });
  },

  "an interrupted run": async (shop) => {
    await shop.repository();
    for (let at = 0; at < 4; at++) shop.write(`n${at}`, noise(4000, at + 1));
    await shop.take({ volumeSize: 6000 });
    for (let at = 0; at < 6; at++) shop.write(`m${at}`, noise(4000, at + 50));
    const faulty = new FaultyStorage(
      new LocalStorage(shop.place),
      dieAt(26, "before"),
    );
    const dying = await Repository.open(faulty);
    await dying.snapshot(everything(shop.root), { volumeSize: 6000 })
      .catch(() => {});
  },

  "several directories with the same files": async (shop) => {
    const other = shop.another("other");
    shop.write("same", noise(20_000));
    shop.write("text", rows(3000));
    await shop.take();
    shop.write("copy/same", noise(20_000), other);
    shop.write("text", rows(3000), other);
    await shop.take({}, other);
    shop.write("more", "more", other);
    await shop.take({}, other);
  },

  "a clock that was ahead": async (shop) => {
    shop.write("a", "1");
    await withClock(-9, () => shop.take());
    shop.write("a", "2");
    await withClock(60, () => shop.take());
    for (let day = 8; day >= 0; day--) {
      shop.write("a", `day ${day}`);
      await withClock(-day, () => shop.take());
    }
  },

  "a prune that doubted its clock": async (shop) => {
    const repository = await shop.repository();
    for (const days of [-62, -61, -60]) {
      shop.write("a", `day ${days}`);
      await withClock(days, () => shop.take());
    }
    const prune = () => repository.prune({ last: 1 }, { patience: 0 });
    await withClock(-60, prune);
    await prune();
    const kept = await repository.snapshots();
    for (const id of shop.states.keys()) {
      if (!kept.some((record) => record.id === id)) shop.states.delete(id);
    }
  },

  "a repaired snapshot": async (shop) => {
    const repository = await shop.repository();
    shop.write("a", noise(3000, 1));
    await shop.take();
    shop.write("b", noise(3000, 2));
    const second = await shop.take();
    shop.write("c", noise(3000, 3));
    await shop.take();
    const { content } = (await repository.lookup(second, "b"))!;
    fs.rmSync(join(shop.place, content![0].reference.volume));
    await repository.repair();
    shop.states.clear();
  },
};
