import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { before, test } from "node:test";
import { encrypt, newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { NONCE_BYTES, SEALED_BYTES } from "../../lib/age/payload.ts";
import type { DeltarError } from "../../lib/bytes/errors.ts";
import { collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { noise } from "../support/noise.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

const identity = await newIdentity();
const recipient = await recipientOf(identity);
const keys = [identity];

/** The stored objects of a repository that has one or more of every kind. */
let objects: ReadonlyMap<string, Uint8Array>;
/** The names of those that a verification checks: all but the left-overs. */
let checked: string[];
/** The recipient of the repository. */
let own: string;

before(async () => {
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage, {
    encrypt: { name: "me", to: recipient },
  });
  own = await repository.keys!.recipient();
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const write = (name: string, content: Uint8Array | string) =>
      fs.writeFileSync(join(root, name), content);
    const take = async () => {
      const { record } = await repository.snapshot(everything(root));
      return record;
    };
    // The volume of the first snapshot is moved, because most of it is gone.
    write("stays", noise(150_000, 1));
    write("large", noise(1_400_000, 2));
    const gone = await take();
    const large = noise(1_100_000, 3);
    write("large", large);
    const first = await take();
    await repository.forget(gone);
    const { repacked } = await repository.prune({}, { grace: 0, patience: 1 });
    assert.equal(repacked, 1);
    large[600_000] ^= 1;
    write("large", large);
    write("lines", "one line\n".repeat(500));
    const second = await take();
    write("other", "other");
    const third = await take();
    await repository.label(first, "a label");
    await repository.label(second, "another label");
    await repository.restore(second, join(folder, "target"));
    await repository.restore(first, join(folder, "another"));
    fs.writeFileSync(join(folder, "target/lines"), "mine");
    await repository.restore(third, join(folder, "target"));
    await repository.drill({ snapshot: second });
    await repository.drill({ snapshot: third });
    await repository.setMaxSize(1_000_000_000);
    for (const text of ["more", "yet more"]) {
      write("other", text);
      await repository.forget(await take());
    }
  });
  objects = storage.objects;
  const { damage, leftOvers } = await repository.verify({ data: true });
  assert.deepEqual(damage, []);
  const left = new Set(leftOvers.map(({ name }) => `${name}.age`));
  checked = [...objects.keys()].filter((name) => !left.has(name)).sort();
  const folders = new Set(checked.map((name) => name.split("/")[0]));
  assert.deepEqual([...folders].sort(), [
    "deltar.json",
    "holders",
    "keys",
    "labels",
    "manifests",
    "moves",
    "proofs",
    "removed",
    "restores",
    "settings",
    "signatures",
    "snapshots",
    "trees",
    "volumes",
  ]);
});

/** Asserts that a verification names an object that was replaced. */
async function assertFound(
  name: string,
  bytes: Uint8Array,
  what: string,
): Promise<void> {
  const storage = new MemoryStorage();
  for (const [other, kept] of objects) storage.objects.set(other, kept);
  storage.objects.set(name, bytes);
  const found: string[] = [];
  const onDamage = ({ object }: DeltarError) => {
    if (object !== undefined) found.push(object);
  };
  try {
    const repository = await Repository.open(storage, { keys, onDamage });
    const { damage } = await repository.verify({ data: true });
    // A message about a moved volume also names the move or the new volume.
    for (const { object, message } of damage) {
      found.push(
        object,
        ...message.match(/(?:moves\/)?volumes\/[^ :]+/g) ?? [],
      );
    }
  } catch (error) {
    const { code, object, message } = error as DeltarError;
    // A key file that no key opens may be that of somebody else.
    const isOther = code === "key" && /whose keys are me\. .* damaged/
      .test(message);
    found.push(isOther ? "keys/me.age" : object ?? `${error}`);
  }
  const plain = name.startsWith("keys/") ? name : name.replace(/\.age$/, "");
  assert.ok(found.includes(plain), `${name}, ${what}: ${found.join()}`);
}

/** Returns the offsets at which the parts of an age file begin. */
function partsOf(file: Uint8Array): number[] {
  const header = Buffer.from(file).indexOf("\n---");
  if (header < 0) return [];
  const nonce = Buffer.from(file).indexOf("\n", header + 1) + 1;
  const parts = [Buffer.from(file).indexOf("\n") + 1, header + 1, nonce];
  for (let at = nonce + NONCE_BYTES; at < file.length; at += SEALED_BYTES) {
    parts.push(at);
  }
  return parts;
}

test("verify() names an encrypted object in which any byte was changed", async () => {
  for (const [number, name] of checked.entries()) {
    const file = objects.get(name)!;
    const parts = partsOf(file);
    // Another byte of a part for each object: of the header, of its MAC, of the
    // nonce, of the first chunk and of the last one with its tag.
    const places = new Set([...parts.slice(0, 4), ...parts.slice(-1)]
      .map((at) => Math.min(at + number, file.length - 1)));
    if (process.env.SLOW && file.length < 10_000) {
      for (let at = 0; at < file.length; at++) places.add(at);
    }
    for (const at of places.add(0).add(file.length - 1 - number % 16)) {
      const changed = file.slice();
      changed[at] ^= 1 << number % 8;
      await assertFound(name, changed, `byte ${at}`);
    }
  }
});

test("verify() names an encrypted object that was cut at the end of any part", async () => {
  for (const name of checked) {
    const file = objects.get(name)!;
    // The header is cut once, and the chunks at the end of each.
    for (const end of [...partsOf(file).slice(2), file.length - 1]) {
      await assertFound(name, file.slice(0, end), `cut at ${end}`);
    }
  }
});

test("verify() names an encrypted object that was swapped with another", async () => {
  for (const [at, name] of checked.entries()) {
    // The names are in the order of their folders, so the next one mostly is of
    // the same kind.
    for (const next of [1, 2, 9]) {
      const other = checked[(at + next) % checked.length];
      const bytes = objects.get(other)!;
      await assertFound(name, bytes, `swapped with ${other}`);
    }
  }
});

test("verify() names an object that a stranger encrypted for the repository", async () => {
  const forged = (bytes: Uint8Array) => collect(encrypt([bytes], [own]));
  for (const name of checked) {
    if (name === "deltar.json") continue;
    const { length } = objects.get(name)!;
    await assertFound(name, await forged(noise(length - 200)), "noise");
    await assertFound(name, await forged(new Uint8Array(0)), "nothing");
  }
});
