import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { LocalStorage } from "../../lib/storage/local.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { setTimes } from "../../lib/tree/stat.ts";
import { stateOf } from "../support/trees.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { noise } from "../support/noise.ts";
import { needsWine, Windows } from "../support/windows.ts";
import { everything } from "../repository/helpers.ts";

const options = needsWine();
let windows: Windows;
before(() => {
  if (options.skip === undefined) windows = new Windows("deltar.exe");
});
after(() => windows?.end());

/** Runs the command in a folder of the drive, and asserts the exit code. */
function type(code: number, directory: string, ...words: string[]): string {
  const done = windows.run(directory, ...words);
  assert.equal(done.code, code, `${words}: ${done.out}${done.err}`);
  return done.out + done.err;
}

/** Writes files below a folder of the drive. */
function write(folder: string, files: Record<string, string | Uint8Array>) {
  for (const [path, content] of Object.entries(files)) {
    const file = join(windows.drive, folder, path);
    fs.mkdirSync(join(file, ".."), { recursive: true });
    fs.writeFileSync(file, content);
  }
}

/** Returns the files below a folder of the drive, with their contents. */
function contents(folder: string): Record<string, string> {
  const root = join(windows.drive, folder);
  const all = fs.readdirSync(root, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    all.filter((entry) => entry.isFile()).map((entry) => {
      const file = join(entry.parentPath, entry.name);
      return [
        file.slice(root.length + 1),
        fs.readFileSync(file).toString("base64"),
      ];
    }).sort(),
  );
}

test(
  "deltar.exe takes snapshots, restores, undoes, verifies and prunes",
  options,
  () => {
    const home = windows.folder();
    const project = `${home}/proj`;
    const large = noise(3_000_000);
    write(project, {
      "File.txt": "first\n",
      "docs/read me.txt": "unchanged\n",
      "docs/café.txt": "é\n",
      "large.bin": large,
    });
    const first = contents(project);
    type(0, project, "snapshot", "--repo", "..\\repo");
    large.fill(7, 1_000_000, 1_000_100);
    write(project, {
      "File.txt": "second\n",
      "new.txt": "new\n",
      "large.bin": large,
    });
    fs.rmSync(join(windows.drive, project, "docs/café.txt"));
    const second = contents(project);
    const json = JSON.parse(
      type(0, project, "snapshot", "--repo", "..\\repo", "--json"),
    );
    assert.ok(json.counts.stored < 50_000, `${json.counts.stored} bytes`);
    type(0, project, "snapshot", "--repo", "..\\repo");
    type(0, project, "verify", "--data", "--repo", "..\\repo");

    type(
      0,
      project,
      "restore",
      "latest~1",
      "--to",
      "..\\old",
      "--repo",
      "..\\repo",
    );
    assert.deepEqual(contents(`${home}/old`), first);
    type(
      0,
      project,
      "restore",
      "latest~1",
      "--in-place",
      "--delete",
      "--repo",
      "..\\repo",
    );
    assert.deepEqual(contents(project), first);
    type(0, project, "undo", "--repo", "..\\repo");
    assert.deepEqual(contents(project), second);

    type(
      0,
      project,
      "prune",
      "--keep-last",
      "1",
      "--grace",
      "0s",
      "--repo",
      "..\\repo",
    );
    type(0, project, "verify", "--data", "--repo", "..\\repo");
    type(
      0,
      project,
      "restore",
      "latest",
      "--to",
      "..\\new",
      "--repo",
      "..\\repo",
    );
    assert.deepEqual(contents(`${home}/new`), second);
  },
);

