/**
 * The effect of each setting in real VS Code: the excluded files, the times of
 * snapshots, their location, and how long they are kept.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { mock } from "node:test";
import { Dir, LocalStorage, Repository } from "../../mod.ts";
import type { Editor } from "./editor.ts";
import {
  NO_AUTOMATIC_SNAPSHOTS,
  repositoryOf,
  type Suite,
  suite,
} from "./suite.ts";
import type { Window } from "./window.ts";

/**
 * Settings with which no snapshot is taken automatically, and saves are handled
 * immediately.
 */
const QUIET = {
  ...NO_AUTOMATIC_SNAPSHOTS,
  "deltar.snapshot.delaySeconds": 0,
};

const DAY = 86_400_000;
const MINUTE = 60_000;

let editor: Editor;
let window: Window;
let folder: string;

const at = (path: string) => join(folder, path);

/** Returns the extension's snapshots of a folder. */
async function records(of = folder) {
  return (await repositoryOf(editor, of)).records;
}

/** Takes a snapshot manually, and waits for the notification. */
async function snapshot(told: RegExp): Promise<void> {
  await window.command("Deltar: Create Snapshot");
  await window.isTold(told);
  await window.hush();
}

/** Waits until there is the given number of snapshots. */
async function hasSnapshots(count: number): Promise<void> {
  await window.until(
    `${count} snapshots`,
    async () => (await records()).length === count,
  );
}

/** Opens a new folder with a few files. */
async function openFolder(suite: Suite, name: string): Promise<void> {
  await window?.close();
  folder = join(suite.folder, name);
  fs.mkdirSync(folder);
  fs.writeFileSync(at("notes.md"), "first\n");
  editor ??= await suite.editor("editor", {
    settings: QUIET,
    packages: [suite.companion()],
  });
  window = await suite.open(editor, { folder });
  await window.command("View: Show Deltar");
}

