/** Imports of dated directories as snapshots. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LocalStorage } from "../../lib/storage/local.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { needs, runText } from "../support/peer.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

interface Listed {
  id: string;
  time: string;
  parent?: string;
  directory: string;
}

function listed(place: Place, ...words: string[]): Listed[] {
  return place.json(["list", ...words]).snapshots;
}

/** Makes a dated directory with a file. */
function make(place: Place, path: string, text = path, mtime?: string): void {
  const folder = join(place.folder, path);
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(join(folder, "a.txt"), text);
  if (mtime === undefined) return;
  const time = new Date(mtime);
  fs.utimesSync(folder, time, time);
}

function sizeOf(folder: string): number {
  return fs.readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => fs.statSync(join(entry.parentPath, entry.name)).size)
    .reduce((sum, size) => sum + size, 0);
}

const DAYS = 135;

/** Returns the name of a day, counted from 0. */
function dayOf(number: number): string {
  return new Date(Date.UTC(2024, 0, 1 + number)).toISOString().slice(0, 10);
}

test(
  "import makes snapshots of 135 directories of rsync --link-dest, even if it is killed",
  needs("rsync"),
  async () => {
    await withPlace(async (place) => {
      const backups = join(place.folder, "backups");
      const live = join(place.folder, "live");
      fs.mkdirSync(backups);
      fs.mkdirSync(join(live, "src"), { recursive: true });
      for (let file = 0; file < 50; file++) {
        const text = `${Math.random()}\n`.repeat(100);
        fs.writeFileSync(join(live, "src", `${file}`), text);
      }
      const folder = join(place.folder, "day-by-day");
      const daily = await Repository.create(new LocalStorage(folder));
      const cache = join(place.folder, "cache");
      for (let day = 0; day < DAYS; day++) {
        fs.appendFileSync(join(live, "src", `${day % 50}`), `day ${day}\n`);
        fs.writeFileSync(join(live, `new-${day}`), `day ${day}\n`);
        const link = day > 0 ? [`--link-dest=../${dayOf(day - 1)}`] : [];
        const to = join(backups, dayOf(day));
        runText("rsync", ["-a", ...link, `${live}/`, `${to}/`]);
        await daily.snapshot(new Walker(live, { excludes: [] }), { cache });
      }
      const days = fs.readdirSync(backups).sort()
        .map((name) => join(backups, name));
      const words = ["import", ...days.toReversed()];
      words.push("--source", live, "--repo", "../imported");

      const [program, ...args] = [...COMMAND, ...words];
      const child = spawn(program, args, {
        cwd: place.root,
        env: { ...place.env, TZ: "UTC" },
        stdio: ["ignore", "pipe", "ignore"],
      });
      let out = "";
      child.stdout.on("data", (part) => {
        out += part;
        if (out.split("\n").length > 20) child.kill("SIGKILL");
      });
      await once(child, "close");
      assert.equal(child.signalCode, "SIGKILL");

      const again = place.json(words, { env: { TZ: "UTC" } });
      assert.equal(again.code, 0);
      const states = again.directories.map((one: { state: string }) =>
        one.state
      );
      assert.ok(states.filter((one: string) => one === "present").length >= 19);
      assert.ok(states.includes("new"));
      const snapshots = listed(place, "--repo", "../imported");
      assert.deepEqual(
        snapshots.map(({ time }) => time),
        days.map((_, day) => `${dayOf(day)}T00:00:00.000Z`),
      );
      assert.deepEqual(
        snapshots.slice(1).map(({ parent }) => parent),
        snapshots.slice(0, -1).map(({ id }) => id),
      );
      const imported = join(place.folder, "imported");
      // Records that the command stores also have a machine and a signature.
      const [added, usual] = [imported, folder].map((repository) =>
        ["volumes", "trees"].reduce(
          (sum, name) => sum + sizeOf(join(repository, name)),
          0,
        )
      );
      assert.ok(added <= 1.1 * usual, `${added} bytes, usually ${usual}`);
      assert.equal(place.run(["verify", "--data", "--repo", imported]).code, 0);
      for (const day of [0, 70, DAYS - 1]) {
        const to = join(place.folder, `restored-${day}`);
        const { id } = snapshots[day];
        place.run(["restore", id, "--repo", imported, "--to", to]);
        runText("diff", ["-r", days[day], to]);
      }
      // The last import has nothing left to do.
      const last = place.json(words, { env: { TZ: "UTC" } });
      assert.equal(last.stored, 0);
    });
  },
);

