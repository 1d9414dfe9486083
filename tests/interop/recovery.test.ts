import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import { existing } from "../../lib/bytes/existing.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { Walker } from "../../lib/tree/walker.ts";
import {
  assertSameTree,
  differencesOf,
  everything,
  keepTree,
  needsEverything,
  withoutFaultsOf,
  withoutLongPaths,
} from "../support/everything.ts";
import { needs, runText } from "../support/peer.ts";
import { change, needsRawNames, plant, remove } from "../support/raw_names.ts";
import { runs } from "../support/runs.ts";
import { withTemp } from "../support/temp.ts";
import {
  roundTimes,
  stateOf,
  treeAndEdited,
  writeTree,
} from "../support/trees.ts";
import {
  differences,
  needsXattrs,
  needsXattrsOfRoot,
  setXattr,
  shownXattrs,
  writeAttributed,
} from "../support/xattrs.ts";

const guide = join(dirname(import.meta.dirname!), "../docs/RECOVERY.md");
const script = /```sh\n(set -eu[\s\S]*?)```/
  .exec(readFileSync(guide, "utf8"))![1];
const peers = needs("tar", "zstd", "jq", "rdiff", "sha256sum");

/** The shells in which the script must work. Not every system has busybox. */
const SHELLS = [["dash"], ["bash"], ["busybox", "sh"]].filter(([name]) =>
  needs(name).skip === undefined &&
  spawnSync(name, ["-c", ":"]).error === undefined
);

/** The words that run a program as an ordinary user, if root runs the tests. */
const AS_USER = process.getuid?.() === 0
  ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
  : [];

interface Recovering {
  shell?: string[];
  as?: string[];
  /** The path of the only file or folder to restore. */
  path?: string;
  env?: Record<string, string>;
}

/** Runs the script of the page. */
function recovered(
  folder: string,
  id: string,
  target: string,
  { shell = ["sh"], as = [], path, env }: Recovering = {},
): { status: number | null; out: string; err: string } {
  const file = join(folder, "recover.sh");
  writeFileSync(file, script);
  const [program, ...words] = [...as, ...shell, file];
  const { status, stdout, stderr } = spawnSync(
    program,
    [
      ...words,
      join(folder, "repository"),
      id,
      target,
      ...path === undefined ? [] : [path],
    ],
    { encoding: "utf8", env: { ...process.env, ...env } },
  );
  return { status, out: stdout, err: stderr };
}

/** Runs the script, and asserts that it succeeds. */
function recover(
  folder: string,
  id: string,
  target: string,
  more: Recovering = {},
): void {
  const { status, out, err } = recovered(folder, id, target, more);
  assert.equal(status, 0, `${out}${err}`);
  assert.equal(err, "");
}

/** Makes a folder and everything in it readable for all users. */
function openTo(folder: string): void {
  runText("chmod", ["-R", "a+rX", folder]);
}

test("the script of docs/RECOVERY.md restores any tree", peers, async () => {
  const property = fc.asyncProperty(
    treeAndEdited,
    fc.constantFrom("zstd" as const, "gzip" as const),
    fc.constantFrom(...SHELLS),
    ([first, second], codec, shell) =>
      withTemp(async (folder) => {
        const storage = new LocalStorage(join(folder, "repository"));
        const repository = await Repository.create(storage, { codec });
        const root = join(folder, "tree");
        writeTree(root, first);
        const one = await repository.snapshot(
          new Walker(root, { excludes: [] }),
        );
        const state = stateOf(root);
        rmSync(root, { recursive: true, force: true });
        writeTree(root, second);
        const two = await repository.snapshot(
          new Walker(root, { excludes: [] }),
          { label: "second" },
        );
        recover(folder, one.record.id, join(folder, "one"), { shell });
        assert.deepEqual(stateOf(join(folder, "one")), state);
        recover(folder, two.record.id, join(folder, "two"), { shell });
        assert.deepEqual(stateOf(join(folder, "two")), stateOf(root));
      }),
  );
  await fc.assert(property, runs(6, 200));
});