suite([
  ["the excluded files follow the settings", async (suite) => {
    await openFolder(suite, "left-out");
    execFileSync("git", ["init", "-q"], { cwd: folder });
    fs.mkdirSync(at("build"));
    for (
      const name of ["made.log", "seed.keep", ".env.local", "build/out.js"]
    ) fs.writeFileSync(at(name), `${name}\n`);
    fs.writeFileSync(at(".gitignore"), "*.log\n*.keep\n.env*\n/build/\n");
    const usual = [".env.local", ".gitignore", "notes.md"];
    for (
      const [settings, expected] of [
        [{}, usual],
        [
          { "deltar.exclude.keepIgnored": ["*.keep"] },
          [".gitignore", "notes.md", "seed.keep"],
        ],
        [{ "deltar.exclude.keepIgnored": null }, usual],
        [
          { "deltar.exclude.useGitignore": false },
          [...usual, "build", "build/out.js", "made.log", "seed.keep"],
        ],
        [
          { "deltar.exclude.patterns": ["*.md", "/build"] },
          [".env.local", ".gitignore", "made.log", "seed.keep"],
        ],
        [
          {
            "deltar.exclude.useGitignore": null,
            "deltar.exclude.patterns": null,
            "deltar.exclude.versionControl": false,
          },
          [...usual, ".git", ".git/HEAD"],
        ],
      ] as const
    ) {
      await editor.set(settings);
      await snapshot(/Snapshot taken/);
      const { repository, records } = await repositoryOf(editor, folder);
      const { entries } = await repository.tree(records.at(-1)!);
      const paths = entries.map(({ path }) => path)
        .filter((path) => !path.startsWith(".git/") || path === ".git/HEAD");
      assert.deepEqual(paths.sort(), [...expected].sort());
    }
    await editor.set({ "deltar.exclude.versionControl": null });

    fs.mkdirSync(at("target"));
    fs.writeFileSync(
      at("target/CACHEDIR.TAG"),
      "Signature: 8a477f597d28d172789f06886806bc55\n",
    );
    fs.writeFileSync(at("target/out.js"), "made\n");
    fs.writeFileSync(at("large.md"), new Uint8Array(1_000_001));
    await editor.set({
      "deltar.exclude.caches": true,
      "deltar.exclude.largerThanMB": 1,
    });
    await snapshot(/Snapshot taken/);
    const { repository, records } = await repositoryOf(editor, folder);
    const { entries } = await repository.tree(records.at(-1)!);
    assert.deepEqual(
      entries.map(({ path }) => path),
      [...usual, "target", "target/CACHEDIR.TAG"],
    );
    await editor.set({
      "deltar.exclude.caches": null,
      "deltar.exclude.largerThanMB": null,
    });
  }],

  [
    "a snapshot is taken at the interval if anything has changed",
    async (suite) => {
      await openFolder(suite, "every");
      await snapshot(/Snapshot taken/);
      fs.writeFileSync(at("notes.md"), "by another program\n");
      await editor.set({ "deltar.snapshot.everyMinutes": 1 / 60 });
      await window.row("notes.md").waitFor();
      const seen = await looks();
      // When the third search begins, the two before it have found nothing.
      await window.until("it looks", async () => await looks() >= seen + 3);
      assert.equal((await records()).length, 2);
      await editor.set({ "deltar.snapshot.everyMinutes": 0 });
    },
  ],

  [
    "no snapshot is taken after saving while this is turned off or paused",
    async (suite) => {
      await openFolder(suite, "paused");
      await snapshot(/Snapshot taken/);
      await window.hasStatus(/Deltar: off/);
      await window.openFile(at("notes.md"));
      const edit = async (text: string) => {
        await window.type(text);
        await window.save();
      };
      await edit("while it is off\n");
      // If saving had led to a snapshot, this one would not be new.
      await snapshot(/Snapshot taken, 1 file changed/);
      await editor.set({ "deltar.snapshot.onSave": true });
      await window.hasStatus(/Deltar: protected/);
      await edit("while it is on\n");
      await hasSnapshots(3);
      await window.command("Deltar: Pause Automatic Snapshots");
      await window.hasStatus(/Deltar: paused/);
      await window.openStatus("automatic snapshots are paused");
      await window.picture("paused");
      await window.page.keyboard.press("Escape");
      await edit("while it is paused\n");
      await snapshot(/Snapshot taken, 1 file changed/);
      await window.openStatus("Resume Automatic Snapshots");
      await window.choose("Resume Automatic Snapshots");
      await window.hasStatus(/Deltar: protected/);
      await edit("while it goes on\n");
      await hasSnapshots(5);
      await editor.set({ "deltar.snapshot.onSave": false });
    },
  ],

  [
    "a snapshot is taken before the window closes, if this is turned on",
    async (suite) => {
      await openFolder(suite, "closed");
      await snapshot(/Snapshot taken/);
      fs.writeFileSync(at("notes.md"), "before closing, turned off\n");
      await window.reload();
      assert.equal((await records()).length, 1);
      await editor.set({ "deltar.snapshot.onClose": true });
      await window.reload();
      await hasSnapshots(2);
      await window.row("notes.md").waitFor();
      await editor.set({ "deltar.snapshot.onClose": false });
    },
  ],

  [
    "the location of snapshots follows the setting, and errors are shown",
    async (suite) => {
      await openFolder(suite, "located");
      await snapshot(/Snapshot taken/);
      const inside = (base: string) =>
        Repository.open(
          new LocalStorage(join(base, fs.readdirSync(base)[0])),
        ).then((repository) => repository.snapshots());
      // At another location, the known snapshots are not shown.
      const kept = join(suite.folder, "kept");
      await editor.set({ "deltar.repository.location": kept });
      await window.says(/^located has no snapshots here yet\./);
      await window.picture("another-location");
      await window.hasStatus(/Deltar: off/);
      await snapshot(/Snapshot taken, 1 file\./);
      assert.equal((await inside(kept)).length, 1);
      // A location in the workspace is excluded from its own snapshots.
      await editor.set({ "deltar.repository.location": "my snapshots" });
      await snapshot(/Snapshot taken, 1 file\./);
      await snapshot(/Nothing changed/);
      assert.equal((await inside(at("my snapshots"))).length, 1);
      // Nobody may write to this location.
      const locked = join(suite.folder, "locked");
      fs.mkdirSync(locked, { mode: 0o555 });
      const isRoot = process.getuid!() === 0;
      if (isRoot) {
        execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", locked]);
      }
      try {
        await editor.set({ "deltar.repository.location": locked });
        await window.command("Deltar: Create Snapshot");
        const told = await window.isTold(
          isRoot ? /file system is read-only/ : /Permission denied/,
        );
        // The path of the repository is in the message once.
        assert.equal((await told.innerText()).split("/located-").length, 2);
        await window.picture("not-writable");
        await window.hush();
      } finally {
        if (isRoot) execFileSync("umount", [locked]);
      }
      // This location is on S3, and there are no keys.
      await editor.set({ "deltar.repository.location": "s3://bucket/prefix" });
      await window.says(/located: s3:\/\/bucket: no access keys/);
      await window.command("Deltar: Create Snapshot");
      await window.isTold(/no access keys.*Run Deltar: Set S3 Credentials/);
      await window.picture("no-keys");
      await window.hasStatus(/Deltar: failed/);
      await window.hush();
      await editor.set({ "deltar.repository.location": null });
      await window.row("1 file").waitFor();
      await window.hasStatus(/Deltar: off, last /);
    },
  ],

  ["the log shows what happened", async (suite) => {
    await openFolder(suite, "logged");
    const logs = (line: RegExp) =>
      window.until(`logged ${line}`, () => line.test(editor.log()), 20_000);
    const path = folder.replaceAll(".", "\\.");
    await logs(/\[info\] Deltar \d+\.\d+\.\d+$/m);
    await logs(RegExp(
      `\\[info\\] logged: snapshots of ${path} are stored in .*/logged-\\w{8}$`,
      "m",
    ));
    await snapshot(/Snapshot taken/);
    const [{ id }] = await records();
    await logs(RegExp(
      `\\[info\\] logged: snapshot ${id} \\(manual\\), 1 file, ` +
        "[\\d.]+ K?B stored, \\d+ ms$",
      "m",
    ));
    await snapshot(/Nothing changed/);
    await logs(/\[info\] logged: nothing changed \(manual\), \d+ ms$/m);
    await editor.set({ "deltar.snapshot.onSave": true });
    await window.openFile(at("notes.md"));
    await window.type("second\n");
    await window.save();
    await logs(/logged: snapshot \S+ \(after saving\), 1 file changed, /);
    await editor.set({ "deltar.snapshot.onSave": false });
    await window.command("Deltar: Restore Workspace from Snapshot");
    await window.choose(/1 file(?! changed)/);
    await window.answer(/^Restore$/);
    await logs(
      RegExp(`logged: restored from snapshot ${id}: 1 file written$`, "m"),
    );
    await window.hush();
    await window.command("Deltar: Undo Last Restore");
    await window.answer("Undo Restore");
    await logs(/logged: undone the last restore: 1 file written$/m);
    await window.command("Deltar: Pause Automatic Snapshots");
    await logs(/\[info\] automatic snapshots are paused$/m);
    await window.command("Deltar: Resume Automatic Snapshots");
    await logs(/\[info\] automatic snapshots are resumed$/m);
    // There is a file at this location.
    await editor.set({ "deltar.repository.location": at("notes.md") });
    await logs(
      /\[warning\] logged: cannot list the snapshots: A part of the path is not a directory/,
    );
    await window.says(/^logged: A part of the path is not a directory\./);
    await window.command("Deltar: Create Snapshot");
    await logs(
      /\[error\] logged: cannot take a snapshot \(manual\): .*notes\.md/,
    );
    await window.pressTold(/notes\.md/, "Show Log");
    await window.page.locator(".panel .view-lines")
      .filter({ hasText: "cannot take a snapshot" }).waitFor();
    await window.hush();
    await window.picture("log");
    await window.command("Deltar: Create Snapshot");
    await window.pressTold(/notes\.md/, "Open Settings");
    await window.page.locator(".settings-editor .setting-item")
      .filter({ hasText: "Deltar › Repository: Location" }).waitFor();
    await window.picture("open-settings");
    await window.command("View: Close Editor");
    await window.hush();
    await editor.set({ "deltar.repository.location": null });
  }],

  ["a folder that vanished does not affect the others", async (suite) => {
    await openFolder(suite, "stays");
    await window.close();
    const gone = join(suite.folder, "goes");
    fs.mkdirSync(gone);
    fs.writeFileSync(join(gone, "a.txt"), "a\n");
    const workspace = join(suite.folder, "some.code-workspace");
    fs.writeFileSync(
      workspace,
      JSON.stringify({ folders: [{ path: "goes" }, { path: "stays" }] }),
    );
    window = await suite.open(editor, { workspace });
    await window.command("View: Show Deltar");
    await snapshot(/goes: snapshot taken, 1 file; stays: snapshot taken/);
    fs.renameSync(gone, `${gone}-elsewhere`);
    fs.writeFileSync(at("notes.md"), "second\n");
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/goes: .*no such directory/);
    await window.isTold(/stays: snapshot taken, 1 file changed/);
    await window.hasStatus(/Deltar: partial/);
    await window.picture("vanished");
    await window.row(/stays · notes\.md/).waitFor();
    await window.row(/goes · 1 file/).waitFor();
    fs.renameSync(`${gone}-elsewhere`, gone);
    await window.hush();
    await snapshot(/goes: nothing changed/);
  }],

  [
    "a size above the limit is shown in a warning with advice",
    async (suite) => {
      await openFolder(suite, "budget");
      await editor.set({
        "deltar.storage.maxSizeMB": 1,
        "deltar.retention.enabled": false,
      });
      await snapshot(/Snapshot taken/);
      const hour = startOfHour(Date.now() - 3 * DAY);
      await makePast([hour, hour + MINUTE, hour + 2 * MINUTE]);
      const large = randomFillSync(new Uint8Array(2e6));
      fs.writeFileSync(at("large.bin"), large);
      const warning =
        /The snapshots of budget use 2\.0\d MB, more than the limit of 1\.00 MB\./;
      await window.command("Deltar: Create Snapshot");
      await window.isTold(warning);
      await window.picture("budget");
      assert.equal((await records()).length, 4);
      await window.pressTold(warning, "Remove Old Snapshots");
      await window.dialog().getByText("Remove 2 old snapshots of budget?")
        .waitFor();
      await window.answer(/^Remove 2 Snapshots$/);
      await hasSnapshots(2);
      await window.until("both are shown", async () => await shown() === 2);
      await window.hush();
      // The warning is shown once, and again after the size was within the limit.
      fs.writeFileSync(at("notes.md"), "second\n");
      await snapshot(/Snapshot taken, 1 file changed/);
      await editor.set({ "deltar.storage.maxSizeMB": 100 });
      fs.writeFileSync(at("notes.md"), "third\n");
      await snapshot(/Snapshot taken, 1 file changed/);
      await editor.set({ "deltar.storage.maxSizeMB": 1 });
      fs.writeFileSync(at("notes.md"), "fourth\n");
      await window.command("Deltar: Create Snapshot");
      await window.pressTold(warning, "Open Settings");
      const settings = window.page.locator(".settings-editor");
      await settings.getByText("Max Size MB").first().waitFor();
      await window.picture("budget-settings");
      await window.hush();
      assert.equal((await records()).length, 5, "nothing is removed unasked");
      await window.command("View: Close All Editors");
      await editor.set({
        "deltar.storage.maxSizeMB": null,
        "deltar.retention.enabled": null,
      });
    },
  ],

  ["old snapshots are removed by the rules", async (suite) => {
    await openFolder(suite, "old");
    await editor.set({ "deltar.retention.enabled": false });
    await snapshot(/Snapshot taken/);
    // There are ten snapshots in an hour three days ago, and five on a day a
    // week before.
    const hour = startOfHour(Date.now() - 3 * DAY);
    const day = startOfHour(Date.now() - 10 * DAY);
    await makePast([
      ...Array.from({ length: 5 }, (_, at) => day + at * MINUTE),
      ...Array.from({ length: 10 }, (_, at) => hour + at * MINUTE),
    ]);
    await window.command("Deltar: Refresh");
    await window.until("the past is shown", async () => await shown() === 15);
    await snapshot(/Nothing changed/);
    const all = (await records()).length;
    assert.equal(all, 15);
    await window.command("Deltar: Remove Old Snapshots…");
    await window.dialog().getByText(/Remove \d+ old snapshots of old\?/)
      .waitFor();
    // A dialog shows all characters literally.
    assert.match(
      await window.dialog().innerText(),
      /the command deltar undelete can bring the removed snapshots back\./,
    );
    await window.picture("remove-old");
    await window.answer("Cancel");
    assert.equal((await records()).length, all);
    // Old snapshots are removed automatically after the next snapshot.
    await editor.set({ "deltar.retention.enabled": null });
    fs.writeFileSync(at("notes.md"), "the last\n");
    await snapshot(/Snapshot taken, \d+ files? changed/);
    // One snapshot of the hour, one of the day, and the current one remain.
    await hasSnapshots(3);
    await window.until("all are shown", async () => await shown() === 3);
    // Each row names the changes since the previous remaining snapshot.
    const lines = () => window.texts("Snapshots");
    await window.until(
      "named",
      async () =>
        /notes\.md$/.test((await lines())[1]) &&
        / and 10 more$/.test((await lines())[3]),
    );
    assert.match((await lines())[5], /6 files$/);
    await window.picture("thinned-closed");
    await window.expand(window.rows("Snapshots").nth(3));
    const changed = window.row(/^notes\.md/);
    await changed.waitFor();
    assert.equal(
      (await lines()).filter((line) => /^file /.test(line)).length,
      10,
    );
    await window.isMarked(
      changed,
      "M",
      "gitDecoration.modifiedResourceForeground",
    );
    await window.picture("thinned");
    await window.command("Deltar: Remove Old Snapshots…");
    await window.isTold(/Nothing to remove: the rules keep 3 snapshots/);
    await window.hush();
    // Old snapshots are removed manually, with rules that keep fewer.
    await editor.set({
      "deltar.retention.dailyDays": 5,
      "deltar.retention.weeklyDays": 5,
    });
    await window.command("Deltar: Remove Old Snapshots…");
    await window.answer(/^Remove 1 Snapshot$/);
    await hasSnapshots(2);
    await window.until("both are shown", async () => await shown() === 2);
  }],
]);

