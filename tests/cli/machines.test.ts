import assert from "node:assert/strict";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { encrypt } from "../../lib/age/mod.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import { collect } from "../../lib/bytes/source.ts";
import { type Place, withPlace } from "./helpers.ts";

/** Runs a command that must succeed, and returns its JSON. */
// deno-lint-ignore no-explicit-any
function json(place: Place, words: string[], env: object = {}): any {
  const { code, ...rest } = place.json(words, { env });
  assert.equal(code, 0, `${words}: ${JSON.stringify(rest)}`);
  return rest;
}

/** Returns the environment of a machine with its own home folder. */
function machine(place: Place, name: string): Record<string, string> {
  return {
    HOME: join(place.folder, name),
    XDG_DATA_HOME: join(place.folder, name, "data"),
    XDG_CACHE_HOME: join(place.folder, name, "cache"),
    DELTAR_REPOSITORY: join(place.folder, "repository"),
  };
}

test("snapshots name the machine, are signed, and form a separate sequence for each machine", async () => {
  await withPlace((place) => {
    const env = { DELTAR_REPOSITORY: join(place.folder, "repository") };
    const at = (id: string) => ({ ...env, DELTAR_MACHINE: id });
    place.write({ file: "a" });
    const a = json(place, ["snapshot"], at("web-1"));
    assert.equal(a.machine.id, "web-1");
    place.write({ file: "b" });
    const b = json(place, ["snapshot"], at("web-2"));
    assert.equal(b.parent, undefined);
    place.write({ file: "a2" });
    const a2 = json(place, ["snapshot"], at("web-1"));
    assert.equal(a2.parent, a.id);
    const list = json(place, ["list"], env);
    assert.deepEqual(
      list.snapshots.map((one: typeof a) => one.machine.id),
      ["web-1", "web-2", "web-1"],
    );
    for (const { signer } of list.snapshots) {
      assert.match(signer, /^ssh-ed25519 AAAA/);
    }
    const cat = (id: string) =>
      place.run(["cat", "latest", "file"], { env: at(id) });
    assert.equal(cat("web-1").out, "a2");
    assert.equal(cat("web-2").out, "b");
    // The machine of the configuration folder has no snapshots here.
    const third = place.run(["cat", "latest", "file"], { env });
    assert.equal(third.code, 1);
    assert.match(third.err, /on this machine/);
    for (const { id } of [b, a2]) assert.ok(third.err.includes(id), third.err);
    const wrong = place.run(["list"], { env: at("a b") });
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /DELTAR_MACHINE.*1 to 64/);
    // The id and the key do not change, and only the user can read them.
    const own = json(place, ["snapshot"], env);
    place.write({ file: "c" });
    assert.equal(json(place, ["snapshot"], env).machine.id, own.machine.id);
    const folder = join(place.folder, "home/.config/deltar");
    if (process.platform !== "win32") {
      const { mode } = fs.statSync(join(folder, "signing_key"));
      assert.equal(mode & 0o777, 0o600);
    }
    fs.writeFileSync(join(folder, "signing_key"), "damaged");
    const damaged = place.run(["snapshot"], { env });
    assert.equal(damaged.code, 1);
    assert.match(damaged.err, /signing_key/);
  });
});

test("verify names snapshots that are not signed by trusted keys", async () => {
  await withPlace((place) => {
    const [mine, other] = ["mine", "other"]
      .map((name) => machine(place, name));
    place.write({ file: "a" });
    const { id, signer } = json(place, ["snapshot"], mine);
    const signers = join(place.folder, "signers");
    fs.writeFileSync(signers, `# mine\nlaptop ${signer}\n`);
    const verify = (...words: string[]) =>
      place.json(["verify", ...words], { env: mine });
    assert.equal(verify("--signers", signers).code, 0);
    assert.deepEqual(verify().untrusted, []);
    const forged = json(place, ["snapshot"], other);
    const found = verify("--signers", signers);
    assert.equal(found.code, 1);
    assert.deepEqual(found.untrusted, [
      { id: forged.id, trust: "unknown", signer: forged.signer },
    ]);
    const { out } = place.run(["verify", "--signers", signers], { env: mine });
    assert.ok(out.includes(`snapshots/${forged.id}.json`), out);
    assert.ok(!out.includes(id), out);
    for (const [text, message] of [["", /no Ed25519 key/], ["x", /line 1/]]) {
      fs.writeFileSync(signers, String(text));
      const { code, err } = place.run(["verify", "--signers", signers], {
        env: mine,
      });
      assert.equal(code, 1);
      assert.match(err, message as RegExp);
    }
  });
});

