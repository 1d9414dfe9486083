import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { LocalStorage } from "../../lib/storage/local.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { noise } from "../support/noise.ts";
import { needsWine, Windows } from "../support/windows.ts";
import { everything } from "../repository/helpers.ts";

const options = needsWine();
let windows: Windows;
before(() => {
  if (options.skip === undefined) windows = new Windows();
});
after(() => windows?.end());

/** Runs the command in a folder of the drive; another exit code is a fault. */
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

/** The files below a folder of the drive, with their contents. */
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
  "restore on Windows refuses names that mean something else there [R1] [R3]",
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
  "snapshot on Windows takes all spellings of a directory for one [S7]",
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