/** Makes snapshots of the folder with these times. */
async function makePast(times: readonly number[]): Promise<void> {
  const { repository } = await repositoryOf(editor, folder);
  const root = (repository.storage as LocalStorage).location;
  fs.rmSync(root, { recursive: true });
  const past = await Repository.create(new LocalStorage(root));
  try {
    for (const [count, now] of times.entries()) {
      fs.writeFileSync(at("notes.md"), `version ${count}\n`);
      fs.writeFileSync(at(`file ${count}`), "");
      mock.timers.enable({ apis: ["Date"], now });
      await past.snapshot(new Dir(folder));
      mock.timers.reset();
    }
  } finally {
    mock.timers.reset();
  }
}

/** Returns the number of searches for changes since the first call. */
function looks(): Promise<number> {
  return editor.ask(
    `const processes = require("node:child_process");
    if (globalThis.looks === undefined) {
      globalThis.looks = 0;
      const watch = (child) => {
        const { send } = child;
        child.send = function (words, ...more) {
          if (words.message?.method === "snapshot") globalThis.looks++;
          return send.call(this, words, ...more);
        };
        return child;
      };
      // The process with the library can be running, and can start later.
      const { ChildProcess, fork } = processes;
      processes.fork = (...words) => watch(fork(...words));
      for (const one of process._getActiveHandles()) {
        if (one instanceof ChildProcess && one.send) watch(one);
      }
    }
    return globalThis.looks;`,
  );
}

/** Returns the time when the hour of a time began. */
function startOfHour(time: number): number {
  return new Date(time).setMinutes(0, 0, 0);
}

/** Returns the number of snapshots that the view shows. */
async function shown(): Promise<number> {
  return (await window.texts("Snapshots"))
    .filter((text) => /^\d\d:/.test(text)).length;
}
