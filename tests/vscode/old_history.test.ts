/**
 * Old histories in real VS Code: a folder that was moved, and a repository
 * whose location was changed.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Editor } from "./editor.ts";
import { repositoryOf, suite } from "./suite.ts";
import type { Window } from "./window.ts";

const settings = {
  "deltar.snapshot.onOpen": true,
  "deltar.snapshot.onSave": false,
  "deltar.snapshot.everyMinutes": 0,
  "deltar.snapshot.onClose": false,
};

let editor: Editor;
let window: Window;
let folder: string;

const at = (path: string) => join(folder, path);
const read = (path: string) => fs.readFileSync(at(path), "utf8");
const repositories = () =>
  fs.readdirSync(join(editor.storage, "repositories")).sort();

async function snapshot(label: string): Promise<void> {
  await window.command("Deltar: Create Snapshot with Label…");
  await window.page.getByPlaceholder("before the refactoring").fill(label);
  await window.page.keyboard.press("Enter");
  await rowOf(label).waitFor();
  await window.hush();
}

function rowOf(label: string) {
  return window.rows("Snapshots").filter({ hasText: `${label} · ` });
}

/**
 * Holds the requests for the list of the current repository until `release` is
 * called in the extension host.
 */
function holdLists(): Promise<void> {
  return editor.ask(
    `const processes = require("node:child_process");
    const held = [];
    let isHeld = true;
    globalThis.listed = [];
    globalThis.release = () => {
      isHeld = false;
      for (const send of held) send();
    };
    const watch = (child) => {
      const { send } = child;
      child.send = function (words, ...more) {
        const { method, params } = words.message ?? {};
        const pass = () => send.call(this, words, ...more);
        if (method !== "list" || !isHeld) return pass();
        const { repository } = params.config;
        globalThis.listed.push(repository);
        if (repository.includes("/disk-")) return pass();
        held.push(pass);
        return true;
      };
      return child;
    };
    // The process with the library can be running, and can start later.
    const { ChildProcess, fork } = processes;
    processes.fork = (...words) => watch(fork(...words));
    for (const one of process._getActiveHandles()) {
      if (one instanceof ChildProcess && one.send) watch(one);
    }`,
  );
}

/** Returns the repositories whose lists were requested since `holdLists`. */
function listed(): Promise<string[]> {
  return editor.ask("return globalThis.listed;");
}

async function noQuestion(): Promise<void> {
  await window.page.waitForTimeout(1500);
  const question = window.page.locator(".notification-toast")
    .filter({ hasText: /looks like|The (new|old) location/ });
  assert.equal(await question.count(), 0);
}

