import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { shellWord } from "../../cli/text.ts";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { noise } from "../support/noise.ts";
import { needs, runText } from "../support/peer.ts";
import { withS3Server } from "../support/s3_server.ts";
import { withWebServer } from "../support/web_server.ts";
import { Pty } from "../terminal/pty.ts";
import type { Shell } from "../terminal/shell.ts";
import { COMMAND, type Outcome, type Place, withPlace } from "./helpers.ts";

const posix = process.platform === "win32" ? { skip: "needs POSIX" } : {};

/** The texts that must not occur in encrypted objects. */
const SECRETS = ["hidden", "Kekse", "label of mine"];

/**
 * A repository for one identity, with two snapshots that contain the secrets.
 */
class Encrypted {
  readonly place: Place;
  /** The folder of the repository. */
  readonly folder: string;
  /** The file with the identity. */
  readonly identity: string;
  /** The environment of the owner. */
  readonly env: Record<string, string>;

  constructor(place: Place, folder: string, identity: string) {
    this.place = place;
    this.folder = folder;
    this.identity = identity;
    this.env = { DELTAR_REPOSITORY: folder, DELTAR_IDENTITY: identity };
  }

  /** Runs a command as the owner, and asserts that it succeeds. */
  run(words: string[], env = this.env): Outcome {
    const outcome = this.place.run(words, { env });
    assert.equal(outcome.code, 0, `${words}: ${outcome.out}${outcome.err}`);
    return outcome;
  }

  /** Runs a command with `--json` as the owner, and returns its result. */
  // deno-lint-ignore no-explicit-any
  json(words: string[], env = this.env): any {
    const { code, ...rest } = this.place.json(words, { env });
    assert.equal(code, 0, `${words}: ${JSON.stringify(rest)}`);
    return rest;
  }

  /** Runs a command that must fail, and returns its error as JSON. */
  refused(
    words: string[],
    env: Record<string, string> = {},
  ): { code: string; message: string; next?: string; shown: string } {
    const all = { ...this.env, ...env };
    const { code, err, out } = this.place.run(words, { env: all });
    assert.equal(code, 1, out + err);
    assert.doesNotMatch(err, /\n {4}at /, "a stack trace");
    const json = this.place.run([...words, "--json"], { env: all });
    assert.equal(json.code, 1);
    const { type, ...error } = JSON.parse(json.err);
    assert.equal(type, "error");
    assert.ok(err.includes(error.message), err);
    return { ...error, shown: err };
  }
}

function fill(place: Place): void {
  place.write({
    "hidden name.txt": "Kekse",
    "folder/lines": "Kekse and more\n".repeat(2000),
  });
  fs.writeFileSync(join(place.root, "large"), noise(1_500_000));
}

/**
 * Runs `work` with a repository that is encrypted for the given identity file.
 */
function withEncrypted(
  work: (encrypted: Encrypted) => void | Promise<void>,
  fileOf = (identity: string) => `${identity}\n`,
): Promise<void> {
  return withPlace(async (place) => {
    fill(place);
    const identity = join(place.folder, "identity");
    fs.writeFileSync(identity, fileOf(await newIdentity()));
    const folder = join(place.folder, "repository");
    const encrypted = new Encrypted(place, folder, identity);
    encrypted.run(["init", "--encrypt"]);
    encrypted.run(["snapshot", "--label", "label of mine"]);
    await work(encrypted);
  });
}

/** Returns the files below a folder. */
function filesIn(folder: string): string[] {
  return fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((file) => fs.statSync(file).isFile());
}

/** Asserts that no name or content of a file below a folder has a secret. */
function assertHidden(folder: string, secrets: readonly string[]): string[] {
  const files = filesIn(folder);
  for (const file of files) {
    const bytes = fs.readFileSync(file);
    for (const secret of secrets) {
      assert.ok(!file.slice(folder.length).includes(secret), file);
      assert.ok(!bytes.includes(secret), `${secret} in ${file}`);
    }
  }
  return files;
}

