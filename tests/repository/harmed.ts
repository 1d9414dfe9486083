import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { collect } from "../../lib/bytes/source.ts";
import type { Damage } from "../../lib/repository/verify/findings.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { namesBelow } from "../support/names_below.ts";
import { withTemp } from "../support/temp.ts";
import { everything, noise } from "./helpers.ts";

/** A repository in memory, and the contents of its snapshots. */
export interface Sample {
  storage: MemoryStorage;
  /** The SHA-256 of each file, by snapshot and path. */
  contents: Map<string, Map<string, string>>;
}

/**
 * Makes a repository of five snapshots with everything that a repository can
 * have: large files with deltas and signatures, small files with deltas,
 * layers, renamed, copied and linked files, and several volumes.
 */
export async function makeSample(): Promise<Sample> {
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage);
  const contents: Sample["contents"] = new Map();
  await withTemp(async (root) => {
    const take = async () => {
      const { record, isNew } = await repository
        .snapshot(everything(root), { volumeSize: 40_000 });
      assert.ok(isNew);
      contents.set(record.id, sumsOf(root));
    };
    const write = (path: string, content: string | Uint8Array) =>
      fs.writeFileSync(join(root, path), content);
    const large = noise(1_100_000, 77);
    fs.mkdirSync(join(root, "sub"));
    for (let at = 0; at < 12; at++) write(`sub/${at}`, noise(6000, at + 1));
    for (let at = 0; at < 40; at++) write(`small${at}`, `small ${at}`);
    write("large", large);
    write("empty", "");
    fs.linkSync(join(root, "sub/1"), join(root, "sub/link"));
    await take();
    large.set(noise(50, 5), 500_000);
    write("large", large);
    write("sub/3", Uint8Array.from([...noise(6000, 4), 1, 2, 3]));
    await take();
    large.set(noise(50, 6), 900_000);
    write("large", large);
    fs.renameSync(join(root, "sub/5"), join(root, "renamed"));
    fs.copyFileSync(join(root, "sub/7"), join(root, "copied"));
    await take();
    fs.rmSync(join(root, "sub/3"));
    write("other", noise(30_000, 50));
    await take();
    write("large", noise(1_200_000, 88));
    await take();
  });
  return { storage, contents };
}

function sumsOf(root: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const name of namesBelow(root)) {
    const place = join(root, name);
    if (!fs.lstatSync(place).isFile()) continue;
    sums.set(name, toHex(sha256(fs.readFileSync(place))));
  }
  return sums;
}

/** The losses: whole snapshots, and files of other snapshots. */
export interface Loss {
  lost: string[];
  files: string[];
}

/**
 * Reads all files of all original snapshots. Each content must be the stored
 * one, or its reading must fail.
 */
export async function readAll(
  storage: MemoryStorage,
  contents: Sample["contents"],
): Promise<Loss> {
  const loss: Loss = { lost: [], files: [] };
  const repository = await Repository.open(storage, { onDamage: () => {} });
  const records = new Map(
    (await repository.snapshots({ onDamage: () => {} })).map((
      record,
    ) => [record.id, record]),
  );
  const seen = new Map<string, string>();
  for (const [id, sums] of contents) {
    const record = records.get(id);
    const tree = record && await repository.tree(record).catch(() => undefined);
    if (record === undefined || tree === undefined) {
      loss.lost.push(id);
      continue;
    }
    const files = tree.entries
      .filter(({ kind }) => kind === "file" || kind === "hardlink");
    assert.deepEqual(
      files.map(({ path }) => path).sort(),
      [...sums.keys()].sort(),
    );
    for (const entry of files) {
      const key = JSON.stringify([entry.path, entry.sha256, entry.content]);
      let sum = entry.kind === "file" ? seen.get(key) : undefined;
      if (sum === undefined) {
        sum = await repository.readFile(record, entry.path)
          .then(collect)
          .then((bytes) => toHex(sha256(bytes)))
          .catch(() => "refused");
        seen.set(key, sum);
      }
      if (sum === "refused") loss.files.push(`${id} ${entry.path}`);
      else assert.equal(sum, sums.get(entry.path), `${id} ${entry.path}`);
    }
  }
  loss.files.sort();
  return loss;
}

/** Returns the losses that a verification reports, in the form of `Loss`. */
export function lossOf(damage: readonly Damage[]): Loss {
  const lost = [...new Set(damage.flatMap((one) => one.lost))].sort();
  const files = damage.flatMap((one) =>
    one.files.flatMap(({ path, snapshots }) =>
      snapshots.map((id) => `${id} ${path}`)
    )
  );
  return { lost, files: [...new Set(files)].sort() };
}