test("import takes times from names or from the directories of rsnapshot, and shows them", async () => {
  await withPlace((place) => {
    make(place, "r/daily.0", "new", "2024-03-02T10:00:00Z");
    make(place, "r/daily.1", "old", "2024-03-01T10:00:00Z");
    make(place, "r/2024-02-01-120000.backup");
    const dirs = ["daily.0", "daily.1", "2024-02-01-120000.backup"]
      .map((name) => join(place.folder, "r", name));
    const env = { TZ: "UTC" };
    const unnamed = place.run(["import", ...dirs, "--dry-run"], { env });
    assert.equal(unnamed.code, 2);
    assert.match(unnamed.err, /missing source: add `--source <dir>`/);
    const live = join(place.folder, "live");
    const words = ["import", ...dirs, "--source", live];
    const dry = place.json([...words, "--dry-run"], { env });
    assert.equal(dry.code, 0);
    assert.equal(dry.source, live);
    assert.deepEqual(
      dry.directories.map(({ path, time, timeFrom, state }: {
        path: string;
        time: string;
        timeFrom: string;
        state: string;
      }) => [path, time, timeFrom, state]),
      [
        [dirs[2], "2024-02-01T12:00:00.000Z", "name", "new"],
        [dirs[1], "2024-03-01T10:00:00.000Z", "mtime", "new"],
        [dirs[0], "2024-03-02T10:00:00.000Z", "mtime", "new"],
      ],
    );
    assert.equal(fs.existsSync(place.data), false);
    const done = place.run(words, { env });
    assert.equal(done.code, 0, done.err);
    assert.match(done.out, /Imported 3 directories/);
    const repo = ["--repo", dry.repository];
    assert.deepEqual(listed(place, ...repo).map(({ time }) => time), [
      "2024-02-01T12:00:00.000Z",
      "2024-03-01T10:00:00.000Z",
      "2024-03-02T10:00:00.000Z",
    ]);
    const cat = place.run(["cat", "2024-03-01", "a.txt", ...repo], { env });
    assert.equal(cat.out, "old");
    // A later snapshot of the same directory continues them.
    make(place, "live");
    const next = place.json(["snapshot", live]);
    assert.equal(next.parent, listed(place, ...repo)[2].id);
  });
});

test("import refuses directories whose times it cannot determine, before it stores anything", async () => {
  await withPlace((place) => {
    for (
      const path of [
        "b/2024-01-01",
        "b/2024-01-01-000000",
        "b/latest",
        "b/2024-01-02.inProgress",
        "b/2190-01-01",
      ]
    ) make(place, path);
    const run = (...names: string[]) =>
      place.run([
        "import",
        ...names.map((name) => `../b/${name}`),
        "--source",
        ".",
      ]);
    for (
      const [names, message] of [
        [["2024-01-01", "latest"], /b\/latest: the name has no date/],
        [["2024-01-01", "2024-01-01-000000"], /the same time/],
        [["2024-01-01", "2024-01-02.inProgress"], /not complete/],
        [["2024-01-01", "2190-01-01"], /in the future/],
        [["2024-01-01", "missing"], /no such directory/],
      ] as const
    ) {
      const { code, err } = run(...names);
      assert.equal(code, 1, names.join());
      assert.match(err, message);
    }
    assert.equal(fs.existsSync(place.data), false);
    const { code } = place.run([
      "import",
      "../b/latest",
      "--source",
      ".",
      "--time-from",
      "mtime",
    ]);
    assert.equal(code, 0);
  });
});

test("import refuses directories older than the last snapshot, or skips them", async () => {
  await withPlace((place) => {
    for (const day of [1, 2, 3]) make(place, `b/2024-01-0${day}`);
    const [first, second, third] = [1, 2, 3].map((day) =>
      `../b/2024-01-0${day}`
    );
    const source = ["--source", "."];
    assert.equal(place.run(["import", second, ...source]).code, 0);
    const refused = place.run(["import", first, second, third, ...source]);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /2024-01-01: 1 directory is older/);
    const { code, directories, faults } = place.json([
      "import",
      first,
      second,
      third,
      ...source,
      "--skip-older",
    ]);
    assert.equal(code, 0);
    assert.equal(faults, 0);
    assert.deepEqual(
      directories.map(({ state }: { state: string }) => state),
      ["older", "present", "new"],
    );
  });
});