test(
  "deltar.exe stores, compares and restores the attributes hidden and system",
  options,
  async () => {
    const home = windows.folder();
    const project = `${home}/proj`;
    write(project, {
      "plain.txt": "1\n",
      "hidden.txt": "2\n",
      "system.txt": "3\n",
      "sub/a": "4\n",
    });
    const run = (program: string, ...words: string[]) => {
      const path = `C:\\windows\\system32\\${program}`;
      const done = windows.program(home, path, ...words);
      assert.equal(done.code, 0, done.out + done.err);
      return done.out.trim();
    };
    const attributes = (...words: string[]) => run("attrib.exe", ...words);
    // Otherwise Wine shows files as hidden if their names begin with a dot,
    // such as the temporary files of a restore.
    const key = "HKEY_CURRENT_USER\\Software\\Wine";
    run("reg.exe", "add", key, "/v", "ShowDotFiles", "/d", "Y", "/f");
    /** Returns which of the two attributes a path has, such as `SH`. */
    const flags = (path: string) =>
      attributes(path).slice(0, 10).replace(/[^SH]/g, "");
    attributes("+h", "proj\\hidden.txt");
    attributes("+s", "proj\\system.txt");
    attributes("+h", "proj\\sub");
    const repo = ["--repo", "..\\repo"];
    type(0, project, "snapshot", ...repo);
    const storage = new LocalStorage(join(windows.drive, home, "repo"));
    const repository = await Repository.open(storage);
    const [record] = await repository.snapshots();
    const { index } = await repository.tree(record);
    const shown = Object.fromEntries(
      index.entries.map(({ path, xattrs }) => [path, xattrs]),
    );
    const only = (value: string) => ({ "user.DOSATTRIB": btoa(value) });
    assert.deepEqual(shown, {
      "hidden.txt": only("0x2"),
      "plain.txt": {},
      "sub": only("0x2"),
      "sub/a": {},
      "system.txt": only("0x4"),
    });
    type(0, project, "restore", "latest", "--to", "..\\new", ...repo);
    assert.equal(flags("new\\hidden.txt"), "H");
    assert.equal(flags("new\\sub"), "H");
    assert.equal(flags("new\\system.txt"), "S");
    assert.equal(flags("new\\plain.txt"), "");
    attributes("-h", "proj\\hidden.txt");
    attributes("+h", "proj\\plain.txt");
    const { isNew } = JSON.parse(
      type(0, project, "snapshot", ...repo, "--json"),
    );
    assert.equal(isNew, true);
    type(0, project, "restore", "latest~1", "--in-place", ...repo);
    assert.equal(flags("proj\\hidden.txt"), "H");
    assert.equal(flags("proj\\plain.txt"), "");
    type(0, project, "undo", ...repo);
    assert.equal(flags("proj\\hidden.txt"), "");
    assert.equal(flags("proj\\plain.txt"), "H");
  },
);

test(
  "restore on Windows refuses names that have another meaning there [R1] [R3]",
  options,
  async () => {
    const home = windows.folder();
    const source = join(windows.drive, "..", "..", "tmp", home);
    const hostile = [
      "..\\..\\evil1.txt",
      "back\\x",
      "C:evil2.txt",
      "good.txt:stream",
      "NUL",
      "con.txt",
      "COM¹.log",
      "dot.",
      "blank ",
      "que?ry",
    ];
    try {
      fs.mkdirSync(join(source, "back"), { recursive: true });
      for (const name of hostile) {
        fs.writeFileSync(join(source, name), "evil\n");
      }
      fs.mkdirSync(join(source, "sub/..\\up"), { recursive: true });
      fs.writeFileSync(join(source, "sub/..\\up/x"), "evil\n");
      fs.writeFileSync(join(source, "good.txt"), "good\n");
      fs.writeFileSync(join(source, "back/x"), "good\n");
      fs.writeFileSync(join(source, "README"), "upper\n");
      fs.writeFileSync(join(source, "readme"), "lower\n");
      const storage = new LocalStorage(join(windows.drive, home, "repo"));
      const repository = await Repository.create(storage);
      await repository.snapshot(everything(source));
    } finally {
      fs.rmSync(source, { recursive: true, force: true });
    }
    fs.mkdirSync(join(windows.drive, home, "r1/r2"), { recursive: true });
    const before = fs.readdirSync(windows.drive);
    const said = type(
      3,
      home,
      "restore",
      "latest",
      "--to",
      "r1\\r2\\r3",
      "--repo",
      "repo",
    );
    const restored = contents(`${home}/r1`);
    const good = Buffer.from("good\n").toString("base64");
    const names = Object.keys(restored);
    assert.deepEqual(
      names.filter((name) => !/readme$/i.test(name)),
      ["r2/r3/back/x", "r2/r3/good.txt"],
    );
    assert.equal(restored["r2/r3/back/x"], good);
    assert.equal(restored["r2/r3/good.txt"], good);
    assert.equal(names.filter((name) => /readme$/i.test(name)).length, 1);
    for (const name of [...hostile, "sub/..\\up", "readme"]) {
      assert.ok(said.includes(name), `${name} is not named in:\n${said}`);
    }
    assert.deepEqual(fs.readdirSync(windows.drive), before);
    assert.deepEqual(fs.readdirSync(join(windows.drive, home)).sort(), [
      "r1",
      "repo",
    ]);
  },
);

