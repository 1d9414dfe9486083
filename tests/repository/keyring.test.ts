import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generateHybridIdentity, identityToRecipient } from "age-encryption";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { decrypt, encrypt } from "../../lib/age/mod.ts";
import { concat } from "../../lib/bytes/source.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import { signListing } from "../../lib/repository/format/signed_listing.ts";
import type { RepositoryKeys } from "../../lib/repository/mod.ts";
import { Repository } from "../../lib/repository/repository.ts";
import {
  makeKeyPair,
  readPrivateKey,
  type SigningKey,
} from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { needs, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const mine = await newIdentity();
const to = await recipientOf(mine);

/** Makes a new repository with the key `main` for the identity `mine`. */
async function make(): Promise<
  { storage: MemoryStorage; repository: Repository; keys: RepositoryKeys }
> {
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage, {
    encrypt: { name: "main", to },
  });
  return { storage, repository, keys: keysOf(repository) };
}

function keysOf({ keys }: Repository): RepositoryKeys {
  if (keys === undefined) throw new Error("not encrypted");
  return keys;
}

async function opened(
  storage: MemoryStorage,
  ...keys: string[]
): Promise<RepositoryKeys> {
  return keysOf(await Repository.open(storage, { keys }));
}

async function signingKey(): Promise<SigningKey> {
  return await readPrivateKey(await makeKeyPair("a machine"));
}

/** Returns the text of a key file. */
async function textOf(
  storage: MemoryStorage,
  name: string,
  key: string,
): Promise<string> {
  const file = storage.get(`keys/${name}.age`);
  const bytes = concat(await Array.fromAsync(decrypt(file, [key])));
  return new TextDecoder().decode(bytes);
}

test("a key file names the recipient and the admin key", async () => {
  const { storage, repository, keys } = await make();
  const text = await textOf(storage, "main", mine);
  assert.equal(
    text,
    `# the identity of the deltar repository ${repository.id}
# recipient: ${keys.recipient()}
# admin: ${keys.adminPublicKey}
${keys.identities()[0]}
`,
  );
  assert.equal(keys.isWriteOnly, false);
  const again = await opened(storage, mine);
  assert.equal(again.openedBy, "main");
  assert.equal(again.adminPublicKey, keys.adminPublicKey);
  assert.equal(again.admin?.publicKey, keys.adminPublicKey);
  // A recovery sheet needs no key file.
  storage.objects.delete("keys/main.age");
  const sheet = await opened(storage, ...keys.identities());
  assert.equal(sheet.openedBy, "recovery sheet");
  assert.equal(sheet.adminPublicKey, keys.adminPublicKey);
});

test("a key file of an older version, which has only an identity, opens the repository", async () => {
  const { storage, keys } = await make();
  const { id } = await Repository.open(storage, { keys: [mine] });
  const text = `# the identity of the deltar repository ${id}\n` +
    `${keys.identities()[0]}\n`;
  const file = encrypt([new TextEncoder().encode(text)], [to]);
  await storage.put("keys/main.age", file);
  const again = await opened(storage, mine);
  assert.equal(again.adminPublicKey, keys.adminPublicKey);
  assert.equal(again.recipient(), keys.recipient());
});