/** Runs a command while this process serves the repository. */
function runBeside(
  place: Place,
  words: string[],
  env: Record<string, string>,
): Promise<Outcome> {
  const [program, ...args] = [...COMMAND, ...words];
  const child = spawn(program, args, {
    cwd: place.root,
    env: { ...place.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => out += text);
  child.stderr.setEncoding("utf8").on("data", (text) => err += text);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

test("init --encrypt makes an identity in the configuration folder, and prints its path", async () => {
  await withPlace((place) => {
    const env = { DELTAR_REPOSITORY: "" };
    const { code, out, err } = place.run(["init", "--encrypt"], { env });
    assert.equal(code, 0, err);
    assert.match(out, /^Created the encrypted repository .*\n$/);
    const [, file] = /your new key, (.*?), opens the new repository/.exec(err)!;
    const config = process.platform === "linux"
      ? join(place.env.HOME, ".config")
      : place.env.HOME;
    if (process.platform !== "win32") {
      assert.ok(file.startsWith(config), file);
      assert.equal(fs.statSync(file).mode & 0o777, 0o600);
      assert.equal(fs.statSync(join(file, "..")).mode & 0o777, 0o700);
    }
    const text = fs.readFileSync(file, "utf8");
    assert.match(text, /^# recipient: age1\w+\nAGE-SECRET-KEY-1\w+\n$/);
    assert.ok(!`${out}${err}`.includes("AGE-SECRET-KEY"));
    // The advice can be typed as it is.
    const [, advised] = /`deltar (key recovery-sheet.*?)`/.exec(err)!;
    assert.equal(place.run(advised.split(" ")).code, 0);
    // The next repository has a key for the same identity, and the file is
    // unchanged.
    const repo = join(place.folder, "it's another");
    const next = place.run(["init", "--encrypt", "--repo", repo]);
    assert.equal(next.code, 0, next.err);
    assert.ok(next.err.includes(`your key, ${file}, opens`), next.err);
    assert.ok(next.err.includes(`--repo ${shellWord(repo)}`), next.err);
    assert.equal(fs.readFileSync(file, "utf8"), text);
    // Only a key and its manifest are left of an interrupted creation.
    fs.rmSync(join(repo, "deltar.json"));
    for (const folder of ["holders", "manifests/holders"]) {
      fs.rmSync(join(repo, folder), { recursive: true });
    }
    const cut = place.run(["init", "--encrypt", "--repo", repo]);
    assert.equal(cut.code, 1);
    assert.match(
      cut.err,
      /interrupted\. If no .*, delete the folder keys\/ and run/,
    );
    fs.rmSync(join(repo, "keys"), { recursive: true });
    assert.equal(place.run(["init", "--encrypt", "--repo", repo]).code, 0);
    // The commands work without any environment variable.
    place.write({ a: "a" });
    assert.equal(place.json(["snapshot"]).code, 0);
    assert.equal(place.json(["list"]).snapshots.length, 1);
    // The key is the first one, and `init` changes nothing when it runs again.
    const again = place.json(["init", "--encrypt"]);
    assert.deepEqual([again.code, again.encrypted], [0, true]);
    const [main, ...others] = place.json(["key", "list"]).keys;
    assert.deepEqual([main.name, main.kind, others], ["main", "full", []]);
  });
});

test("commands work in an encrypted repository, and no object has a secret in plain text", async () => {
  await withEncrypted((encrypted) => {
    const { place, folder } = encrypted;
    fs.appendFileSync(join(place.root, "large"), "some more");
    place.write({ "hidden name.txt": "second", "hidden too": "new" });
    const second = encrypted.json(["snapshot"]);
    assert.ok(second.counts.stored < 20_000, `${second.counts.stored}`);
    const { snapshots } = encrypted.json(["list"]);
    assert.equal(snapshots.length, 2);
    assert.equal(snapshots[0].label, "label of mine");
    const { out } = encrypted.run(["diff", "latest~1", "latest"]);
    assert.match(out, /^\+ hidden too$/m);
    assert.match(out, /^~ large(?:$|:)/m);
    const file = encrypted.run(["cat", "latest~1", "hidden name.txt"]);
    assert.equal(file.out, "Kekse");
    assert.match(encrypted.run(["files", "latest"]).out, /folder\/lines/);
    const target = join(place.folder, "restored");
    const restored = () =>
      fs.readFileSync(join(target, "hidden name.txt"), "utf8");
    encrypted.run(["restore", "latest", "--to", target]);
    assert.equal(restored(), "second");
    assert.deepEqual(
      fs.readFileSync(join(target, "large")),
      fs.readFileSync(join(place.root, "large")),
    );
    encrypted.run(["restore", "latest~1", "--to", target, "--delete"]);
    assert.equal(restored(), "Kekse");
    encrypted.run(["undo", target]);
    assert.equal(restored(), "second");
    encrypted.run(["redo", target]);
    assert.equal(restored(), "Kekse");
    encrypted.run(["drill"]);
    encrypted.run(["label", "latest", "Kekse, too"]);
    encrypted.run(["verify", "--data"]);
    assertHidden(folder, [...SECRETS, place.folder]);
    encrypted.run(["prune", "--keep-last", "1", "--grace", "0s"]);
    encrypted.run(["verify", "--data"]);
    const left = encrypted.json(["list"]).snapshots
      .filter(({ id }: { id: string }) => !id.endsWith("-safety"));
    assert.deepEqual(left.map(({ id }: { id: string }) => id), [second.id]);
    encrypted.run(["repair", "--dry-run"]);
    encrypted.run(["stats"]);
    const { findings } = encrypted.json(["doctor"]);
    const found = findings.find(
      ({ check }: { check: string }) => check === "repository",
    );
    assert.equal(found.state, "ok", found.detail);
    const settings = fs.readFileSync(join(folder, "deltar.json"), "utf8");
    const recipient = encrypted.run(["key", "show-recipient"]).out.trim();
    assert.match(recipient, /^age1\w{58}$/);
    assert.ok(!settings.includes(recipient));
    for (const file of assertHidden(folder, SECRETS)) {
      if (file.endsWith("deltar.json")) continue;
      assert.ok(file.endsWith(".age") || file.includes("/manifests/"), file);
      assert.ok(!fs.readFileSync(file).includes(recipient), file);
    }
  });
});

test("snapshot and copy encrypt a new repository, and no other", async () => {
  await withEncrypted((encrypted) => {
    const { place } = encrypted;
    const { DELTAR_IDENTITY } = encrypted.env;
    const at = (name: string) => ({
      DELTAR_IDENTITY,
      DELTAR_REPOSITORY: join(place.folder, name),
    });
    encrypted.run(["snapshot", "--init", "--encrypt"], at("taken"));
    assertHidden(join(place.folder, "taken"), SECRETS);
    // Copies to an unencrypted repository, to another encrypted one, and back.
    encrypted.run(["copy", "--to", at("plain").DELTAR_REPOSITORY]);
    const second = at("second").DELTAR_REPOSITORY;
    encrypted.run(["copy", "--encrypt", "--to", second], at("plain"));
    encrypted.run(["copy", "--to", second]);
    assertHidden(second, SECRETS);
    const ids = (env: Record<string, string>) =>
      encrypted.json(["list"], env).snapshots.map(
        ({ id }: { id: string }) => id,
      );
    for (const name of ["plain", "second"]) {
      assert.deepEqual(ids(at(name)), ids(encrypted.env));
      encrypted.run(["verify", "--data"], at(name));
      const { out } = encrypted.run(
        ["cat", "latest", "hidden name.txt"],
        at(name),
      );
      assert.equal(out, "Kekse");
    }
    for (
      const words of [
        ["init", "--encrypt"],
        ["snapshot", "--encrypt"],
        ["snapshot", "--init", "--encrypt"],
      ]
    ) {
      const { code, message } = encrypted.refused(words, at("plain"));
      assert.equal(code, "exists");
      assert.match(message, /is not encrypted.*`deltar copy`/);
    }
    const plain = encrypted.refused(["copy", "--encrypt", "--to", "../plain"]);
    assert.equal(plain.code, "exists");
    assert.equal(ids(at("plain")).length, 1);
    const none = encrypted.refused(["key", "list"], at("plain"));
    assert.match(none.message, /not encrypted, so it has no keys/);
  });
});

test("backup of the configuration makes an encrypted repository", async () => {
  await withPlace(async (place) => {
    fill(place);
    const identity = join(place.folder, "identity");
    fs.writeFileSync(identity, await newIdentity());
    const config = join(place.folder, "config.json");
    const backup = {
      directory: "root",
      repo: "backups",
      snapshot: { encrypt: true },
    };
    fs.writeFileSync(config, JSON.stringify({ backups: { root: backup } }));
    const env = { DELTAR_IDENTITY: identity };
    for (const number of [1, 2]) {
      const run = place.run(["backup", "--config", config], { env });
      assert.equal(run.code, 0, run.err);
      const list = ["list", "--repo", "../backups"];
      assert.equal(place.json(list, { env }).snapshots.length, number);
      place.write({ more: "more" });
    }
    assertHidden(join(place.folder, "backups"), SECRETS);
    const stranger = place.run(["backup", "--config", config]);
    assert.equal(stranger.code, 1);
    assert.match(stranger.err, /the repository is encrypted; give a key/);
  });
});

test(
  "DELTAR_IDENTITY can name a file that age-keygen made",
  needs("age", "age-keygen"),
  async () => {
    await withPlace((place) => {
      fill(place);
      const file = join(place.folder, "made by age");
      runText("age-keygen", ["-o", file]);
      const made = fs.readFileSync(file, "utf8");
      const encrypted = new Encrypted(
        place,
        join(place.folder, "repository"),
        file,
      );
      encrypted.run(["init", "--encrypt"]);
      encrypted.run(["snapshot"]);
      const [identity] = /^AGE-SECRET-KEY-.*$/m.exec(made)!;
      const others = {
        "with CRLF": made.replaceAll("\n", "\r\n"),
        "with comments, a mark and no end":
          `\uFEFF# mine\n\n  # AGE\n${identity}`,
        "in small letters": identity.toLowerCase(),
      };
      for (const [what, text] of Object.entries(others)) {
        fs.writeFileSync(file, text);
        assert.equal(encrypted.json(["list"]).snapshots.length, 1, what);
      }
      // Without deltar, the decrypted key file is the identity file for all
      // other objects.
      fs.writeFileSync(file, made);
      const key = join(encrypted.folder, "keys/main.age");
      const own = join(place.folder, "of the repository");
      fs.writeFileSync(own, runText("age", ["-d", "-i", file, key]));
      const records = join(encrypted.folder, "snapshots");
      const [record] = fs.readdirSync(records);
      const text = runText("age", ["-d", "-i", own, join(records, record)]);
      assert.match(text, /^\{"format":"deltar-snapshot"/);
    });
  },
);

test("with two identities in one file, the first encrypts and both decrypt", async () => {
  await withEncrypted(async (encrypted) => {
    const { identity, place } = encrypted;
    const other = await newIdentity();
    const first = fs.readFileSync(identity, "utf8");
    fs.writeFileSync(identity, `${other}\n${first}`);
    assert.equal(encrypted.json(["list"]).snapshots.length, 1);
    const second = join(place.folder, "second");
    const env = { ...encrypted.env, DELTAR_REPOSITORY: second };
    encrypted.run(["init", "--encrypt"], env);
    fs.writeFileSync(identity, other);
    encrypted.run(["list", "--json"], env);
    fs.writeFileSync(identity, first);
    assert.equal(encrypted.refused(["list"], env).code, "key");
  });
});

test("a passphrase comes from a file or a command", async () => {
  await withPlace((place) => {
    fill(place);
    const file = join(place.folder, "passphrase");
    fs.writeFileSync(file, "größe, horse 'battery'\r\nsecond line\n");
    const folder = join(place.folder, "repository");
    const byFile = { DELTAR_REPOSITORY: folder, DELTAR_PASSPHRASE_FILE: file };
    const encrypted = new Encrypted(place, folder, "");
    encrypted.run(["init", "--encrypt"], byFile);
    // No identity was made, because the passphrase is the key.
    assert.deepEqual(
      filesIn(place.env.HOME).filter((one) => one.endsWith("identity")),
      [],
    );
    encrypted.run(["snapshot"], byFile);
    const command = process.platform === "win32"
      ? `type "${file}"`
      : `cat ${shellWord(file)}`;
    const byCommand = {
      DELTAR_REPOSITORY: folder,
      DELTAR_PASSPHRASE_COMMAND: command,
    };
    assert.equal(encrypted.json(["list"], byCommand).snapshots.length, 1);
    const failed = (env: Record<string, string>) =>
      encrypted.refused(["list"], { DELTAR_IDENTITY: "", ...env });
    fs.writeFileSync(file, "wrong horse\n");
    for (
      const [env, message] of [
        [{ DELTAR_PASSPHRASE_FILE: file }, /none of the given keys opens/],
        [{ DELTAR_PASSPHRASE_COMMAND: command }, /none of the given keys/],
        [
          { DELTAR_PASSPHRASE_FILE: join(place.folder, "none") },
          /none: cannot read the passphrase: no such file$/,
        ],
        [
          { DELTAR_PASSPHRASE_COMMAND: "echo wrong horse; exit 3" },
          /DELTAR_PASSPHRASE_COMMAND: .*failed; run the command alone to test it$/,
        ],
      ] as const
    ) {
      const { code, message: text, next, shown } = failed(env);
      assert.equal(code, "key");
      assert.match(text, message);
      assert.match(next!, /`deltar help key`/);
      assert.doesNotMatch(shown, /horse/);
    }
    fs.writeFileSync(file, "\nsecond\n");
    const empty = failed({ DELTAR_PASSPHRASE_FILE: file });
    assert.match(empty.message, /the first line is empty/);
  });
});

test("each kind of missing or wrong key has its own message with advice", async () => {
  await withEncrypted(async (encrypted) => {
    const { place, folder, identity } = encrypted;
    const other = join(place.folder, "other");
    const valid = fs.readFileSync(identity, "utf8");
    const messages = new Set<string>();
    const failed = (env: Record<string, string>, message: RegExp) => {
      const error = encrypted.refused(["list"], env);
      assert.match(error.message, message);
      assert.ok(error.next, error.message);
      assert.ok(!error.shown.includes(valid.trim()));
      messages.add(error.message);
      return error.code;
    };
    const isOther = { DELTAR_IDENTITY: other };
    assert.equal(
      failed({ DELTAR_IDENTITY: "" }, /is encrypted; give a key$/),
      "key",
    );
    assert.equal(
      failed(isOther, /other: .*the identity: no such file$/),
      "key",
    );
    fs.writeFileSync(other, "");
    assert.equal(failed(isOther, /other: no age identity in this file/), "key");
    fs.writeFileSync(other, "# mine\n" + valid.slice(0, 30));
    assert.equal(failed(isOther, /identity on line 2 is not valid/), "key");
    fs.writeFileSync(other, await newIdentity());
    assert.equal(
      failed(
        isOther,
        /none of the given keys opens this repository; its keys are main\./,
      ),
      "key",
    );
    const key = join(folder, "keys/main.age");
    const good = fs.readFileSync(key);
    // One file has a wrong authentication tag, and the other a truncated
    // header.
    const bad = Buffer.from(good);
    bad[bad.length - 1] ^= 1;
    fs.writeFileSync(key, bad);
    assert.equal(failed({}, /^keys\/main\.age: /), "corrupt");
    fs.writeFileSync(key, good.subarray(0, 100));
    assert.equal(failed({}, /^keys\/main\.age: .* ends /), "truncated");
    fs.rmSync(key);
    assert.equal(failed({}, /all of its key files are missing/), "key");
    assert.equal(messages.size, 8);
    fs.writeFileSync(key, good);
    encrypted.run(["list"]);
    // Commands without a key write nothing.
    const before = filesIn(folder);
    for (const words of [["snapshot"], ["prune"], ["repair"], ["verify"]]) {
      assert.equal(encrypted.refused(words, isOther).code, "key");
    }
    const doctor = place.json(["doctor"], {
      env: { ...encrypted.env, ...isOther },
    });
    assert.equal(doctor.code, 1);
    assert.match(JSON.stringify(doctor), /none of .*`deltar help key`/);
    assert.deepEqual(filesIn(folder), before);
  });
});

test("key adds and removes keys, but not the last one", async () => {
  await withEncrypted(async (encrypted) => {
    const { place } = encrypted;
    const laptop = join(place.folder, "laptop");
    fs.writeFileSync(laptop, await newIdentity());
    const recipient = await recipientOf(fs.readFileSync(laptop, "utf8"));
    const pass = join(place.folder, "pass");
    fs.writeFileSync(pass, "correct horse\n");
    const byLaptop = { ...encrypted.env, DELTAR_IDENTITY: laptop };
    const byPass = {
      ...encrypted.env,
      DELTAR_IDENTITY: "",
      DELTAR_PASSPHRASE_FILE: pass,
    };
    const added = encrypted
      .run(["key", "add", "laptop", "--recipient", recipient]);
    assert.equal(
      added.out,
      "Added the key laptop. The repository has 2 keys.\n",
    );
    encrypted.json(["key", "add", "paper", "--passphrase-file", pass]);
    const { keys } = encrypted.json(["key", "list"]);
    assert.deepEqual(
      keys.map(({ name, recipient }: Record<string, string>) => [
        name,
        recipient === undefined,
      ]),
      [["laptop", false], ["main", false], ["paper", true]],
    );
    const { out: list } = encrypted.run(["key", "list"]);
    assert.match(
      list,
      /^laptop {2}full {8}age1\w+\nmain .*\npaper .*phrase\n\nSigners:\n.* ssh-ed25519 \w+/,
    );
    const show = ["key", "show-recipient"];
    const { recipient: own } = encrypted.json(show);
    assert.equal(encrypted.json(show, byLaptop).recipient, own);
    assert.equal(encrypted.json(show, byPass).recipient, own);

    const failed = (words: string[], code: string, message: RegExp) => {
      const error = encrypted.refused(["key", ...words]);
      assert.equal(error.code, code);
      assert.match(error.message, message);
    };
    const forLaptop = ["--recipient", recipient];
    failed(["add", "main", ...forLaptop], "exists", /choose another name/);
    for (const name of ["../x", "a b", ".x", "x".repeat(65)]) {
      failed(
        ["add", name, ...forLaptop],
        "unsupported",
        /invalid key name/,
      );
      failed(["remove", name], "unsupported", /invalid key name/);
    }
    failed(["add", "y", "--recipient", "age1x"], "unsupported", /age1…/);
    failed(["add", "y"], "key", /`--recipient` or `--passphrase-file`/);
    const none = join(place.folder, "none");
    failed(["add", "y", "--passphrase-file", none], "key", /no such file/);
    failed(["remove", "y"], "not-found", /existing keys: laptop, main, paper/);
    for (const words of [["add"], ["remove"], ["list", "x"], ["revoke"]]) {
      const { code } = place.run(["key", ...words], { env: encrypted.env });
      assert.equal(code, 2, words.join());
    }

    encrypted.run(["key", "remove", "main"]);
    assert.equal(encrypted.refused(["list"]).code, "key");
    const removed = encrypted.run(["key", "remove", "paper"], byLaptop);
    assert.match(removed.err, /might have kept the identity/);
    const last = encrypted.refused(["key", "remove", "laptop"], byLaptop);
    assert.equal(last.code, "unsafe");
    assert.match(last.message, /cannot remove the last full key/);
    encrypted.run(["verify", "--data"], byLaptop);
  });
});

test("key add --write-only works with the line that show-machine prints", async () => {
  await withEncrypted((encrypted) => {
    const { place } = encrypted;
    const home = join(place.folder, "other home");
    const machine = {
      HOME: home,
      XDG_CONFIG_HOME: join(home, ".config"),
      XDG_DATA_HOME: join(home, "data"),
      XDG_CACHE_HOME: join(home, "cache"),
      DELTAR_REPOSITORY: encrypted.folder,
      DELTAR_IDENTITY: "",
    };
    const shown = encrypted.json(["key", "show-machine"], machine);
    assert.match(shown.recipient, /^age1\w+$/);
    assert.match(shown.signer, /^ssh-ed25519 \S+$/);
    const { out } = encrypted.run(["key", "show-machine"], machine);
    const [, line] = /^ {4}(.* key add .*)$/m.exec(out)!;
    for (
      const { length } of [shown.recipient, shown.signer, shown.machine.id]
    ) {
      assert.ok(length > 8);
    }
    assert.ok(line.includes(`--recipient ${shown.recipient} `), line);
    assert.ok(line.includes(`--signer '${shown.signer}'`), line);
    encrypted.run([
      ...["key", "add", "writer", "--write-only"],
      ...["--recipient", shown.recipient, "--signer", shown.signer],
      ...["--machine", shown.machine.id],
    ]);
    const { keys, signers } = encrypted.json(["key", "list"]);
    assert.deepEqual(keys[1].kind, "write-only");
    assert.equal(keys[1].recipient, shown.recipient);
    const signer = signers.find(({ publicKey }: { publicKey: string }) =>
      publicKey === shown.signer
    );
    assert.equal(signer.machine.id, shown.machine.id);
    const { out: list } = encrypted.run(["key", "list"]);
    assert.match(list, /^writer {2}write-only {2}age1/m);
    assert.ok(list.includes(`${shown.machine.id}  ${shown.signer}\n`), list);

    // The machine can use only some key commands.
    const recipient = encrypted.run(["key", "show-recipient"]).out;
    assert.equal(
      encrypted.run(["key", "show-recipient"], machine).out,
      recipient,
    );
    for (
      const words of [
        ["recovery-sheet", "--yes"],
        ["add", "x", "--recipient", shown.recipient],
        ["remove", "main"],
        ["rotate"],
        ["revoke", shown.machine.id],
      ]
    ) {
      const error = encrypted.refused(["key", ...words], machine);
      assert.equal(error.code, "key", words.join(" "));
    }
    const needs = encrypted.refused(["key", "add", "x", "--write-only"]);
    assert.match(needs.message, /show-machine/);
    const unnamed = encrypted.refused([
      ...["key", "add", "x", "--write-only"],
      ...["--recipient", shown.recipient, "--signer", shown.signer],
    ]);
    assert.match(unnamed.message, /--machine/);
    encrypted.run(["key", "rotate"]);
    const rotated = encrypted.run(["key", "show-recipient"], machine).out;
    assert.notEqual(rotated, recipient);
    assert.equal(rotated, encrypted.run(["key", "show-recipient"]).out);

    const revoked = encrypted.run(["key", "revoke", shown.machine.id]);
    assert.match(revoked.out, /^Revoked 1 signing key of /);
    assert.match(encrypted.run(["key", "list"]).out, / revoked \d{4}-/);
    const none = encrypted.refused(["key", "revoke", "nobody"]);
    assert.equal(none.code, "not-found");
    const removed = encrypted.run(["key", "remove", "writer"]);
    assert.match(removed.err, /are no longer trusted/);
    assert.equal(
      encrypted.refused(["key", "list"], machine).code,
      "key",
    );
  });
});

test("key rotate shuts out removed keys and old recovery sheets", async () => {
  await withEncrypted(async (encrypted) => {
    const { place, folder } = encrypted;
    const laptop = join(place.folder, "laptop");
    fs.writeFileSync(laptop, await newIdentity());
    const recipient = await recipientOf(fs.readFileSync(laptop, "utf8"));
    encrypted.run(["key", "add", "laptop", "--recipient", recipient]);
    const old = encrypted.json(["key", "recovery-sheet"]).identities;
    const removed = encrypted.run(["key", "remove", "laptop"]);
    assert.match(removed.err, /`deltar key rotate`/);
    const { out, err } = encrypted.run(["key", "rotate"]);
    assert.match(out, /a new identity\. Updated 1 key\./);
    assert.match(err, /Print a new sheet/);
    place.write({ "new and hidden": "Kekse" });
    const { id } = encrypted.json(["snapshot"]);
    encrypted.run(["verify", "--data"]);
    const { identities } = encrypted.json(["key", "recovery-sheet"]);
    assert.deepEqual(identities.slice(1), old);
    const sheet = encrypted.run(["key", "recovery-sheet"]).out;
    for (const identity of identities) assert.ok(sheet.includes(identity));
    const file = join(place.folder, "from paper");
    const byPaper = { ...encrypted.env, DELTAR_IDENTITY: file };
    fs.writeFileSync(file, identities.join("\n"));
    assert.equal(encrypted.json(["list"], byPaper).snapshots.at(-1).id, id);
    fs.writeFileSync(file, old.join("\n"));
    const later = place.run(["list"], { env: byPaper });
    assert.equal(later.code, 3);
    assert.match(later.err, /is not encrypted for the keys of this repository/);
    // The pins of the machines and the settings are unchanged.
    encrypted.run(["list"]);
    assertHidden(folder, SECRETS);
  });
});

test("key rekey shuts out removed keys from older objects", async () => {
  await withEncrypted((encrypted) => {
    const { place, folder } = encrypted;
    encrypted.run(["snapshot"]);
    const old = encrypted.json(["key", "recovery-sheet"]).identities;
    const nothing = encrypted.run(["key", "rekey"]).out;
    assert.match(nothing, /^No objects need to be stored again /);
    encrypted.run(["key", "rotate"]);
    const file = join(place.folder, "from paper");
    const byPaper = { ...encrypted.env, DELTAR_IDENTITY: file };
    fs.writeFileSync(file, old.join("\n"));
    encrypted.run(["list"], byPaper);
    const planned = encrypted.run(["key", "rekey", "--dry-run"]).out;
    assert.match(
      planned,
      /^Would store \d+ objects \(.*\) again for the newest/,
    );
    encrypted.run(["list"], byPaper);
    const { out, err } = encrypted.run(["key", "rekey"]);
    assert.equal(out, planned.replace("Would store", "Stored"));
    assert.match(err, /no longer decrypt the repository\. Print a new one/);
    const refused = encrypted.refused(["list"], byPaper);
    assert.equal(refused.code, "key");
    assert.match(refused.message, /older than the last rekey/);
    const { identities } = encrypted.json(["key", "recovery-sheet"]);
    fs.writeFileSync(file, identities.join("\n"));
    encrypted.run(["verify", "--data"], byPaper);
    encrypted.run(["verify", "--data"]);
    encrypted.run(["verify", "--without-key", "--data"]);
    const result = encrypted.json(["key", "rekey"]);
    assert.deepEqual([result.objects, result.retired], [0, 0]);
    assertHidden(folder, SECRETS);
  });
});

test("doctor warns until a drill succeeds with a key that is not on this machine", async () => {
  await withEncrypted((encrypted) => {
    const { place } = encrypted;
    const state = () =>
      encrypted.json(["doctor"]).findings.find(
        ({ check }: { check: string }) => check === "second key",
      ).state;
    assert.equal(state(), "warning");
    encrypted.run(["drill"]);
    assert.equal(state(), "warning");
    const file = join(place.folder, "from paper");
    const byPaper = { ...encrypted.env, DELTAR_IDENTITY: file };
    const print = () => {
      const { identities } = encrypted.json(["key", "recovery-sheet"]);
      fs.writeFileSync(file, identities.join("\n"));
    };
    print();
    encrypted.run(["drill"], byPaper);
    assert.equal(state(), "ok");
    encrypted.run(["drill"]);
    assert.equal(state(), "ok");
    // The sheet does not open what is stored after a rotation.
    encrypted.run(["key", "rotate"]);
    assert.equal(state(), "warning");
    print();
    encrypted.run(["drill"], byPaper);
    assert.equal(state(), "ok");
  });
});

test(
  "a repository without encryption loads no ciphers",
  { skip: !COMMAND[0].endsWith("node") },
  async () => {
    await withPlace((place) => {
      const hook = join(place.folder, "hook.mjs");
      fs.writeFileSync(
        hook,
        `import { registerHooks } from "node:module";
        registerHooks({ load(url, context, next) {
          if (/lib.age|ciphers/.test(url)) process.stderr.write(url + "\\n");
          return next(url, context);
        } });`,
      );
      const NODE_OPTIONS = `--import ${pathToFileURL(hook)}`;
      const loaded = (words: string[]) => {
        const { code, err } = place.run(words, { env: { NODE_OPTIONS } });
        assert.equal(code, 0, err);
        return /lib.age/.test(err);
      };
      assert.equal(loaded(["init"]), false);
      assert.equal(loaded(["list"]), false);
      const other = join(place.folder, "other");
      assert.equal(loaded(["init", "--encrypt", "--repo", other]), true);
    });
  },
);

test("two init --encrypt at the same time create one repository", async () => {
  await withPlace(async (place) => {
    const identity = join(place.folder, "identity");
    fs.writeFileSync(identity, await newIdentity());
    const folder = join(place.folder, "repository");
    const env = { DELTAR_IDENTITY: identity, DELTAR_REPOSITORY: folder };
    const outcomes = await Promise.all(
      [1, 2, 3].map(() => runBeside(place, ["init", "--encrypt"], env)),
    );
    for (const { code, err } of outcomes) assert.equal(code, 0, err);
    assert.deepEqual(fs.readdirSync(join(folder, "keys")), ["main.age"]);
    const { keys } = place.json(["key", "list"], { env });
    assert.equal(keys[0].kind, "full");
    assert.equal(place.run(["snapshot"], { env }).code, 0);
  });
});

test("the key on the recovery sheet opens the repository", async () => {
  await withEncrypted((encrypted) => {
    const { place, folder } = encrypted;
    const { out } = encrypted.run(["key", "recovery-sheet"]);
    assert.ok(out.includes(`Location:   ${folder}\n`), out);
    const [identity] = /AGE-SECRET-KEY-1\w+/.exec(out)!;
    const json = encrypted.json(["key", "recovery-sheet"]);
    assert.deepEqual(json.identities, [identity]);
    assert.ok(out.includes(json.recipient) && out.includes(json.id), out);
    const KEY = join(place.folder, "KEY");
    fs.writeFileSync(KEY, `${identity}\n`);
    // The sheet works even if the key files are lost, and replaces them.
    fs.rmSync(join(folder, "keys"), { recursive: true });
    const byKey = { ...encrypted.env, DELTAR_IDENTITY: KEY };
    const target = join(place.folder, "restored");
    encrypted.run(["restore", "latest", "--to", target], byKey);
    assert.equal(
      fs.readFileSync(join(target, "hidden name.txt"), "utf8"),
      "Kekse",
    );
    const pass = join(place.folder, "pass");
    fs.writeFileSync(pass, "correct horse\n");
    encrypted
      .run(["key", "add", "paper", "--passphrase-file", pass], byKey);
    encrypted.run(["list"], {
      ...encrypted.env,
      DELTAR_IDENTITY: "",
      DELTAR_PASSPHRASE_FILE: pass,
    });
  });
});

test("the lines on the recovery sheet work as they are printed", {
  ...posix,
  ...needs("age", "zstd", "tar"),
}, async () => {
  await withEncrypted((encrypted) => {
    const { place, folder } = encrypted;
    const { out } = encrypted.run(["key", "recovery-sheet"]);
    const KEY = join(place.folder, "KEY");
    fs.writeFileSync(KEY, /AGE-SECRET-KEY-1\w+/.exec(out)![0]);
    const [, id] = /^(.*)\.json\.age$/
      .exec(fs.readdirSync(join(folder, "snapshots"))[0])!;
    const lines = [...out.matchAll(/^ {4}((?:age|DELTAR_).*)$/gm)]
      .map(([, line]) => line);
    assert.equal(lines.length, 4, out);
    const bin = join(place.folder, "bin");
    fs.mkdirSync(bin);
    const words = COMMAND.map(shellWord).join(" ");
    const script = `#!/bin/sh\nexec ${words} "$@"\n`;
    fs.writeFileSync(join(bin, "deltar"), script, { mode: 0o755 });
    const shown = lines.map((line) => {
      const typed = line.replaceAll(/\bKEY\b/g, shellWord(KEY))
        .replaceAll("LOCATION", shellWord(folder)).replaceAll(/\bID\b/g, id)
        .replace("FOLDER", join(place.folder, "restored"));
      const { status, stdout, stderr } = spawnSync("sh", ["-c", typed], {
        cwd: folder,
        env: { ...place.env, PATH: `${bin}:${place.env.PATH}` },
        encoding: "utf8",
      });
      assert.equal(status, 0, `${typed}: ${stderr}`);
      return stdout;
    });
    assert.match(shown.join(), /"format":"deltar-snapshot"/);
    assert.match(shown.join(), /hidden name\.txt/);
  });
});

test("a passphrase is never in a command line", {
  skip: !fs.existsSync("/proc/self/cmdline"),
}, async () => {
  await withPlace(async (place) => {
    fill(place);
    const file = join(place.folder, "file");
    fs.writeFileSync(file, "correct-horse-battery");
    const env = {
      DELTAR_REPOSITORY: join(place.folder, "repository"),
      DELTAR_PASSPHRASE_COMMAND: `cat ${shellWord(file)}; sleep 0.2`,
    };
    let looked = 0;
    for (
      const words of [
        ["init", "--encrypt"],
        ["key", "add", "paper", "--passphrase-file", file],
        ["list"],
      ]
    ) {
      let isDone = false;
      const done = runBeside(place, words, env).finally(() => isDone = true);
      while (!isDone) {
        for (const id of fs.readdirSync("/proc")) {
          if (!/^\d+$/.test(id)) continue;
          try {
            const line = fs.readFileSync(`/proc/${id}/cmdline`, "utf8");
            assert.ok(!line.includes("correct-horse"), line);
            looked++;
          } catch (error) {
            if (error instanceof assert.AssertionError) throw error;
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const { code, out, err } = await done;
      assert.equal(code, 0, err);
      assert.ok(!`${out}${err}`.includes("correct-horse"));
    }
    assert.ok(looked > 0);
  });
});

/** Asserts that the caches of a place reveal nothing about a repository. */
function assertCacheHidden(place: Place): void {
  const { cache } = place;
  const objects = join(cache, "objects");
  const secrets = [...SECRETS, place.folder, "lines"];
  const files = assertHidden(objects, secrets);
  const stored = files.filter((file) => file.endsWith(".age"));
  assert.ok(stored.length >= 2, files.join("\n"));
}

test(
  "the cache of a remote encrypted repository is encrypted: HTTP",
  posix,
  async () => {
    await withEncrypted(async ({ place, folder, env }) => {
      place.write({ "hidden name.txt": "second" });
      assert.equal(place.json(["snapshot"], { env }).code, 0);
      fs.rmSync(place.cache, { recursive: true });
      await withWebServer(new LocalStorage(folder), async (address) => {
        const far = { ...env, DELTAR_REPOSITORY: address };
        for (
          const words of [
            ["list"],
            ["diff", "latest~1", "latest"],
            ["files", "latest"],
            ["cat", "latest", "hidden name.txt"],
            ["restore", "latest", "--to", "../restored"],
            ["verify", "--data"],
          ]
        ) {
          const { code, err } = await runBeside(place, words, far);
          assert.equal(code, 0, err);
        }
        assertCacheHidden(place);
        const none = await runBeside(place, ["list"], {
          DELTAR_REPOSITORY: address,
        });
        assert.equal(none.code, 1);
        assert.match(none.err, /the repository is encrypted; give a key/);
      });
    });
  },
);

test(
  "the cache of a remote encrypted repository is encrypted: S3",
  posix,
  async () => {
    await withPlace(async (place) => {
      fill(place);
      const identity = join(place.folder, "identity");
      fs.writeFileSync(identity, await newIdentity());
      const bucket = new MemoryStorage();
      await withS3Server(bucket, async (endpoint) => {
        const env = {
          DELTAR_REPOSITORY: "s3://bucket/backups",
          DELTAR_IDENTITY: identity,
          DELTAR_S3_ADDRESSING: "path",
          AWS_ENDPOINT_URL: endpoint,
          AWS_ACCESS_KEY_ID: "key",
          AWS_SECRET_ACCESS_KEY: "secret",
        };
        const run = async (...words: string[]) => {
          const { code, out, err } = await runBeside(place, words, env);
          assert.equal(code, 0, `${words}: ${err}`);
          return out;
        };
        await run(
          "snapshot",
          "--init",
          "--encrypt",
          "--label",
          "label of mine",
        );
        place.write({ "hidden name.txt": "second" });
        await run("snapshot");
        assert.equal(await run("cat", "latest~1", "hidden name.txt"), "Kekse");
        await run("restore", "latest", "--to", "../restored");
        await run("verify", "--data");
        await run("key", "list");
        for (const [name, bytes] of bucket.objects) {
          assert.match(
            name,
            /\.age$|^backups\/(?:deltar\.json|manifests\/.*)$/,
          );
          for (const secret of [...SECRETS, place.folder, "lines"]) {
            assert.ok(!`${name}${Buffer.from(bytes)}`.includes(secret), name);
          }
        }
        assertCacheHidden(place);
      });
    });
  },
);

test("a passphrase is asked for on a terminal, and not shown", {
  ...posix,
  ...needs("script"),
}, async () => {
  await withEncrypted(async (encrypted) => {
    const { place, folder, env } = encrypted;
    const pass = join(place.folder, "pass");
    fs.writeFileSync(pass, "korrekt größe\n");
    encrypted.run(["key", "add", "paper", "--passphrase-file", pass]);
    const bin = join(place.folder, "bin");
    fs.mkdirSync(bin);
    const words = COMMAND.map(shellWord).join(" ");
    const script = `#!/bin/sh\nexec ${words} "$@"\n`;
    fs.writeFileSync(join(bin, "deltar"), script, { mode: 0o755 });
    const shell = {
      project: place.root,
      env: {
        ...place.env,
        PATH: `${bin}:${place.env.PATH}`,
        DELTAR_REPOSITORY: folder,
      },
    } as unknown as Shell;
    const pty = new Pty(shell, "sh");
    /**
     * Types a line and the answers to its questions. Returns the output after
     * the last answer.
     */
    const type = async (line: string, ...answers: [RegExp, string][]) => {
      let from = pty.shown.length;
      pty.type(`${line}; echo "code=$?"\r`);
      for (const [question, keys] of answers) {
        const { index, 0: found } = await pty.see(question, from);
        from += index + found.length;
        // The terminal is in raw mode only shortly after the question.
        await new Promise((resolve) => setTimeout(resolve, 300));
        pty.type(keys);
      }
      const [, code] = await pty.see(/code=(\d+)/, from);
      return { code: Number(code), shown: pty.shown.slice(from) };
    };
    const ask = /Passphrase: /;
    const backspaced = "korrekt xx\x7f\x7fgröße\r";
    try {
      const right = await type("deltar list", [ask, backspaced]);
      assert.equal(right.code, 0, right.shown);
      const wrong = await type("deltar list", [ask, "falsch\r"]);
      assert.equal(wrong.code, 1, wrong.shown);
      assert.match(wrong.shown, /none of the given keys/);
      const stopped = await type("deltar list", [ask, "korr\x03"]);
      assert.equal(stopped.code, 130, stopped.shown);
      // With an identity, only the new passphrase is asked for.
      const own = `DELTAR_IDENTITY=${shellWord(env.DELTAR_IDENTITY)}`;
      const add = `${own} deltar key add second`;
      const asked = (first: string, second: string) =>
        type(add, [/New passphrase: /, first], [/again: /, second]);
      const differ = await asked("neues\r", "anderes\r");
      assert.equal(differ.code, 1);
      assert.match(differ.shown, /the two passphrases differ/);
      const empty = await asked("\r", "\r");
      assert.match(empty.shown, /the passphrase is empty/);
      const added = await asked("neues\r", "neues\r");
      assert.equal(added.code, 0, added.shown);
      const again = await type("deltar list", [ask, "neues\r"]);
      assert.equal(again.code, 0, again.shown);
      // The identity is printed only after the answer `y`.
      const sheet = `${own} deltar key recovery-sheet`;
      const no = await type(sheet, [/Print the sheet\? \[y\/N\] /, "n\r"]);
      assert.equal(no.code, 1, no.shown);
      assert.doesNotMatch(no.shown, /SECRET-KEY/);
      const yes = await type(sheet, [/Print the sheet\? \[y\/N\] /, "y\r"]);
      assert.match(yes.shown, /AGE-SECRET-KEY-1/);
      assert.doesNotMatch(pty.shown, /korr|größe|falsch|neues|anderes/);
    } finally {
      await pty.close();
    }
  });
});