test(
  "snapshot on Windows treats all spellings of a directory as one [S7]",
  options,
  () => {
    const home = windows.folder();
    const project = `${home}/Proj`;
    write(project, { "a.txt": "a\n" });
    const drive = `${home.toUpperCase()}`;
    const spellings = [
      `C:\\${home}\\Proj`,
      `c:\\${home}\\proj`,
      `C:/${drive}/PROJ`,
      `\\\\?\\C:\\${home}\\proj`,
    ];
    const repo = `c:/${drive}/PROJ/sub/REPO`;
    for (const spelling of spellings) {
      type(0, home, "snapshot", spelling, "--repo", repo);
    }
    const { snapshots } = JSON.parse(
      type(0, project, "list", "--repo", repo, "--json"),
    );
    assert.equal(
      new Set(snapshots.map((one: { directory: string }) => one.directory))
        .size,
      1,
    );
    const files = type(0, project, "files", "latest", "--repo", repo);
    assert.match(files, /a\.txt/);
    assert.doesNotMatch(files, /deltar\.json/);

    for (const spelling of spellings) type(0, home, "snapshot", spelling);
    const data = join(windows.drive, "users/root/AppData/Local/deltar/data");
    assert.equal(fs.readdirSync(data).length, 1);
  },
);

test(
  "paths of more than 260 characters and read-only files are stored and restored on Windows",
  options,
  () => {
    const home = windows.folder();
    const project = `${home}/proj`;
    const repo = ["--repo", "..\\repo"];
    const deep = `${"a folder with a long name/".repeat(16)}file.txt`;
    assert.ok(deep.length > 400);
    write(project, { [deep]: "1\n", "fixed.txt": "1\n", "small.txt": "1\n" });
    const fixed = join(windows.drive, project, "fixed.txt");
    fs.chmodSync(fixed, 0o444);
    const first = contents(project);
    type(0, project, "snapshot", ...repo);
    type(0, project, "restore", "latest", "--to", "..\\new", ...repo);
    assert.deepEqual(contents(`${home}/new`), first);
    const isReadOnly = (file: string) => (fs.statSync(file).mode & 0o200) === 0;
    assert.ok(isReadOnly(join(windows.drive, home, "new/fixed.txt")));

    // A read-only file is replaced, and deleted.
    fs.chmodSync(fixed, 0o644);
    write(project, { [deep]: "22\n", "fixed.txt": "22\n", "more.txt": "2\n" });
    fs.chmodSync(fixed, 0o444);
    fs.chmodSync(join(windows.drive, project, "more.txt"), 0o444);
    type(0, project, "snapshot", ...repo);
    const words = ["restore", "latest~1", "--in-place", "--delete", ...repo];
    type(0, project, ...words);
    assert.deepEqual(contents(project), first);
    assert.ok(isReadOnly(fixed));
    type(0, project, "undo", ...repo);
    assert.deepEqual(
      Object.keys(contents(project)).sort(),
      [deep, "fixed.txt", "more.txt", "small.txt"].sort(),
    );
    assert.ok(isReadOnly(join(windows.drive, project, "more.txt")));
  },
);

test(
  "a file that another program has open on Windows is named, and the others are stored",
  options,
  async () => {
    const home = windows.folder();
    const project = `${home}/proj`;
    const repo = ["--repo", "..\\repo"];
    write(project, { "a.txt": "1\n", "held.txt": "1\n", "z.txt": "1\n" });
    type(0, project, "snapshot", ...repo);
    write(project, { "a.txt": "2\n", "held.txt": "22\n", "z.txt": "2\n" });
    await windows.withHeld(`${project}/held.txt`, () => {
      const taken = type(3, project, "snapshot", ...repo);
      assert.match(taken, /held\.txt: unreadable: EBUSY/);
      // The tree keeps the last state of the file.
      const diff = type(0, project, "diff", "latest~1", "latest", ...repo);
      assert.match(diff, /a\.txt/);
      assert.doesNotMatch(diff, /deleted.*held|D +held/);
      const words = ["restore", "latest~1", "--in-place", ...repo];
      assert.match(type(3, project, ...words), /held\.txt/);
    });
    const text = (name: string) =>
      fs.readFileSync(join(windows.drive, project, name), "utf8");
    assert.deepEqual(["a.txt", "held.txt", "z.txt"].map(text), [
      "1\n",
      "22\n",
      "1\n",
    ]);
    type(0, project, "restore", "latest~1", "--in-place", ...repo);
    assert.equal(text("held.txt"), "1\n");
  },
);