test("a write-only key has the recipient, but no identity and no admin key", async () => {
  const { storage, repository, keys } = await make();
  const machine = await newIdentity();
  const { publicKey } = await signingKey();
  await assert.rejects(
    keys.add({ name: "w", kind: "write-only", to: { passphrase: "a" } }),
    TypeError,
  );
  await keys.add({
    name: "w",
    kind: "write-only",
    to: await recipientOf(machine),
    signer: { publicKey, machine: { id: "machine-1", host: "laptop" } },
  });
  const text = await textOf(storage, "w", machine);
  assert.match(
    text,
    /^# a write-only key .*\n# recipient: age1\w+\n# admin: ssh-ed25519 \S+\n# signature: \S+\n$/,
  );
  for (const secret of keys.identities()) assert.ok(!text.includes(secret));
  const writer = await opened(storage, machine);
  assert.equal(writer.isWriteOnly, true);
  assert.equal(writer.admin, undefined);
  assert.equal(writer.recipient(), keys.recipient());
  assert.equal(writer.adminPublicKey, keys.adminPublicKey);
  assert.equal(writer.openedBy, "w");
  assert.deepEqual(writer.identities(), []);
  // The key stores content in the repository, and decrypts nothing of it.
  await writer.decrypted().put("volumes/x", [Uint8Array.of(1)]);
  const read = (from: RepositoryKeys, name: string) =>
    Array.fromAsync(from.decrypted().get(name));
  await assert.rejects(read(writer, "volumes/x"), { code: "key" });
  assert.deepEqual(await read(keys, "volumes/x"), [Uint8Array.of(1)]);
  for (const name of storage.objects.keys()) {
    if (name === "deltar.json" || /^(?:keys|manifests)\//.test(name)) continue;
    const object = name.replace(/\.age$/, "");
    await assert.rejects(read(writer, object), { code: "key" }, object);
  }
  const refused = { code: "key" };
  await assert.rejects(writer.add({ name: "x", to }), refused);
  await assert.rejects(writer.remove("main"), refused);
  await assert.rejects(writer.signers.add(await aSigner()), refused);
  await assert.rejects(writer.signers.revoke(publicKey), refused);
  await assert.rejects(writer.signers.list(), refused);
  assert.deepEqual(await writer.list(), ["main", "w"]);
  // A machine that has both keys uses the full one.
  await keys.add({ name: "z", to: await recipientOf(machine) });
  assert.equal((await opened(storage, machine)).openedBy, "z");
  assert.equal(repository.id.length, 36);
});

async function aSigner() {
  const { publicKey } = await signingKey();
  return { publicKey, machine: { id: "some machine" } };
}

test("a write-only key file that another key signed is refused", async () => {
  const { storage, keys } = await make();
  const machine = await newIdentity();
  const own = await recipientOf(machine);
  await keys.add({ name: "w", kind: "write-only", to: own });
  const text = await textOf(storage, "w", machine);
  const stranger = await recipientOf(await newIdentity());
  const forged = text.replace(keys.recipient(), stranger);
  const put = (text: string) =>
    storage.put(
      "keys/w.age",
      encrypt([new TextEncoder().encode(text)], [own]),
    );
  await put(forged);
  await assert.rejects(opened(storage, machine), { code: "corrupt" });
  await put(text.replace(/# signature: .*\n/, ""));
  await assert.rejects(opened(storage, machine), { code: "corrupt" });
  // This is a whole other repository, whose storage knows the recipient of the
  // machine.
  const other = await make();
  await other.keys.add({ name: "w", kind: "write-only", to: own });
  storage.objects.set("keys/w.age", other.storage.objects.get("keys/w.age")!);
  const { adminPublicKey: admin } = keys;
  await assert.rejects(Repository.open(storage, { keys: [machine], admin }), {
    code: "mismatch",
  });
  await put(text);
  await Repository.open(storage, { keys: [machine], admin });
});

test(
  "ssh-keygen checks the signature of a write-only key file",
  needs("age", "ssh-keygen", "base64"),
  async () => {
    const { storage, keys } = await make();
    const machine = await newIdentity();
    await keys.add({
      name: "w",
      kind: "write-only",
      to: await recipientOf(machine),
    });
    await withTemp((folder) => {
      const at = (name: string) => join(folder, name);
      fs.writeFileSync(at("identity"), `${machine}\n`);
      fs.writeFileSync(at("w.age"), storage.objects.get("keys/w.age")!);
      fs.writeFileSync(at("signers"), `admin ${keys.adminPublicKey}\n`);
      const text = runText("age", ["-d", "-i", at("identity"), at("w.age")]);
      fs.writeFileSync(at("key"), text);
      const script = `cd "$1" && grep '^# signature: ' key | cut -c 14- |
        base64 -d >signature && grep -v '^# signature: ' key |
        ssh-keygen -Y verify -n deltar -f signers -I admin -s signature`;
      const { status, stderr } = spawnSync("sh", ["-c", script, "sh", folder]);
      assert.equal(status, 0, String(stderr));
    });
  },
);

test("holders name the kind, the recipient and the signer of each key", async () => {
  const { storage, keys } = await make();
  const machine = await newIdentity();
  const recipient = await recipientOf(machine);
  const signer = await aSigner();
  await keys.add({ name: "w", kind: "write-only", to: recipient, signer });
  await keys.add({ name: "words", to: { passphrase: "correct horse" } });
  const withoutTime = (await keys.holders()).map((holder) => {
    const { added, ...rest } = { added: 0, ...holder };
    assert.ok(Math.abs(added - Date.now()) < 3_600_000);
    return rest;
  });
  assert.deepEqual(withoutTime, [
    { name: "main", kind: "full", recipient: to },
    {
      name: "w",
      kind: "write-only",
      recipient,
      signer: signer.publicKey,
    },
    { name: "words", kind: "full" },
  ]);
  // A holder that another key signed does not count.
  const forged = await signListing(
    encodeLines("deltar-holder", 1, {
      name: "words",
      kind: "full",
      recipient,
      added: new Date().toISOString(),
    }, []),
    await signingKey(),
  );
  await keys.decrypted().put("holders/words.json", [forged]);
  const [, , words] = await keys.holders();
  assert.deepEqual(words, { name: "words", kind: "unknown" });
  await keys.remove("words");
  assert.ok(!storage.objects.has("holders/words.json.age"));
});

test("only the admin key adds and revokes signers", async () => {
  const { storage, keys } = await make();
  const { signers } = keys;
  const one = await aSigner();
  const { publicKey } = one;
  assert.equal(await signers.trust(publicKey), "unknown");
  await signers.add(one);
  await signers.add({ ...one, publicKey: `${publicKey} a comment` });
  assert.equal(await signers.trust(publicKey), "trusted");
  assert.equal(await signers.trust(keys.adminPublicKey), "trusted");
  const [listed, ...others] = await signers.list();
  assert.deepEqual(others, []);
  assert.deepEqual(listed.machine, { id: "some machine" });
  await signers.revoke(publicKey, Date.UTC(2026, 10, 26));
  assert.equal(await signers.trust(publicKey), "revoked");
  const again = (await opened(storage, mine)).signers;
  assert.equal(await again.trust(publicKey), "revoked");
  assert.equal((await again.list())[0].revoked, Date.UTC(2026, 10, 26));
  await assert.rejects(again.add(one), { code: "exists" });
  await assert.rejects(again.revoke((await aSigner()).publicKey), {
    code: "not-found",
  });
  // A signer that another key signed is refused and named, and the others are
  // listed.
  const other = await aSigner();
  await signers.add(other);
  const names = () =>
    [...storage.objects.keys()].filter((name) => name.startsWith("signers/"));
  const before = names();
  const third = await aSigner();
  await signers.add(third);
  const [name] = names().filter((name) => !before.includes(name));
  const forged = await signListing(
    encodeLines("deltar-signer", 1, {
      ...third,
      added: new Date().toISOString(),
    }, []),
    await signingKey(),
  );
  const object = name.replace(/\.age$/, "");
  await keys.decrypted().put(object, [forged]);
  const fresh = (await opened(storage, mine)).signers;
  await assert.rejects(fresh.list(), { code: "corrupt", object });
  const damage: string[] = [];
  const rest = await fresh.list(({ object = "" }) => void damage.push(object));
  assert.deepEqual(damage, [object]);
  assert.equal(rest.length, 2);
  assert.equal(await fresh.trust(third.publicKey), "unknown");
  assert.equal(await fresh.trust(other.publicKey), "trusted");
});

test("prune() keeps the holders and signers, and verify() reads them", async () => {
  const { repository, storage, keys } = await make();
  await keys.signers.add(await aSigner());
  const before = [...storage.objects.keys()].sort();
  await repository.prune({}, { grace: 0, patience: 0 });
  assert.deepEqual([...storage.objects.keys()].sort(), before);
  const { damage, leftOvers } = await repository.verify({ data: true });
  assert.deepEqual([damage, leftOvers], [[], []]);
  for (const folder of ["holders/", "signers/"]) {
    const name = before.find((name) => name.startsWith(folder)) ?? "";
    const bytes = storage.objects.get(name)!;
    storage.objects.set(name, bytes.slice(0, -1));
    const [found] = (await repository.verify()).damage;
    assert.equal(found.object, name.replace(/\.age$/, ""));
    storage.objects.set(name, bytes);
  }
});

test("a key for a post-quantum recipient opens the repository", async () => {
  const { storage, keys } = await make();
  const identity = await generateHybridIdentity();
  const recipient = await identityToRecipient(identity);
  assert.match(recipient, /^age1pq1/);
  await keys.add({ name: "pq", to: recipient });
  assert.equal((await opened(storage, identity)).openedBy, "pq");
});