test("the script restores extended attributes and ACLs", {
  ...peers,
  ...needsXattrs,
}, async () => {
  await withTemp(async (folder) => {
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    const root = join(folder, "tree");
    mkdirSync(root);
    writeAttributed(root);
    const odd = " back\\slash\nline ";
    writeFileSync(join(root, odd), "odd");
    setXattr(join(root, odd), "user.odd=%", "1");
    const { record } = await repository.snapshot(
      new Walker(root, { excludes: [] }),
    );
    for (const shell of SHELLS) {
      const target = join(folder, `by ${shell.join(" ")}`);
      recover(folder, record.id, target, { shell });
      assert.equal(differences(root, target), "");
    }
    // The only requested name of a file is a hard link.
    const only = join(folder, "only");
    recover(folder, record.id, only, { path: "hard" });
    assert.match(shownXattrs(only), /# file: hard\n.*posix_acl_access/);
    if (AS_USER.length === 0) return;
    // An ordinary user gets everything except what only root can set.
    openTo(join(folder, "repository"));
    chmodSync(folder, 0o755);
    const mine = join(folder, "mine");
    mkdirSync(mine);
    chownSync(mine, 65534, 65534);
    recover(folder, record.id, mine, { as: AS_USER });
    assert.equal(
      shownXattrs(mine),
      shownXattrs(root)
        .replace(/(trusted|security)\..*\n/g, "")
        .replace(/# file: .*\n\n/g, ""),
    );
  });
});

test("the script applies chains of deltas to large files", peers, async () => {
  await withTemp(async (folder) => {
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    const root = join(folder, "tree");
    const content = crypto.getRandomValues(new Uint8Array(60_000));
    writeTree(
      root,
      new Map([["log", { kind: "file", content, mode: 0o600, mtime: 0n }]]),
    );
    const large = join(root, "large");
    for (let part = 0; part < 60; part++) {
      appendFileSync(large, crypto.getRandomValues(new Uint8Array(50_000)));
    }
    for (let version = 0; version < 4; version++) {
      appendFileSync(large, `line ${version}\n`);
      appendFileSync(join(root, "log"), `line ${version}\n`);
      roundTimes(root);
      await repository.snapshot(new Walker(root));
    }
    const record = await repository.find("latest");
    const tree = await repository.tree(record);
    assert.equal(tree.byPath.get("large")?.content?.length, 4);
    recover(folder, record.id, join(folder, "restored"));
    assert.deepEqual(stateOf(join(folder, "restored")), stateOf(root));
  });
});

test(
  "the script restores from an encrypted repository that was pruned",
  needs(
    "age",
    "age-keygen",
    "ssh-keygen",
    "tar",
    "zstd",
    "jq",
    "rdiff",
    "sha256sum",
  ),
  async () => {
    for (const codec of ["zstd", "gzip"] as const) {
      await withTemp(async (folder) => {
        const keygen = (name: string) => {
          const file = join(folder, name);
          runText("age-keygen", ["-o", file]);
          return { file, to: runText("age-keygen", ["-y", file]).trim() };
        };
        const mine = keygen("mine");
        const other = keygen("other");
        const place = join(folder, "repository");
        const key = await readPrivateKey(await makeKeyPair(""));
        const repository = await Repository.create(new LocalStorage(place), {
          codec,
          encrypt: { name: "b", to: mine.to },
          machine: { id: "laptop", key },
        });
        // These key files come before and after the own one, and this identity
        // does not open them.
        const keys = repository.keys!;
        await keys.add({ name: "a", to: { passphrase: "a passphrase" } });
        await keys.add({ name: "c", to: other.to });
        const root = join(folder, "tree");
        mkdirSync(join(root, "sub"), { recursive: true });
        const noise = () => crypto.getRandomValues(new Uint8Array(60_000));
        writeFileSync(join(root, "log"), noise());
        writeFileSync(join(root, "sub/small"), "small");
        writeFileSync(join(root, "sub/empty"), "");
        for (const name of ["large", "gone"]) {
          const file = join(root, name);
          for (let part = 0; part < 50; part++) appendFileSync(file, noise());
        }
        await repository.snapshot(new Walker(root));
        rmSync(join(root, "gone"));
        linkSync(join(root, "log"), join(root, "zlink"));
        for (let version = 0; version < 3; version++) {
          appendFileSync(join(root, "large"), `line ${version}\n`);
          appendFileSync(join(root, "log"), `line ${version}\n`);
          roundTimes(root);
          await repository.snapshot(new Walker(root));
        }
        const record = await repository.find("latest");
        const prune = { grace: 0, repackBelow: 1, patience: 4 };
        const { repacked } = await repository.prune({ last: 1 }, prune);
        assert.ok(repacked > 0);
        const tree = await repository.tree(record);
        for (const path of ["large", "log"]) {
          assert.equal(tree.byPath.get(path)?.content?.length, 4, path);
        }

        const sheet = join(folder, "sheet");
        writeFileSync(sheet, keys.identities().join("\n"));
        const tmp = join(folder, "tmp");
        mkdirSync(tmp);
        const shells = SHELLS.map((shell) => ({ shell, file: mine.file }));
        for (
          const { shell, file } of [...shells, { ...shells[0], file: sheet }]
        ) {
          const env = { DELTAR_IDENTITY: file, TMPDIR: tmp };
          const target = join(folder, "target");
          recover(folder, record.id, target, { shell, env });
          assert.deepEqual(stateOf(target), stateOf(root));
          assert.deepEqual(readdirSync(tmp), [], "no key or content is left");
          rmSync(target, { recursive: true });
        }
        const signers = join(folder, "signers");
        writeFileSync(signers, `laptop ${key.publicKey}\n`);
        const strange = (await readPrivateKey(await makeKeyPair(""))).publicKey;
        const strangers = join(folder, "strangers");
        writeFileSync(strangers, `laptop ${strange}\n`);
        const env = { DELTAR_IDENTITY: mine.file, TMPDIR: tmp };
        for (const { shell } of shells) {
          const target = join(folder, "signed");
          const { status, err } = recovered(folder, record.id, target, {
            shell,
            env: { ...env, DELTAR_SIGNERS: signers },
          });
          assert.equal(status, 0, err);
          assert.match(err, /^Good "deltar" signature for laptop/);
          assert.deepEqual(stateOf(target), stateOf(root));
          rmSync(target, { recursive: true });
        }
        const one = join(folder, "one");
        recover(folder, record.id, one, { path: "sub/small", env });
        assert.equal(readFileSync(join(one, "sub/small"), "utf8"), "small");

        const fails = (env: Record<string, string>, message: RegExp) => {
          const target = join(folder, "none");
          const { status, out, err } = recovered(folder, record.id, target, {
            env,
          });
          assert.notEqual(status, 0);
          assert.equal(out, "");
          assert.match(err, message);
          assert.deepEqual(readdirSync(target), []);
        };
        const stranger = keygen("stranger").file;
        fails(
          { ...env, DELTAR_SIGNERS: strangers },
          /snapshots\/.* is not signed by a key in .*strangers/,
        );
        fails({ DELTAR_IDENTITY: "" }, /name the file with your age identity/);
        fails({ DELTAR_IDENTITY: stranger }, /no identity matched/);
        // An object is replaced with another one of the repository.
        const layers = readdirSync(join(place, "trees")).sort();
        copyFileSync(
          join(place, "volumes", readdirSync(join(place, "volumes"))[0]),
          join(place, "trees", layers[0]),
        );
        fails(env, /./);
      });
    }
  },
);

/** Writes noise at the given offsets of a file. */
function scatter(place: string, size: number, offsets: number[]): void {
  const fd = openSync(place, existsSync(place) ? "r+" : "w");
  ftruncateSync(fd, size);
  for (const offset of offsets) {
    const bytes = crypto.getRandomValues(new Uint8Array(5000));
    writeSync(fd, bytes, 0, bytes.length, offset);
  }
  closeSync(fd);
}

test("the script and tar restore sparse files", {
  ...needs("tar", "bsdtar", "zstd", "jq", "rdiff", "sha256sum", "awk", "cmp"),
}, async () => {
  for (const codec of ["zstd", "gzip"] as const) {
    await withTemp(async (folder) => {
      const storage = new LocalStorage(join(folder, "repository"));
      const repository = await Repository.create(storage, { codec });
      const root = join(folder, "tree");
      const disk = join(root, "it's a/disk");
      mkdirSync(dirname(disk), { recursive: true });
      for (const name of ["b", "c", "d"]) {
        scatter(join(root, name), 5000, [0]);
        for (let part = 0; part < 20; part++) {
          const bytes = crypto.getRandomValues(new Uint8Array(60_000));
          appendFileSync(join(root, name), bytes);
        }
      }
      const size = 2 ** 36 + 1;
      scatter(disk, size, [8192, 70_000, 2 ** 35, size - 5000]);
      scatter(join(root, "hole"), 5_000_000, []);
      copyFileSync(join(root, "hole"), join(root, "same"));
      truncateSync(join(root, "same"), 0);
      truncateSync(join(root, "same"), 5_000_000);
      roundTimes(root);
      const states = [statesOf(root)];
      const first = await repository.snapshot(new Walker(root));
      const ids = [first.record.id];
      for (const offset of [2 ** 34, 0]) {
        scatter(disk, size, [offset]);
        rmSync(join(root, offset === 0 ? "b" : "c"));
        roundTimes(root);
        const { record } = await repository.snapshot(new Walker(root));
        ids.push(record.id);
        states.push(statesOf(root));
      }
      const { content, sparse } = existing(
        (await repository.tree(await repository.find("latest"))).byPath,
        "it's a/disk",
      );
      assert.equal(content?.length, 3);
      assert.ok(sparse! < 120_000);
      // For tar, the member of the whole content is the sparse file itself.
      for (const tar of ["tar", "bsdtar"]) {
        const into = join(folder, tar);
        mkdirSync(into);
        const volume = content![0].reference.volume;
        const name = "created/it's a/disk";
        runText(tar, [
          "-xf",
          join(folder, "repository", volume),
          "-C",
          into,
          name,
        ]);
        assert.deepEqual(
          statesOf(join(into, "created")),
          Object.fromEntries(
            Object.entries(states[0]).filter(([path]) =>
              path === "it's a/disk"
            ),
          ),
        );
      }
      const check = (at: number, shell: string[]) => {
        const target = join(folder, "target");
        recover(folder, ids[at], target, { shell });
        assert.deepEqual(statesOf(target), states[at]);
        const { blocks } = lstatSync(join(target, "it's a/disk"));
        assert.ok(blocks < 300, `${blocks}`);
        rmSync(target, { recursive: true });
      };
      for (const shell of SHELLS) for (const at of [0, 1, 2]) check(at, shell);
      const prune = { grace: 0, repackBelow: 1, patience: 4 };
      const { repacked } = await repository.prune({ last: 1 }, prune);
      assert.ok(repacked > 0);
      for (const shell of SHELLS) check(2, shell);
      // A damaged list of ranges is named, and everything else is restored.
      const { volume } = content![0].reference;
      const moves = await Array.fromAsync(storage.list("moves/"));
      assert.ok(moves.some(({ name }) => name.includes(volume)));
      const volumes = join(folder, "repository/volumes");
      for (const name of readdirSync(volumes)) {
        const bytes = readFileSync(join(volumes, name));
        bytes[Math.floor(bytes.length / 2)] ^= 1;
        writeFileSync(join(volumes, name), bytes);
      }
      const target = join(folder, "target");
      const { status, err } = recovered(folder, ids[2], target);
      assert.equal(status, 1);
      assert.match(err, /recovered the undamaged part/);
    });
  }
});

/**
 * Returns the size, the time and the checksums of the parts with data of each
 * file, because reading large holes would take long.
 */
function statesOf(root: string): Record<string, unknown> {
  const states: Record<string, unknown> = {};
  const names = readdirSync(root, { recursive: true, encoding: "utf8" });
  for (const path of names.sort()) {
    const place = join(root, path);
    const { size, mtimeMs } = lstatSync(place);
    if (lstatSync(place).isDirectory()) continue;
    const parts = size < 1e9
      ? [[0, size]]
      : [[0, 100_000], [2 ** 34, 9000], [2 ** 35, 9000], [size - 9000, 9000]];
    const fd = openSync(place, "r");
    const sums = parts.map(([offset, length]) => {
      const bytes = new Uint8Array(length);
      assert.equal(readSync(fd, bytes, 0, length, offset), length);
      return toHex(sha256(bytes));
    });
    closeSync(fd);
    states[path] = [size, mtimeMs, ...sums];
  }
  return states;
}

test("the script restores names that are not valid UTF-8", {
  ...(needsRawNames.skip ? needsRawNames : peers),
}, async () => {
  await withTemp(async (temp) => {
    const folder = join(temp, "work");
    mkdirSync(folder);
    try {
      const storage = new LocalStorage(join(folder, "repository"));
      const repository = await Repository.create(storage);
      const root = join(folder, "tree");
      plant(root);
      const walker = new Walker(root, { excludes: [] });
      const first = (await repository.snapshot(walker)).record;
      const before = join(folder, "before");
      runText("cp", ["-a", root, before]);
      change(root);
      const second = (await repository.snapshot(walker)).record;
      const part = join(folder, "part");
      recover(folder, first.id, part, { path: "zhard" });
      // The first name of the file is in a folder that is not restored.
      assert.deepEqual(readdirSync(part), ["zhard"]);
      const [shell] = SHELLS;
      recover(folder, first.id, join(folder, "first"), { shell });
      assert.equal(differences(before, join(folder, "first")), "");
      for (const [at, shell] of SHELLS.entries()) {
        const target = join(folder, `second${at}`);
        const env = { LC_ALL: at % 2 === 0 ? "C" : "C.UTF-8" };
        recover(folder, second.id, target, { shell, env });
        assert.equal(differences(root, target), "");
      }
    } finally {
      remove(folder);
    }
  });
});

test("the script follows moved volumes", peers, async () => {
  await withTemp(async (folder) => {
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    const root = join(folder, "tree");
    writeTree(root, new Map());
    for (const name of ["a", "b", "c", "d"]) {
      // Each file is larger than a frame.
      const file = join(root, name);
      for (let part = 0; part < 20; part++) {
        appendFileSync(file, crypto.getRandomValues(new Uint8Array(60_000)));
      }
    }
    roundTimes(root);
    await repository.snapshot(new Walker(root));
    const times = 3;
    for (let time = 0; time < times; time++) {
      rmSync(join(root, ["b", "c", "d"][time]));
      appendFileSync(join(root, "a"), "more");
      roundTimes(root);
      const { record } = await repository.snapshot(new Walker(root));
      const prune = { grace: 0, repackBelow: 1, patience: 4 };
      const { repacked } = await repository.prune({ last: 1 }, prune);
      assert.ok(repacked > 0);
      recover(folder, record.id, join(folder, `restored${time}`));
      assert.deepEqual(stateOf(join(folder, `restored${time}`)), stateOf(root));
    }
    const moves = await Array.fromAsync(storage.list("moves/"));
    assert.ok(moves.length >= times);
  });
});

for (const as of [[], AS_USER]) {
  if (as === AS_USER && AS_USER.length === 0) continue;
  const who = as.length === 0 ? "" : " as an ordinary user";
  for (const shell of as.length === 0 ? SHELLS.slice(0, 1) : SHELLS) {
    const name = `the script restores 3,000 files${who} under ${
      shell.join(" ")
    }`;
    test(`${name} in 15 s of processor time [F7, F8, F9]`, peers, async () => {
      await withTemp(async (folder) => {
        const root = join(folder, "tree");
        const modes = [0o644, 0o600, 0o400, 0o000, 0o755, 0o4755];
        for (let at = 0; at < 3000; at++) {
          const place = join(root, `d ${at % 60}`);
          mkdirSync(place, { recursive: true });
          const file = join(place, `it's ${at}`);
          writeFileSync(file, `${at} `.repeat(at % 500));
          chmodSync(file, modes[at % modes.length]);
          if (as.length > 0) chownSync(file, 65534, 65534);
        }
        roundTimes(root);
        const storage = new LocalStorage(join(folder, "repository"));
        const repository = await Repository.create(storage);
        const { record } = await repository.snapshot(new Walker(root));
        chmodSync(folder, 0o755);
        openTo(join(folder, "repository"));
        const parent = join(folder, "parent");
        mkdirSync(parent);
        chmodSync(parent, 0o777);
        const target = join(parent, "it's new");
        const file = join(folder, "timed.sh");
        writeFileSync(
          file,
          `${[...as, ...shell].join(" ")} "$@" && times >"${folder}/times"`,
        );
        const { status, err } = recovered(folder, record.id, target, {
          shell: ["bash", file],
        });
        assert.equal(status, 0, err);
        assert.equal(err, "");
        const seconds = [
          ...readFileSync(join(folder, "times"), "utf8")
            .matchAll(/(\d+)m([\d.]+)s/g),
        ].reduce((sum, [, minutes, rest]) => sum + 60 * +minutes + +rest, 0);
        assert.ok(seconds < 15, `${seconds} s`);
        for (
          const path of readdirSync(root, { recursive: true, encoding: "utf8" })
        ) {
          const [one, other] = [root, target].map((at) =>
            lstatSync(join(at, path), { bigint: true })
          );
          assert.equal(other.mode, one.mode, path);
          assert.equal(other.mtimeNs, one.mtimeNs, path);
          assert.equal(other.size, one.size, path);
        }
      });
    });
  }
}

for (const shell of SHELLS) {
  test(
    `the script names damaged files and restores the rest under ${
      shell.join(" ")
    } [F8]`,
    peers,
    async () => {
      await withTemp(async (folder) => {
        const storage = new LocalStorage(join(folder, "repository"));
        const repository = await Repository.create(storage);
        const root = join(folder, "tree");
        mkdirSync(root);
        const volumes: string[] = [];
        for (const name of ["first", "second", "third"]) {
          writeFileSync(join(root, name), name.repeat(1000));
          const { record } = await repository.snapshot(new Walker(root));
          volumes.push(
            join(folder, `repository/volumes/${record.id}.vol0.tar.zst`),
          );
        }
        const { id } = await repository.find("latest");
        const bytes = readFileSync(volumes[0]);
        bytes[bytes.length >> 1] ^= 1;
        writeFileSync(volumes[0], bytes);
        rmSync(volumes[1]);
        const target = join(folder, "target");
        const { status, out, err } = recovered(folder, id, target, { shell });
        assert.equal(status, 1, out + err);
        assert.equal(out, "");
        assert.match(err, /\.\/first: FAILED/);
        assert.match(err, /volumes\/\S+ is missing/);
        assert.match(err, /\.\/second: FAILED/);
        assert.doesNotMatch(err, /third/);
        assert.equal(
          readFileSync(join(target, "third"), "utf8"),
          "third".repeat(1000),
        );
        // Without a layer, there is no tree to restore.
        rmSync(join(folder, "repository/trees"), { recursive: true });
        const lost = recovered(folder, id, join(folder, "lost"), { shell });
        assert.notEqual(lost.status, 0);
        assert.doesNotMatch(lost.out, /recovered/);
      });
    },
  );
}

test(
  "the script creates named pipes and, as root, devices",
  needs("mkfifo").skip ? needs("mkfifo") : peers,
  async () => {
    await withTemp(async (folder) => {
      const storage = new LocalStorage(join(folder, "repository"));
      const repository = await Repository.create(storage);
      const root = join(folder, "tree");
      mkdirSync(join(root, "it's"), { recursive: true });
      writeFileSync(join(root, "file"), "content");
      runText("mkfifo", ["-m", "620", join(root, "it's/pipe")]);
      linkSync(join(root, "it's/pipe"), join(root, "pipe"));
      linkSync(join(root, "it's/pipe"), join(root, "zone"));
      const isRoot = AS_USER.length > 0;
      if (isRoot) {
        runText("mknod", [join(root, "-null"), "c", "1", "3"]);
        runText("mknod", [join(root, "loop"), "b", "7", "300"]);
        chownSync(join(root, "-null"), 12, 34);
      }
      roundTimes(root);
      const { record } = await repository.snapshot(
        new Walker(root, { excludes: [] }),
      );
      const seen = (root: string) => [
        stateOf(root),
        ...["it's/pipe", ...isRoot ? ["-null", "loop"] : []].map((path) => {
          const { rdev, uid, gid } = lstatSync(join(root, path));
          return [rdev, uid, gid];
        }),
      ];
      for (const shell of SHELLS) {
        const target = join(folder, `of ${shell[0]}`);
        recover(folder, record.id, target, { shell });
        assert.deepEqual(seen(target), seen(root));
        assert.equal(lstatSync(join(target, "zone")).nlink, 3);
        const only = `${target} zone`;
        recover(folder, record.id, only, { shell, path: "zone" });
        const zone = lstatSync(join(only, "zone"));
        assert.deepEqual([zone.isFIFO(), zone.nlink], [true, 1]);
      }
      if (!isRoot) return;
      openTo(folder);
      const home = join(folder, "home");
      mkdirSync(home);
      chownSync(home, 65534, 65534);
      const target = join(home, "target");
      const { status, err } = recovered(folder, record.id, target, {
        as: AS_USER,
      });
      assert.equal(status, 1, err);
      for (const name of ["-null", "loop"]) assert.match(err, RegExp(name));
      assert.equal(readFileSync(join(target, "file"), "utf8"), "content");
      assert.equal(lstatSync(join(target, "it's/pipe")).isFIFO(), true);
    });
  },
);

test(
  "the script restores one file or folder, regardless of where its content is [F9]",
  peers,
  async () => {
    for (const codec of ["zstd", "gzip"] as const) {
      await withTemp(async (folder) => {
        const storage = new LocalStorage(join(folder, "repository"));
        const repository = await Repository.create(storage, { codec });
        const root = join(folder, "tree");
        mkdirSync(join(root, "sub"), { recursive: true });
        const noise = () => crypto.getRandomValues(new Uint8Array(60_000));
        const content = noise();
        writeFileSync(join(root, "was"), content);
        writeFileSync(join(root, "sub/other"), "other");
        for (const name of ["b", "c"]) {
          const file = join(root, name);
          for (let part = 0; part < 20; part++) appendFileSync(file, noise());
        }
        await repository.snapshot(new Walker(root));
        // The contents are stored under another path, as a delta, and under
        // another name.
        renameSync(join(root, "was"), join(root, "sub/is"));
        copyFileSync(join(root, "sub/is"), join(root, "copy"));
        for (const name of ["b", "c"]) rmSync(join(root, name));
        await repository.snapshot(new Walker(root));
        appendFileSync(join(root, "sub/is"), "more");
        linkSync(join(root, "sub/is"), join(root, "zlink"));
        roundTimes(root);
        const { record } = await repository.snapshot(new Walker(root));
        const prune = { grace: 0, repackBelow: 1, patience: 4 };
        const { repacked } = await repository.prune({ last: 1 }, prune);
        assert.ok(repacked > 0);
        for (const path of ["sub/is", "copy", "zlink", "sub"]) {
          const target = join(folder, `of ${path.replace("/", "-")}`);
          recover(folder, record.id, target, { path });
          assert.deepEqual(readdirSync(target), [path.split("/")[0]]);
          const file = path === "sub" ? "sub/other" : path;
          assert.deepEqual(
            readFileSync(join(target, file)),
            readFileSync(join(root, file)),
          );
        }
        const absent = recovered(folder, record.id, join(folder, "x"), {
          path: "none",
        });
        assert.equal(absent.status, 1);
        assert.match(absent.err, /^none is not in 2/);
      });
    }
  },
);

test(
  "the script uses TMPDIR, and handles unusual names and existing files in the target [F9]",
  peers,
  async () => {
    await withTemp(async (folder) => {
      const odd = join(folder, 'it\'s "a $(place)"');
      const repository = await Repository.create(
        new LocalStorage(join(odd, "repository")),
      );
      const root = join(folder, "tree");
      mkdirSync(root);
      writeFileSync(join(root, "a"), "a");
      const { record } = await repository.snapshot(new Walker(root));
      const tmp = join(odd, "tmp 'x'");
      mkdirSync(tmp);
      for (const shell of SHELLS) {
        const target = join(odd, `to ${shell.join("-")}`);
        recover(odd, record.id, target, { shell, env: { TMPDIR: tmp } });
        assert.equal(readFileSync(join(target, "a"), "utf8"), "a");
        assert.deepEqual(readdirSync(tmp), []);
        const again = recovered(odd, record.id, target, { shell });
        assert.equal(again.status, 2);
        assert.match(again.err, /is not empty: name a new directory\n$/);
      }
    });
  },
);

for (const program of ["tar", "bsdtar"] as const) {
  test(
    `the script restores everything with ${program}`,
    [needsXattrsOfRoot, needsEverything, peers, needs(program)]
      .find(({ skip }) => skip !== undefined) ?? {},
    async () => {
      await withTemp(async (folder) => {
        const storage = new LocalStorage(join(folder, "repository"));
        const repository = await Repository.create(storage);
        const root = join(folder, "tree");
        // The script finds these programs under the names that it uses.
        const programs = join(folder, "programs");
        mkdirSync(programs);
        const path = runText("which", [program]).trim();
        symlinkSync(path, join(programs, "tar"));
        const env = {
          PATH: `${programs}:${process.env.PATH}`,
          // In other locales, libarchive does not create names with characters
          // outside of ASCII.
          LC_ALL: "C.UTF-8",
        };
        everything("make", root);
        withoutFaultsOf(program, root);
        withoutLongPaths(root);
        for (const version of ["first", "spoilt"]) {
          if (version === "spoilt") everything("spoil", root);
          const kept = keepTree(root, join(folder, version));
          const { record } = await repository.snapshot(
            new Walker(root, { excludes: [] }),
          );
          const target = join(folder, `target of ${version}`);
          recover(folder, record.id, target, { env });
          assertSameTree(target, kept);
        }
      });
    },
  );
}

test(
  "the script names paths that are too long, and restores the rest",
  [needsXattrsOfRoot, needsEverything, peers]
    .find(({ skip }) => skip !== undefined) ?? {},
  async () => {
    await withTemp(async (folder) => {
      const storage = new LocalStorage(join(folder, "repository"));
      const repository = await Repository.create(storage);
      const root = join(folder, "tree");
      everything("make", root);
      const { record } = await repository.snapshot(
        new Walker(root, { excludes: [] }),
      );
      for (const shell of SHELLS) {
        const target = join(folder, `of ${shell[0]}`);
        const { status, out, err } = recovered(folder, record.id, target, {
          shell,
        });
        assert.deepEqual([status, out], [1, ""]);
        assert.match(err, /long\/d.*File name too long/);
        const others = err.split("\n").filter((line) =>
          !/long\/d|^(tar|sha256sum): |^recovered /.test(line)
        );
        assert.deepEqual(others, [""]);
        assert.equal(differencesOf(root, target), "");
      }
    });
  },
);