suite([
  ["a folder has snapshots before it is moved", async (suite) => {
    folder = join(suite.folder, "plans");
    fs.mkdirSync(at("chapters"), { recursive: true });
    fs.writeFileSync(at("notes.md"), "first\n");
    fs.writeFileSync(at("list.txt"), "a\n");
    fs.writeFileSync(at("chapters/one.md"), "one\n");
    editor = await suite.editor("editor", {
      settings,
      packages: [suite.companion()],
    });
    window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    await window.hasStatus(/protected/);
    await window.hush();
    fs.writeFileSync(at("notes.md"), "second\n");
    await snapshot("before the move");
    await window.close();
  }],

  ["a moved folder is recognized, and waits for the answer", async (suite) => {
    const before = repositories();
    const old = folder;
    fs.mkdirSync(join(suite.folder, "archive"));
    folder = join(suite.folder, "archive", "novel");
    fs.renameSync(old, folder);
    window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    await window.isTold(/novel has no snapshots.*looks like .*plans/);
    await window.hasStatus(/waiting/);
    await window.says(/^novel has no snapshots here yet\. Answer the question/);
    await window.picture("moved-folder");
    const first = window.page.getByText("is taking a first snapshot");
    assert.equal(await first.count(), 0);
    assert.deepEqual(repositories(), before);
  }],

  ["the continued history has the snapshots before the move", async () => {
    await window.pressTold(/looks like/, "Continue History");
    await rowOf("before the move").waitFor();
    await window.hasStatus(/protected/);
    assert.equal(
      await window.page.getByText("Answer the question").count(),
      0,
    );
    assert.match(repositories().join(), /^novel-[^,]*$/);
    await window.openFile(at("notes.md"));
    await window.command("Deltar: Show File History");
    await window.rows("File History").nth(1).waitFor();
    await window.picture("moved-history");
  }],

  ["a version before the move is restored", async () => {
    fs.writeFileSync(at("notes.md"), "third\n");
    await snapshot("after the move");
    const { repository, records } = await repositoryOf(editor, folder);
    const [first] = records;
    const all = await repository.snapshots();
    const parent = all.find(({ id }) => id === first.parent);
    assert.equal(parent?.label, "before the move");
    await window.rows("File History").nth(2).waitFor();
    await window.chooseFromMenu(
      window.rows("File History").nth(2),
      "Restore Version…",
    );
    await window.answer(/^Restore$/);
    await window.isTold("Restored: 1 file written.");
    assert.equal(read("notes.md"), "first\n");
    await window.command("Deltar: Undo Last Restore");
    await window.answer("Undo Restore");
    await window.isTold("Undone: 1 file written.");
    assert.equal(read("notes.md"), "third\n");
    await window.hush();
    await window.reload();
    await window.command("View: Show Deltar");
    await rowOf("before the move").waitFor();
    await noQuestion();
    await window.close();
  }],

  ["another folder is not recognized as a moved one", async (suite) => {
    // The directory of the only repository no longer exists.
    const old = folder;
    folder = join(suite.folder, "other");
    fs.cpSync(old, folder, { recursive: true });
    fs.rmSync(old, { recursive: true });
    window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    await window.hasStatus(/protected/);
    await window.hush();
    await noQuestion();
    assert.equal(repositories().length, 2);
  }],

  ["a new location offers the history of the old one", async (suite) => {
    fs.writeFileSync(at("notes.md"), "fourth\n");
    await snapshot("at the old location");
    const location = join(suite.folder, "disk-a");
    await editor.set({ "deltar.repository.location": location });
    await window.isTold(/The new location .* has no snapshots of other/);
    await window.picture("new-location");
    await window.pressTold("The new location", "Use Old Location");
    await rowOf("at the old location").waitFor();
    const set = await editor.ask<string>(
      'return vscode.workspace.getConfiguration("deltar.repository").get("location");',
    );
    assert.equal(set, "");
    assert.ok(!fs.existsSync(location));
  }],

  [
    "a second change of the location is asked about before the first snapshot",
    async (suite) => {
      const [first, second] = ["disk-x", "disk-y"].map((name) =>
        join(suite.folder, name)
      );
      await editor.set({ "deltar.repository.location": first });
      await window.isTold(/The new location .*disk-x.* has no snapshots/);
      await editor.set({ "deltar.repository.location": second });
      await window.isTold(/The new location .*disk-y.* has no snapshots/);
      await window.hasStatus(/waiting/);
      await window.page.waitForTimeout(1500);
      assert.ok(!fs.existsSync(first) && !fs.existsSync(second));
      await window.pressTold(/disk-y/, "Use Old Location");
      await rowOf("at the old location").waitFor();
      assert.ok(!fs.existsSync(first) && !fs.existsSync(second));
      await window.hush();
      await noQuestion();
    },
  ],

  [
    "a third change of the location during the search is asked about once",
    async (suite) => {
      await holdLists();
      for (const name of ["disk-1", "disk-2", "disk-3"]) {
        await editor.set({
          "deltar.repository.location": join(suite.folder, name),
        });
        await window.until(
          `${name} is listed`,
          async () => (await listed()).some((one) => one.includes(name)),
        );
        // The search for the first location goes on.
        await window.until(
          "the old location is listed",
          async () => (await listed()).some((one) => !one.includes("disk-")),
        );
      }
      // The answers to the requests for these lists arrive.
      await window.page.waitForTimeout(1000);
      await editor.ask("globalThis.release();");
      await window.closeTold(/The new location .*disk-3/);
      await window.hasStatus(/protected/);
      await noQuestion();
      await editor.set({ "deltar.repository.location": null });
      await rowOf("at the old location").waitFor();
      await window.hush();
      await noQuestion();
    },
  ],

  ["the history is copied to the new location", async (suite) => {
    const location = join(suite.folder, "disk-b");
    await editor.set({ "deltar.repository.location": location });
    await window.pressTold("The new location", "Copy History");
    await rowOf("at the old location").waitFor();
    assert.equal(fs.readdirSync(location).length, 1);
    await window.openFile(at("notes.md"));
    await window.command("Deltar: Show File History");
    await window.rows("File History").nth(1).waitFor();
    await window.hasStatus(/protected/);
    await window.picture("copied-history");
  }],

  [
    "a new history is started, and the question is not repeated",
    async (suite) => {
      const location = join(suite.folder, "disk-c");
      await editor.set({ "deltar.repository.location": location });
      await window.pressTold("The new location", "Start New History");
      await window.hasStatus(/protected/);
      await rowOf("at the old location").waitFor({ state: "detached" });
      // The rows are the day and the first snapshot at this location.
      await window.rows("Snapshots").nth(1).waitFor();
      assert.equal(await rowOf("at the old location").count(), 0);
      await window.hush();
      await window.reload();
      await window.command("View: Show Deltar");
      await window.hasStatus(/protected/);
      await noQuestion();
      await editor.set({ "deltar.repository.location": null });
      await rowOf("at the old location").waitFor();
      await noQuestion();
      await window.close();
    },
  ],

  [
    "an unanswered question is asked again, and no snapshot is lost",
    async (suite) => {
      const old = folder;
      folder = join(suite.folder, "again");
      fs.renameSync(old, folder);
      window = await suite.open(editor, { folder });
      await window.command("View: Show Deltar");
      await window.closeTold(/again has no snapshots/);
      // The user does not answer, so the folder gets its own history.
      await window.hasStatus(/protected/);
      await window.reload();
      await window.command("View: Show Deltar");
      await window.pressTold(/looks like/, "Continue History");
      await rowOf("at the old location").waitFor();
      await window.openFile(at("notes.md"));
      await window.command("Deltar: Show File History");
      await window.rows("File History").nth(1).waitFor();
      await window.picture("joined-history");
      await window.close();
    },
  ],

  [
    "a version that was only copied while the question was open is stored",
    async (suite) => {
      const old = folder;
      folder = join(suite.folder, "kept");
      fs.renameSync(old, folder);
      fs.writeFileSync(at("notes.md"), "changed while closed\n");
      window = await suite.open(editor, { folder });
      await window.command("View: Show Deltar");
      await window.isTold(/kept has no snapshots/);
      await window.openFile(at("notes.md"));
      const copies = join(editor.storage, "cache", "originals");
      const areKept = () =>
        fs.existsSync(copies) && fs.readdirSync(copies).length > 0;
      await window.until("a copy is made", areKept);
      await window.type("typed ");
      await window.save();
      await window.pressTold(/looks like/, "Continue History");
      await rowOf("at the old location").waitFor();
      await window.until("the copies are deleted", () => !areKept());
      const { repository, records } = await repositoryOf(editor, folder);
      const [first] = records;
      const stream = await repository.readFile(first, "notes.md");
      assert.equal(await new Response(stream).text(), "changed while closed\n");
      await window.hush();
    },
  ],

  [
    "snapshots continue if nobody answers, and a later answer loses none",
    async (suite) => {
      // The wait for the answer takes two seconds instead of five minutes.
      await editor.shortenTimers(300_000, 2000);
      const location = join(suite.folder, "disk-d");
      await editor.set({ "deltar.repository.location": location });
      await window.isTold(/The new location .* has no snapshots of kept/);
      await window.hasStatus(/protected/);
      assert.equal(fs.readdirSync(location).length, 1);
      fs.writeFileSync(at("notes.md"), "without an answer\n");
      await window.command("Deltar: Create Snapshot with Label…");
      await window.page.getByPlaceholder("before the refactoring")
        .fill("unanswered");
      await window.page.keyboard.press("Enter");
      await rowOf("unanswered").waitFor();
      await window.pressTold("The new location", "Use Old Location");
      await rowOf("at the old location").waitFor();
      await rowOf("unanswered").waitFor();
      const { records } = await repositoryOf(editor, folder);
      assert.ok(records.some(({ label }) => label === "unanswered"));
      await noQuestion();
      await window.close();
    },
  ],

  [
    "an old location that could not be read is offered in a later window",
    async (suite) => {
      // The earlier folder also has a history at another location.
      folder = join(suite.folder, "unplugged");
      fs.mkdirSync(folder);
      fs.writeFileSync(at("notes.md"), "plugged in\n");
      window = await suite.open(editor, { folder });
      await window.command("View: Show Deltar");
      await window.hasStatus(/protected/);
      await snapshot("plugged in");
      const place = join(editor.storage, "repositories");
      const away = join(suite.folder, "away");
      fs.renameSync(place, away);
      const location = join(suite.folder, "disk-e");
      await editor.set({ "deltar.repository.location": location });
      await window.until("a new history begins", () => fs.existsSync(location));
      await window.hasStatus(/protected/);
      await noQuestion();
      assert.ok(!fs.existsSync(place));
      fs.renameSync(away, place);
      await window.reload();
      await window.command("View: Show Deltar");
      await window.isTold("The old location");
      await window.picture("old-location");
      await window.pressTold("The old location", "Use Old Location");
      await rowOf("plugged in").waitFor();
      await noQuestion();
      const { records } = await repositoryOf(editor, folder);
      assert.equal(records.length, 3);
    },
  ],

  ["a copy of an encrypted history is encrypted", async (suite) => {
    await editor.set({
      "deltar.repository.encrypt": "always",
      "deltar.repository.location": join(suite.folder, "secret-a"),
    });
    await window.pressTold("The new location", "Copy History");
    await rowOf("plugged in").waitFor();
    const keysOf = (location: string) => {
      const [name] = fs.readdirSync(location);
      const keys = join(location, name, "keys");
      return fs.existsSync(keys) ? fs.readdirSync(keys) : [];
    };
    assert.equal(keysOf(join(suite.folder, "secret-a")).length, 1);
    await window.hush();
    const location = join(suite.folder, "secret-b");
    await editor.set({
      "deltar.repository.encrypt": "never",
      "deltar.repository.location": location,
    });
    await window.pressTold("The new location", "Copy History");
    await rowOf("plugged in").waitFor();
    assert.equal(keysOf(location).length, 1);
    await window.hush();
  }],

  [
    "an encrypted history is copied to an unencrypted repository only after a question",
    async (suite) => {
      const location = join(suite.folder, "open");
      await editor.set({ "deltar.repository.location": location });
      await window.closeTold(/The new location/);
      await window.hasStatus(/protected/);
      await window.reload();
      await window.command("View: Show Deltar");
      await window.pressTold("The old location", "Copy History");
      await window.dialog().getByText("without encryption?").waitFor();
      await window.picture("copy-without-encryption");
      await window.answer("Cancel");
      assert.equal(await rowOf("plugged in").count(), 0);
      await window.reload();
      await window.command("View: Show Deltar");
      await window.pressTold("The old location", "Copy History");
      await window.answer("Copy Without Encryption");
      await rowOf("plugged in").waitFor();
    },
  ],
]);