test("verify --without-key and copy --mirror need no key", async () => {
  await withPlace((place) => {
    const mine = machine(place, "mine");
    const server = machine(place, "server");
    place.write({ file: "a".repeat(5000) });
    const { signer } = json(place, ["snapshot", "--encrypt"], mine);
    const signers = join(place.folder, "signers");
    const { admin } = json(place, ["key", "list"], mine);
    fs.writeFileSync(signers, `laptop ${signer}\nadmin ${admin}\n`);
    const keyless = ["verify", "--without-key", "--data", "--signers", signers];
    const whole = json(place, keyless, server);
    const { damage, unlisted, uncovered } = whole;
    assert.deepEqual([damage, unlisted, uncovered], [[], [], []]);
    // A key, its holder and the signer have their own manifests.
    assert.deepEqual(whole.manifests, { [signer]: 1, [admin]: 3 });
    const { out: text } = place.run(["key", "list"], { env: mine });
    assert.ok(text.endsWith(`\nAdmin key:\n${admin}\n`));
    const to = join(place.folder, "mirror");
    const copy = ["copy", "--mirror", "--to", to, "--signers", signers];
    assert.ok(json(place, copy, server).objects > 4);
    assert.equal(json(place, copy, server).objects, 0);
    // With a key, the mirror can be used as a repository.
    const { out } = place.run(["cat", "latest", "file"], {
      env: { ...mine, DELTAR_REPOSITORY: to },
    });
    assert.equal(out, "a".repeat(5000));
    const volumes = join(place.folder, "repository/volumes");
    const [volume] = fs.readdirSync(volumes);
    const bytes = fs.readFileSync(join(volumes, volume));
    bytes[bytes.length >> 1] ^= 1;
    fs.writeFileSync(join(volumes, volume), bytes);
    const damaged = place.json(keyless, { env: server });
    assert.equal(damaged.code, 1);
    assert.deepEqual(
      damaged.damage.map(({ object }: { object: string }) => object),
      [`volumes/${volume}`],
    );
    fs.rmSync(to, { recursive: true });
    const part = place.json(copy, { env: server });
    assert.equal(part.code, 3);
    assert.equal(fs.existsSync(join(to, "volumes", volume)), false);
    const plain = machine(place, "plain");
    plain.DELTAR_REPOSITORY = join(place.folder, "plain-repository");
    json(place, ["snapshot"], plain);
    const refused = place.run(["verify", "--without-key"], { env: plain });
    assert.equal(refused.code, 1);
    assert.match(refused.err, /not encrypted/);
  });
});

test("verify names a label that no trusted key signed, and says what to do", async () => {
  await withPlace(async (place) => {
    const mine = machine(place, "mine");
    place.write({ file: "content" });
    const { id } = json(place, ["snapshot", "--encrypt"], mine);
    const { recipient } = json(place, ["key", "show-recipient"], mine);
    const note = encodeLines(
      "deltar-label",
      1,
      { snapshot: id, label: "x" },
      [],
    );
    const name = `labels/${id}.20990101T000000Z-000000.json`;
    const path = join(place.folder, "repository", `${name}.age`);
    fs.mkdirSync(dirname(path));
    fs.writeFileSync(path, await collect(encrypt(note, [recipient])));
    const { code, out } = place.run(["verify"], { env: mine });
    assert.equal(code, 1);
    assert.match(out, /^labels\/.*: ignored: the label is not signed\n/);
    const [, advice] = /remove the label with `deltar (.*)`/.exec(out) ?? [];
    assert.equal(place.run(advice.split(" "), { env: mine }).code, 0);
    const { untrustedNotes } = json(place, ["verify"], mine);
    assert.deepEqual(untrustedNotes, []);
    const keyless = place.run(["verify", "--without-key"], { env: mine });
    assert.equal(keyless.code, 0);
    assert.ok(keyless.out.includes("Found 1 key or note without a manifest"));
    assert.ok(keyless.out.includes(`  ${name}.age\n`));
  });
});
