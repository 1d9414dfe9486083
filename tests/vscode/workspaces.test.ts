/**
 * Workspaces of every kind in real VS Code: several folders, settings, several
 * windows, Restricted Mode, disk errors, and processes that are killed.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Editor } from "./editor.ts";
import { stateOf } from "./project.ts";
import { repositoryOf, type Suite, suite } from "./suite.ts";
import type { Window } from "./window.ts";

let editor: Editor;
let window: Window;
/** The first of two folders of a workspace. */
let one: string;
let two: string;

const settings = {
  "deltar.snapshot.delaySeconds": 1,
  "deltar.snapshot.everyMinutes": 0,
};

/** Writes files that take a while to store. */
function fill(folder: string, files: number, megabytes: number): void {
  for (let at = 0; at < files; at++) {
    const sub = join(folder, `part${at % 20}`);
    fs.mkdirSync(sub, { recursive: true });
    fs.writeFileSync(join(sub, `${at}.txt`), `file ${at}\n`.repeat(100));
  }
  const large = fs.openSync(join(folder, "large.bin"), "w");
  const piece = new Uint8Array(2 ** 20);
  for (let at = 0; at < megabytes; at++) {
    fs.writeSync(large, randomFillSync(piece));
  }
  fs.closeSync(large);
}

async function snapshotsOf(folder: string) {
  return (await repositoryOf(editor, folder)).records
    .filter(({ safety }) => safety === undefined);
}

/** Waits until a snapshot of a folder has begun to write. */
async function isTaking(folder: string): Promise<void> {
  const base = join(editor.storage, "repositories");
  const name = `${folder.split("/").at(-1)}-`;
  await soon(() => {
    const found = fs.readdirSync(base).find((one) => one.startsWith(name));
    const running = join(base, found ?? "", "running");
    return fs.existsSync(running) && fs.readdirSync(running).length > 0;
  });
}

/** Waits until a condition holds, even if it holds only for a short time. */
async function soon(check: () => boolean): Promise<void> {
  for (const end = Date.now() + 120_000; !check();) {
    assert.ok(Date.now() < end, "waited in vain");
    await sleep(2);
  }
}

/** Kills processes. */
function kill(pids: readonly number[]): void {
  for (const pid of pids) process.kill(pid, "SIGKILL");
}

/**
 * Asserts that every snapshot can be restored, and that every object is
 * undamaged.
 */
async function isWhole(folder: string): Promise<void> {
  const { repository } = await repositoryOf(editor, folder);
  const { damage } = await repository.verify({ data: true });
  assert.deepEqual(damage, []);
}

/** Starts the editor of all tests, when the first test needs it. */
async function start(suite: Suite): Promise<void> {
  editor ??= await suite.editor("editor", {
    settings,
    packages: [suite.companion()],
  });
}