test(
  "a snapshot of Linux that is restored on Windows keeps its modes and owners",
  options,
  async () => {
    const home = windows.folder();
    const source = join(windows.drive, "..", "..", "tmp", home);
    const modes = { "run.sh": 0o755, secret: 0o600, "sub/fixed": 0o444 };
    const storage = new LocalStorage(join(windows.drive, home, "repo"));
    const repository = await Repository.create(storage);
    /**
     * Takes a snapshot on Windows, and returns the differences from the first
     * one.
     */
    const changes = async (folder: string) => {
      const { id } = JSON.parse(
        type(0, home, "snapshot", folder, "--repo", "repo", "--json"),
      );
      const diff = await repository.diff(first, await repository.find(id));
      return [
        id,
        diff.changes.map((change) =>
          `${change.change} ${
            change.change === "deleted" ? change.before.path : change.entry.path
          }`
        ),
      ];
    };
    let first: SnapshotRecord;
    try {
      fs.mkdirSync(join(source, "sub"), { recursive: true });
      for (const [path, mode] of Object.entries(modes)) {
        fs.writeFileSync(join(source, path), `${path}\n`);
        fs.chmodSync(join(source, path), mode);
        fs.lchownSync(join(source, path), 1234, 5678);
        setTimes(join(source, path), 1_234_567_890_123_456_789n);
      }
      fs.chmodSync(join(source, "sub"), 0o2750);
      fs.chmodSync(source, 0o711);
      ({ record: first } = await repository.snapshot(everything(source)));
      const before = stateOf(source);

      // The restore is into a new folder, and then into a folder that has a
      // snapshot.
      type(0, home, "restore", first.id, "--to", "new", "--repo", "repo");
      const [id, changed] = await changes("new");
      assert.deepEqual(changed, []);
      const { record } = await repository.snapshot(everything(source));
      assert.deepEqual(
        (await repository.diff(await repository.find(id), record)).changes,
        [],
      );
      const back = join(source, "..", `${home}-back`);
      try {
        await repository.restore(await repository.find(id), back);
        const now = stateOf(back);
        assert.deepEqual(withoutTimes(now), withoutTimes(before));
        assert.equal(fs.statSync(back).mode & 0o7777, 0o711);
        const { uid, gid } = fs.statSync(join(back, "secret"));
        assert.deepEqual([uid, gid], [1234, 5678]);
      } finally {
        fs.rmSync(back, { recursive: true, force: true });
      }

      // Only the changes that are made on Windows are noticed.
      write(`${home}/new`, { "run.sh": "changed\n", "own.txt": "new\n" });
      fs.chmodSync(join(windows.drive, home, "new/secret"), 0o444);
      const [next, edited] = await changes("new");
      assert.deepEqual(edited, [
        "created own.txt",
        "updated run.sh",
        "touched secret",
      ]);
      const { byPath } = await repository.tree(await repository.find(next));
      assert.deepEqual(
        ["run.sh", "secret", "sub", "sub/fixed"]
          .map((path) => byPath.get(path)?.mode.toString(8)),
        ["755", "400", "2750", "444"],
      );

      // The restore is in place, over files of Windows that have their own
      // snapshot.
      write(`${home}/old`, { "run.sh": "other\n", secret: "other\n" });
      type(0, home, "snapshot", "old", "--repo", "repo");
      const words = ["restore", first.id, "--repo", "repo", "--delete"];
      assert.match(type(1, home, ...words, "--in-place"), /not an absolute/);
      type(0, home, ...words, "--to", "old");
      assert.deepEqual((await changes("old"))[1], []);
      assert.match(
        type(0, home, "snapshot", "old", "--repo", "repo"),
        /[Nn]othing|unchanged|no changes/i,
      );
    } finally {
      fs.rmSync(source, { recursive: true, force: true });
    }
  },
);

function withoutTimes(state: Record<string, unknown>): unknown {
  return JSON.parse(
    JSON.stringify(state, (key, value) => key === "mtime" ? undefined : value),
  );
}
