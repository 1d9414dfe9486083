import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { closingLine } from "../../lib/bytes/listing.ts";
import { judge } from "../../lib/repository/prune/retention.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { needs } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

const one = { id: "m1", host: "one", user: "me" };
const two = { id: "m2", host: "two", user: "me" };

/** Opens a repository as each of two machines, and without a machine. */
async function open(): Promise<{
  storage: MemoryStorage;
  first: Repository;
  second: Repository;
  none: Repository;
}> {
  const storage = new MemoryStorage();
  await Repository.create(storage);
  return {
    storage,
    first: await Repository.open(storage, { machine: one }),
    second: await Repository.open(storage, { machine: two }),
    none: await Repository.open(storage),
  };
}

/** Writes a file and takes a snapshot. */
async function take(
  repository: Repository,
  root: string,
  content: string,
): Promise<string> {
  fs.writeFileSync(join(root, "file"), content);
  const { record } = await repository.snapshot(everything(root));
  return record.id;
}

test("two machines with the same directory have separate sequences of snapshots", async () => {
  await withTemp(async (root) => {
    const { first, second, none } = await open();
    const a = await take(first, root, "a");
    const b = await take(second, root, "b");
    const a2 = await take(first, root, "a2");
    const b2 = await take(second, root, "b2");
    const parents = new Map(
      (await none.snapshots()).map(({ id, parent }) => [id, parent]),
    );
    assert.deepEqual(
      [...parents.entries()].sort(),
      [
        [a, undefined],
        [b, undefined],
        [a2, a],
        [b2, b],
      ].sort(),
    );
    const options = { directory: root };
    assert.equal((await first.find("latest", options)).id, a2);
    assert.equal((await first.find("latest~1", options)).id, a);
    assert.equal((await second.find("latest", options)).id, b2);
    assert.equal((await none.find("latest", options)).id, b2);
    const machine = "m1";
    assert.equal((await second.find("latest", { ...options, machine })).id, a2);
    const { machine: named } = await first.find(a2);
    assert.deepEqual(named, one);
  });
});

test("a snapshot without a machine is continued by each machine", async () => {
  await withTemp(async (root) => {
    const { first, second, none } = await open();
    const old = await take(none, root, "old");
    const a = await first.snapshot(everything(root));
    assert.equal(a.isNew, false);
    fs.writeFileSync(join(root, "file"), "new");
    const b = await first.snapshot(everything(root));
    const c = await second.snapshot(everything(root));
    assert.equal(b.record.parent, old);
    assert.equal(c.record.parent, old);
  });
});

test("a machine without snapshots finds those of the only other machine, or an error lists all machines", async () => {
  await withTemp(async (root) => {
    const { first, second, storage } = await open();
    const a = await take(first, root, "a");
    const third = await Repository.open(storage, { machine: { id: "m3" } });
    const options = { directory: root };
    assert.equal((await third.find("latest", options)).id, a);
    const b = await take(second, root, "b");
    await assert.rejects(third.find("latest", options), (error: Error) => {
      for (const part of [`${root} on one: ${a}`, `${root} on two: ${b}`]) {
        assert.ok(error.message.includes(part), error.message);
      }
      return true;
    });
  });
});

test("retention rules count the snapshots of each machine separately", async () => {
  await withTemp(async (root) => {
    const { first, second, none } = await open();
    const old = await take(none, root, "old");
    const a = await take(first, root, "a");
    for (const text of ["b1", "b2", "b3"]) await take(second, root, text);
    const judged = judge(await none.snapshots(), { last: 1 });
    const kept = judged.filter(({ keep }) => keep).map(({ record }) => record);
    assert.deepEqual(kept.map(({ machine }) => machine?.id), ["m1", "m2"]);
    assert.equal(kept[0].id, a);
    assert.equal(judged[0].record.id, old);
    // The restore of one machine is not undone on the other one.
    const target = join(root, "file");
    const [, before] = await none.snapshots();
    await first.restore(before, root, { paths: ["file"] });
    assert.equal(fs.readFileSync(target, "utf8"), "a");
    await assert.rejects(second.revert(root), { code: "not-found" });
    await first.revert(root);
    assert.equal(fs.readFileSync(target, "utf8"), "b3");
  });
});

test(
  "ssh-keygen verifies the signature of a record, and every change is detected",
  needs("ssh-keygen"),
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      fs.mkdirSync(root);
      const key = await readPrivateKey(await makeKeyPair(""));
      const storage = new MemoryStorage();
      await Repository.create(storage);
      const machine = { ...one, key };
      const repository = await Repository.open(storage, { machine });
      const id = await take(repository, root, "a");
      assert.equal(
        (await repository.readRecord(id)).record.signer,
        key.publicKey,
      );
      const name = `snapshots/${id}.json`;
      const bytes = storage.objects.get(name)!;
      const [header, signature] = new TextDecoder().decode(bytes).split("\n");
      fs.writeFileSync(
        join(folder, "signature"),
        JSON.parse(signature).signature,
      );
      fs.writeFileSync(join(folder, "signers"), `m1 ${key.publicKey}\n`);
      const check = (text: string) =>
        spawnSync("ssh-keygen", [
          ...["-Y", "verify", "-f", "signers", "-I", "m1", "-n", "deltar"],
          ...["-s", "signature"],
        ], { cwd: folder, input: text }).status;
      assert.equal(check(`${header}\n`), 0);
      assert.notEqual(check(`${header.replace('"a"', '"b"')} \n`), 0);
      assert.equal(
        execFileSync("jq", ["-r", ".id // empty"], {
          input: bytes,
          encoding: "utf8",
        }).trim(),
        id,
      );
      for (let at = 0; at < bytes.length; at += 3) {
        const changed = bytes.slice();
        changed[at] ^= 1;
        storage.objects.set(name, changed);
        await assert.rejects(repository.readRecord(id), `byte ${at}`);
      }
      // A corrected checksum does not help.
      const forged = await forge(
        header.replace('"host":"one"', '"host":"two"'),
        signature,
      );
      storage.objects.set(name, forged);
      await assert.rejects(repository.readRecord(id), {
        code: "corrupt",
        message: /signature is not valid/,
      });
      const { damage } = await repository.verify();
      assert.deepEqual(damage.map(({ object }) => object), [name]);
    });
  },
);

/** Returns a listing of these lines with the right checksum. */
async function forge(...lines: string[]): Promise<Uint8Array> {
  const text = lines.map((line) => `${line}\n`).join("");
  const sum = await crypto.subtle
    .digest("SHA-256", new TextEncoder().encode(text));
  const last = closingLine(new Uint8Array(sum));
  return new TextEncoder().encode(text + last);
}