suite([
  [
    "each folder of a workspace gets snapshots, which are shown together",
    async (suite) => {
      one = join(suite.folder, "one");
      two = join(suite.folder, "two");
      for (const folder of [one, two]) {
        fs.mkdirSync(folder);
        fs.writeFileSync(join(folder, "a.txt"), "a\n");
        fs.writeFileSync(join(folder, "b.log"), "b\n");
      }
      const workspace = join(suite.folder, "both.code-workspace");
      fs.writeFileSync(
        workspace,
        JSON.stringify({ folders: [{ path: "one" }, { path: "two" }] }),
      );
      await start(suite);
      window = await suite.open(editor, { workspace });
      await window.command("View: Show Deltar");
      await window.command("Deltar: Create Snapshot");
      await window.isTold(/one: snapshot taken, 2 files; two: snapshot taken/);
      await window.row(/one · 2 files/).waitFor();
      await window.row(/two · 2 files/).waitFor();
      await window.picture("multi-root");
      await window.openStatus(/just now · one · 2 files/);
      await window.line(/just now · two · 2 files/).waitFor();
      await window.picture("multi-root-status");
      await window.page.keyboard.press("Escape");
      assert.equal((await snapshotsOf(one)).length, 1);
      assert.equal((await snapshotsOf(two)).length, 1);
      await window.hush();
    },
  ],

  ["excluded paths of a folder are listed, with the rules", async () => {
    await editor.set({ "deltar.exclude.patterns": ["*.log"] });
    fs.writeFileSync(join(one, "c.txt"), "c\n");
    fs.writeFileSync(join(one, "d.log"), "d\n");
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/one: snapshot taken, 1 file changed/);
    await window.hush();
    const { repository } = await repositoryOf(editor, one);
    const last = (await snapshotsOf(one)).at(-1)!;
    const paths = (await repository.tree(last)).entries.map(({ path }) => path);
    assert.deepEqual(paths, ["a.txt", "c.txt"]);
    await window.command("Deltar: Show Excluded and Skipped Files");
    await window.choose("one");
    await window.line(/d\.log/).waitFor();
    await window.picture("left-out");
    const text = await window.line(/d\.log/).innerText();
    assert.match(text, /exclude: \*\.log/);
    // The title of the group, at the first line, says it for all.
    assert.doesNotMatch(text, /excluded/);
    await window.page.keyboard.press("Escape");
    await window.close();
  }],

  [
    "a window shows the snapshots and changes of another window",
    async (suite) => {
      const first = await suite.open(editor, { folder: one });
      const second = await suite.open(editor, { folder: one });
      for (const each of [first, second]) {
        await each.command("View: Show Deltar");
        await each.row("c.txt").waitFor();
      }
      const before = await second.rows("Snapshots").count();
      fs.writeFileSync(join(one, "from-first.txt"), "1\n");
      await first.command("Deltar: Create Snapshot");
      await first.isTold(/Snapshot taken/);
      await second.until(
        "the other's snapshot",
        async () => await second.rows("Snapshots").count() === before + 1,
      );
      // Both windows take a snapshot at the same time. Both succeed, and nothing
      // is lost.
      fs.writeFileSync(join(one, "from-both.txt"), "2\n");
      await Promise.all([
        first.command("Deltar: Create Snapshot"),
        second.command("Deltar: Create Snapshot"),
      ]);
      await Promise.all([
        first.until("the first is done", () => hasFile("from-both.txt")),
        second.until("the second is done", () => hasFile("from-both.txt")),
      ]);
      await isWhole(one);
      await first.close();
      await second.close();
    },
  ],

  [
    "in Restricted Mode, snapshots can be browsed, but not restored",
    async (suite) => {
      const folder = join(suite.folder, "strange");
      fs.mkdirSync(join(folder, ".vscode"), { recursive: true });
      fs.writeFileSync(join(folder, "a.txt"), "a\n");
      const elsewhere = join(suite.folder, "elsewhere");
      fs.writeFileSync(
        join(folder, ".vscode", "settings.json"),
        JSON.stringify({
          "deltar.repository.location": elsewhere,
          "deltar.exclude.patterns": ["*"],
        }),
      );
      const wary = await suite.editor("wary", {
        asksForTrust: true,
        settings: {
          ...settings,
          "deltar.snapshot.onOpen": true,
          "deltar.snapshot.onExternalChange": true,
          "deltar.snapshot.delaySeconds": 0,
          "security.workspace.trust.startupPrompt": "never",
        },
      });
      const strange = await suite.open(wary, { folder });
      await strange.hasStatus(/Deltar: restricted/);
      await strange.command("View: Show Deltar");
      await strange.page.getByText(
        "Restores and automatic snapshots are disabled in Restricted Mode",
      )
        .waitFor();
      await strange.picture("restricted");
      await strange.openFile(join(folder, "a.txt"));
      await strange.type("changed\n");
      await strange.save();
      // This is long enough for a change by another program to be noticed.
      fs.appendFileSync(join(folder, ".vscode", "settings.json"), "\n");
      await strange.page.waitForTimeout(8000);
      assert.ok(!fs.existsSync(join(wary.storage, "repositories")));
      assert.ok(!fs.existsSync(join(wary.storage, "cache", "originals")));
      // A manual snapshot is taken with the user's settings, and not with those
      // of the workspace. It is the first one, so saving has taken none.
      await strange.command("Deltar: Create Snapshot");
      await strange.isTold(/Snapshot taken, 2 files/);
      assert.ok(!fs.existsSync(elsewhere), "the workspace redirects nothing");
      const { repository, records } = await repositoryOf(wary, folder);
      const { byPath } = await repository.tree(records[0]);
      assert.ok(byPath.has("a.txt"), "the workspace switches nothing off");
      await strange.expand(strange.row("2 files"));
      await strange.row(/^a\.txt/).waitFor();
      await strange.page.keyboard.press("F1");
      await strange.page.locator(".quick-input-widget input.input")
        .fill(">Deltar: ");
      await strange.line("Deltar: Refresh").waitFor();
      const offered = await strange.line(/Deltar: /).allInnerTexts();
      assert.ok(offered.length > 5);
      assert.ok(
        !offered.some((text) => /Restore|Undo/.test(text)),
        `${offered}`,
      );
      await strange.close();
      await wary.stop();
    },
  ],

  ["a reload in the middle of a snapshot loses nothing", async (suite) => {
    const folder = await protectedFolder(suite, "reloaded");
    fill(folder, 2000, 200);
    const before = stateOf(folder);
    await window.command("Deltar: Create Snapshot");
    await isTaking(folder);
    await window.page.reload();
    await window.isReady();
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken|Nothing changed/);
    assert.deepEqual(stateOf(folder), before);
    await isWhole(folder);
    await isLike(folder);
    await window.close();
  }],

  ["a cancelled snapshot does not exist", async (suite) => {
    const folder = await protectedFolder(suite, "cancelled");
    fill(folder, 200, 600);
    const before = stateOf(folder);
    await window.command("Deltar: Create Snapshot");
    await isTaking(folder);
    const progress = await window.isTold("Taking a snapshot");
    await window.picture("progress");
    await window.pressTold("Taking a snapshot", "Cancel");
    await progress.waitFor({ state: "detached" });
    assert.equal((await snapshotsOf(folder)).length, 1, "it was too late");
    await window.hasStatus(/Deltar: protected/);
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken/);
    assert.deepEqual(stateOf(folder), before);
    await isWhole(folder);
    await isLike(folder);
    await window.close();
  }],

  [
    "an extension host that is killed during a snapshot loses nothing",
    async (suite) => {
      const folder = await protectedFolder(suite, "killed");
      fill(folder, 2000, 600);
      const before = stateOf(folder);
      const known = (await snapshotsOf(folder)).length;
      // The page may answer only after the snapshot.
      const hosts = editor.extensionHosts();
      await Promise.all([
        isTaking(folder).then(() => kill(hosts)),
        window.command("Deltar: Create Snapshot"),
      ]);
      assert.equal(
        (await snapshotsOf(folder)).length,
        known,
        "it was too late",
      );
      assert.deepEqual(stateOf(folder), before);
      await window.page.reload();
      await window.isReady();
      await isWhole(folder);
      await window.command("Deltar: Create Snapshot");
      // VS Code starts another extension host, which may take a snapshot while
      // the window reloads.
      await window.isTold(/Snapshot taken|Nothing changed/);
      await isLike(folder);
      await window.close();
    },
  ],

  [
    "an extension host that is killed during a restore loses nothing",
    async (suite) => {
      const folder = await protectedFolder(suite, "restored", 2000);
      const good = stateOf(folder);
      for (let at = 0; at < 20; at++) {
        fs.rmSync(join(folder, `part${at}`), { recursive: true });
      }
      fill(folder, 0, 2);
      const ruined = stateOf(folder);
      await window.command("Deltar: Restore Workspace from Snapshot…");
      await window.choose(/2,001 files/);
      await window.dialog().getByText(/files? will be created/).waitFor();
      // The page may answer only after the restore.
      const hosts = editor.extensionHosts();
      const isRestoring = () =>
        fs.readdirSync(folder).filter((name) => name.startsWith("part"))
          .length > 2;
      await Promise.all([
        soon(isRestoring).then(() => kill(hosts)),
        window.answer(/^Restore$/),
      ]);
      const between = stateOf(
        folder,
        // A file that is being written still has a temporary name.
        (path) => !path.includes(".deltar-stage-"),
      );
      assert.ok(between.size < good.size, "it was too late");
      for (const [path, sum] of between) {
        assert.ok(
          sum === good.get(path) || sum === ruined.get(path),
          `${path} is half written`,
        );
      }
      await window.page.reload();
      await window.isReady();
      const told = /restore of .* was interrupted/;
      await window.isTold(told);
      await window.picture("cut-short");
      await window.pressTold(told, "Keep Current Files");
      await window.reload();
      await window.row(/before restoring/).waitFor();
      await window.hasStatus(/Deltar: protected/);
      const asked = window.page.locator(".notification-toast")
        .filter({ hasText: "was interrupted" });
      assert.equal(await asked.count(), 0, "the user is not asked again");
      await window.command("Deltar: Undo Last Restore");
      await window.answer("Undo Restore");
      await window.isTold(/Undone: /);
      assert.deepEqual(stateOf(folder), ruined);
      await window.hush();
      await window.command("Deltar: Redo Restore");
      await window.answer("Redo Restore");
      await window.isTold(/Redone: /);
      await isWhole(folder);
      await window.close();
    },
  ],

  [
    "a full disk and an unreadable file are reported with advice",
    async (suite) => {
      const folder = join(suite.folder, "faulty");
      const small = join(suite.folder, "small");
      fs.mkdirSync(folder);
      fs.mkdirSync(small);
      fs.writeFileSync(join(folder, "a.txt"), "a\n");
      fs.writeFileSync(
        join(folder, "large.bin"),
        randomFillSync(new Uint8Array(16e6)),
      );
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", small]);
      const release = [small];
      try {
        await start(suite);
        window = await suite.open(editor, { folder });
        await editor.set({ "deltar.repository.location": small });
        await window.command("Deltar: Create Snapshot");
        const told = await window.isTold(/The disk is full\. Free some space/);
        await window.picture("full-disk");
        assert.match(await told.innerText(), /deltar\.repository\.location/);
        await window.hasStatus(/Deltar: failed/);
        await editor.set({ "deltar.repository.location": null });
        await window.hush();

        const secret = join(folder, "secret.txt");
        fs.writeFileSync(secret, "secret\n");
        if (process.getuid!() === 0) {
          // The modes of files do not keep root from reading them, but the
          // kernel keeps root from reading this file.
          execFileSync("mount", ["--bind", "/proc/1/mem", secret]);
          release.push(secret);
        } else fs.chmodSync(secret, 0);
        await window.command("Deltar: Create Snapshot");
        await window.isTold(/1 path skipped/);
        await window.hasStatus(/Deltar: partial/);
        await window.openStatus(/secret\.txt/);
        await window.picture("unreadable");
        assert.match(
          await window.line(/secret\.txt/).innerText(),
          /unreadable/,
        );
        await window.page.keyboard.press("Escape");
        const { repository, records } = await repositoryOf(editor, folder);
        const { byPath } = await repository.tree(records.at(-1)!);
        assert.ok(byPath.has("a.txt") && !byPath.has("secret.txt"));
        await window.close();
      } finally {
        for (const place of release) execFileSync("umount", [place]);
      }
    },
  ],
]);

/** Returns whether the last snapshot has a file. */
async function hasFile(path: string): Promise<boolean> {
  const { repository } = await repositoryOf(editor, one);
  const last = (await snapshotsOf(one)).at(-1)!;
  return await repository.lookup(last, path) !== undefined;
}

/** Asserts that the last snapshot is equal to the files on the disk. */
async function isLike(folder: string): Promise<void> {
  const { repository } = await repositoryOf(editor, folder);
  const last = (await snapshotsOf(folder)).at(-1)!;
  const { entries } = await repository.tree(last);
  const kept = new Map(
    entries.map(({ path, kind, sha256 }) =>
      kind === "directory" ? [`${path}/`, ""] : [path, sha256!]
    ),
  );
  assert.deepEqual(kept, stateOf(folder));
}

/** Opens a window with a folder that has a snapshot. */
async function protectedFolder(
  suite: Suite,
  name: string,
  files = 200,
): Promise<string> {
  await start(suite);
  const folder = join(suite.folder, name);
  fs.mkdirSync(folder);
  fill(folder, files, 1);
  window = await suite.open(editor, { folder });
  await window.command("View: Show Deltar");
  await window.command("Deltar: Create Snapshot");
  await window.isTold(/Snapshot taken/);
  await window.hush();
  return folder;
}
