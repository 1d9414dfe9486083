/**
 * Encrypted repositories in real VS Code: the sources of keys, the questions
 * for keys, and that nothing is sent before a second key is saved.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Locator } from "playwright-core";
import {
  DeltarError,
  LocalStorage,
  MemoryStorage,
  Repository,
} from "../../mod.ts";
import { RepositoryDraft } from "../../extension/src/worker/repository_draft.ts";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import type { AgeKey } from "../../lib/repository/mod.ts";
import { truePlace } from "../../lib/tree/mod.ts";
import { locationSum } from "../../shared/location_sum.ts";
import { withS3Server } from "../support/s3_server.ts";
import type { Editor } from "./editor.ts";
import { NO_AUTOMATIC_SNAPSHOTS, suite } from "./suite.ts";
import type { Window } from "./window.ts";

const PASSPHRASE = "correct horse battery staple of words";

let editor: Editor;
let window: Window;
let folder: string;
/** The identity on the recovery sheet. */
let identity: string;

const at = (path: string) => join(folder, path);
const read = (path: string) => fs.readFileSync(at(path), "utf8");

/** Returns the folder of the extension's repository. */
function place(): string {
  const base = join(editor.storage, "repositories");
  return join(base, fs.readdirSync(base)[0]);
}

/** Opens the extension's repository with a key. */
function openWith(key: AgeKey): Promise<Repository> {
  return Repository.open(new LocalStorage(place()), { keys: [key] });
}

/** Returns the input box. */
function box(): Locator {
  return window.page.locator(".quick-input-widget");
}

/** Returns whether VS Code asks for a key. */
function isAsked(): Promise<boolean> {
  return box().getByText("The repository is encrypted").first().isVisible();
}

/** Types into the input box that has a text, and presses Enter. */
async function enter(text: string | RegExp, typed: string): Promise<void> {
  await box().getByText(text).first().waitFor();
  const input = box().locator("input.input");
  assert.equal(await input.getAttribute("type"), "password");
  await input.fill(typed);
  await window.page.keyboard.press("Enter");
}

/** Enters the name of a file in VS Code's own save dialog. */
async function saveAs(file: string): Promise<void> {
  const input = box().locator("input.input");
  // The dialog replaces typed text until it has set a file name.
  await window.until(
    "a file is named",
    async () => /recovery sheet of folder\.txt$/.test(await input.inputValue()),
  );
  await input.fill(file);
  // The dialog ignores keys while it reads the folder.
  await window.until(`saved as ${file}`, async () => {
    // A key press at the input also brings a lost focus back.
    await input.press("Enter", { timeout: 2000 }).catch(() => {});
    const gone = box().waitFor({ state: "hidden", timeout: 2000 });
    return await gone.then(() => true, () => false);
  });
}

async function snapshot(told: RegExp): Promise<void> {
  await window.command("Deltar: Create Snapshot");
  await window.isTold(told);
  await window.hush();
}

/** Asserts that no file of a folder contains a text. */
function assertNowhere(folder: string, texts: readonly string[]): void {
  const files = fs.readdirSync(folder, {
    recursive: true,
    withFileTypes: true,
  }).filter((entry) => entry.isFile());
  assert.ok(files.length > 3);
  for (const { parentPath, name } of files) {
    const bytes = fs.readFileSync(join(parentPath, name));
    for (const text of texts) {
      assert.ok(!bytes.includes(text), `${text} in ${join(parentPath, name)}`);
    }
  }
}

/** Makes a draft whose first key is for a new identity. */
async function newDraft(): Promise<{ own: string; draft: RepositoryDraft }> {
  const own = await newIdentity();
  const to = await recipientOf(own);
  return { own, draft: await RepositoryDraft.make({ name: "vscode", to }) };
}

test("a draft is stored completely, even after an interruption", async () => {
  const { own, draft } = await newDraft();
  await draft.keys.add({ name: "second", to: await recipientOf(own) });
  const storage = new MemoryStorage();
  const put = storage.put.bind(storage);
  let puts = 0;
  storage.put = async (...words) => {
    if (++puts === 2) throw new DeltarError("io", "the line is down");
    await put(...words);
  };
  await assert.rejects(draft.store(storage), { code: "io" });
  assert.ok(!storage.objects.has("deltar.json"));
  await draft.store(storage);
  const stored = [...storage.objects.keys()]
    .filter((name) => !name.startsWith("manifests/"));
  assert.deepEqual(stored, [
    "keys/vscode.age",
    "holders/vscode.json.age",
    "keys/second.age",
    "holders/second.json.age",
    "deltar.json",
  ]);
  const { id } = await Repository.open(storage, { keys: [own] });
  assert.equal(id, draft.id);
});

test("a draft leaves nothing behind if another repository exists", async () => {
  const first = await newDraft();
  const second = await newDraft();
  await second.draft.keys.add({
    name: "second",
    to: await recipientOf(second.own),
  });
  const storage = new MemoryStorage();
  await first.draft.store(storage);
  storage.objects.delete("keys/vscode.age");
  const before = new Map(storage.objects);
  await assert.rejects(second.draft.store(storage), { code: "exists" });
  assert.deepEqual(storage.objects, before);
});

suite([
  [
    "a new repository in a folder is encrypted if the setting says so",
    async (suite) => {
      folder = join(suite.folder, "folder");
      fs.mkdirSync(folder);
      fs.writeFileSync(at("notes.md"), "first thoughts\n");
      editor = await suite.editor("editor", {
        settings: {
          ...NO_AUTOMATIC_SNAPSHOTS,
          "deltar.snapshot.delaySeconds": 0,
          "deltar.repository.encrypt": "always",
        },
        packages: [suite.companion()],
      });
      window = await suite.open(editor, { folder });
      await window.command("View: Show Deltar");
      await window.command("Deltar: Create Snapshot");
      await window.isTold(/Snapshot taken, 1 file\./);
      await window.isTold(/only this machine has the key/);
      await window.picture("encrypted-reminder");
      // A prune may be running. Its lease is not encrypted.
      const isFile = (name: string) =>
        fs.statSync(join(place(), name), { throwIfNoEntry: false })?.isFile();
      const names = fs.readdirSync(place(), {
        recursive: true,
        encoding: "utf8",
      })
        .filter((name) => !name.startsWith("lease/") && isFile(name));
      assert.ok(names.includes("keys/vscode.age"));
      assert.deepEqual(
        names.filter((name) => !/\.age$|manifests\//.test(name)),
        ["deltar.json"],
      );
      assertNowhere(place(), ["first thoughts", "notes.md", folder]);
      // The command also looks for the pin here.
      const pin = locationSum(truePlace(place()), {});
      const pins = join(editor.folder, "state", "deltar", "pins");
      assert.deepEqual(fs.readdirSync(pins), [pin]);
    },
  ],

  ["the recovery sheet is saved outside of the workspace", async (suite) => {
    const reminder = /only this machine has the key/;
    // When the button closes the reminder, VS Code can give the focus to another
    // notification. A dialog that loses the focus closes.
    const other = window.page.locator(".notification-toast")
      .filter({ hasText: /Snapshot taken/ });
    await window.until("the reminder is the only notification", async () => {
      if (await other.count() === 0) return true;
      const close = other.getByRole("button", { name: "Clear Notification" });
      await close.click({ timeout: 2000 }).catch(() => {});
      return false;
    });
    await window.pressTold(reminder, "Save Recovery Sheet");
    await saveAs(at("sheet.txt"));
    await window.isTold(/The recovery sheet was not saved/);
    assert.ok(!fs.existsSync(at("sheet.txt")));
    await window.hush();
    // After a reload, the user is still reminded, and VS Code does not ask for
    // the key.
    await window.reload();
    await window.pressTold(reminder, "Save Recovery Sheet");
    const sheet = join(suite.folder, "sheet.txt");
    await saveAs(sheet);
    await window.isTold(/The recovery sheet of folder was saved/);
    await window.picture("recovery-sheet");
    await window.hush();
    assert.equal(fs.statSync(sheet).mode & 0o777, 0o600);
    const text = fs.readFileSync(sheet, "utf8");
    assert.ok(text.includes(`Location:   ${place()}\n`));
    [identity] = /AGE-SECRET-KEY-1\w+/.exec(text)!;
    const { id } = await openWith(identity);
    assert.ok(text.includes(`Repository: ${id}\n`));
    await window.reload();
    await window.row("1 file").waitFor();
    assert.equal(await isAsked(), false);
    const told = window.page.locator(".notification-toast")
      .filter({ hasText: reminder });
    assert.equal(await told.count(), 0);
  }],

  [
    "files are compared, restored, undone and listed with their history",
    async () => {
      await window.openFile(at("notes.md"));
      await window.type("second thoughts\n");
      await window.save();
      await snapshot(/Snapshot taken, 1 file changed/);
      await window.rows("File History").nth(1).waitFor();
      await window.clickFor(
        window.rows("File History").first(),
        window.page.locator(".monaco-diff-editor"),
      );
      assert.deepEqual(await window.sides(), [
        "first thoughts\n",
        "second thoughts\n",
      ]);
      await window.press(window.rows("File History").nth(1), "Restore Version");
      await window.answer(/^Restore$/);
      await window.isTold("Restored: 1 file written.");
      assert.equal(read("notes.md"), "first thoughts\n");
      await window.hush();
      await window.command("Deltar: Undo Last Restore");
      await window.answer("Undo Restore");
      await window.isTold("Undone: 1 file written.");
      assert.equal(read("notes.md"), "second thoughts\n");
      await window.hush();
      await window.command("View: Close All Editors");
      // An agent takes a snapshot in this way before it edits.
      const [label] = await editor.ask<string[]>(
        `const deltar = vscode.extensions.getExtension("deltar.deltar");
      const api = (await deltar.activate()).getAPI(1);
      const taken = await api.snapshot({ label: "before an edit" });
      return taken.map(({ label }) => label);`,
      );
      assert.equal(label, "before an edit");
    },
  ],

  ["a passphrase also opens the repository", async () => {
    await window.command("Deltar: Add Passphrase");
    await enter("New passphrase", PASSPHRASE);
    await enter("Enter the same passphrase again", `${PASSPHRASE}?`);
    await enter("The passphrases differ", PASSPHRASE);
    await window.isTold(/The name of its key is passphrase\./);
    await window.hush();
    await openWith({ passphrase: PASSPHRASE });
  }],

  [
    "a forgotten key is asked for, and a wrong one is asked for again",
    async () => {
      await window.command("Deltar: Forget Key");
      await window.dialog().getByText("you will need a recovery sheet")
        .waitFor();
      await window.picture("forget-key");
      await window.answer(/^Forget Key$/);
      await window.says(
        /^folder: the repository is encrypted, .*\. Run Deltar: Enter Key\.$/,
      );
      assert.equal(await isAsked(), false);
      await window.openStatus(/Run Deltar: Enter Key|this machine has no key/);
      await window.line("Enter Key\u2026").waitFor();
      await window.picture("locked");
      await window.page.keyboard.press("Escape");
      await window.command("Deltar: Create Snapshot");
      await enter("The repository is encrypted", "a wrong passphrase");
      await box().getByText(
        /Wrong key: none of the given keys opens this repository/,
      ).waitFor();
      await window.picture("wrong-key");
      const typo = identity.slice(0, -1) + (identity.endsWith("Q") ? "P" : "Q");
      await enter("Wrong key", typo);
      await box().getByText("identity on line 1 is not valid").waitFor();
      await enter("Wrong key", await newIdentity());
      await box().getByText("none of the given keys opens").waitFor();
      await enter("Wrong key", PASSPHRASE);
      await window.isTold(/Nothing changed/);
      await window.hush();
      await window.reload();
      await window.row(/notes\.md/).waitFor();
      assert.equal(await isAsked(), false);
      // A new window asks for the key on its own.
      await window.command("Deltar: Forget Key");
      await window.answer(/^Forget Key$/);
      await window.says(/Run Deltar: Enter Key\./);
      await window.reload();
      await box().getByText("The repository is encrypted").first().waitFor();
      await window.picture("asks-for-key");
      await enter("The repository is encrypted", identity.toLowerCase());
      await window.row(/notes\.md/).waitFor();
      assertNowhere(editor.folder, [identity, PASSPHRASE]);
    },
  ],

  ["another repository at the same location is refused", async () => {
    const kept = `${place()}-kept`;
    const location = place();
    fs.renameSync(location, kept);
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/the encrypted repository that was here is missing/);
    await window.hush();
    assert.ok(!fs.existsSync(location));
    await Repository.create(new LocalStorage(location));
    await window.command("Deltar: Create Snapshot");
    await window.isTold(
      /was encrypted when it was first opened, and is not encrypted now/,
    );
    await window.picture("swapped");
    await window.hush();
    fs.rmSync(location, { recursive: true });
    fs.renameSync(kept, location);
    await snapshot(/Nothing changed/);
  }],

  ["the command's identity opens a repository without a question", async () => {
    const own = await newIdentity();
    const config = join(editor.folder, "config", "deltar");
    fs.mkdirSync(config, { recursive: true });
    fs.writeFileSync(join(config, "identity"), `# of tests\n${own}\n`);
    const elsewhere = join(editor.folder, "elsewhere");
    const name = place().split("/").at(-1)!;
    await Repository.create(new LocalStorage(join(elsewhere, name)), {
      encrypt: { name: "main", to: await recipientOf(own) },
    });
    await editor.set({ "deltar.repository.location": elsewhere });
    await snapshot(/Snapshot taken, 1 file\./);
    assert.equal(await isAsked(), false);
    await editor.set({ "deltar.repository.location": null });
    fs.rmSync(join(config, "identity"));
  }],

  ["nothing is sent to S3 before a second key is saved", async () => {
    const storage = new MemoryStorage();
    await withS3Server(storage, async (endpoint) => {
      await editor.set({
        "deltar.repository.location": "s3://bucket/prefix",
        "deltar.repository.endpoint": endpoint,
        "deltar.repository.encrypt": null,
        "deltar.snapshot.onSave": true,
      });
      await window.command("Deltar: Set S3 Credentials");
      for (const prompt of ["Access key ID", "Secret access key"]) {
        await box().getByText(prompt).waitFor();
        await box().locator("input.input").fill("tests");
        await window.page.keyboard.press("Enter");
      }
      await window.says(/Answer the question about its old history/);
      await window.pressTold(/The old location .* has/, "Start New History");
      await window.openFile(at("notes.md"));
      await window.type("third thoughts\n");
      await window.save();
      const waits = /has no recovery sheet or passphrase yet/;
      await window.isTold(waits);
      await window.hasStatus(/Deltar: failed/);
      await window.openStatus(waits);
      await window.picture("remote-waits");
      await window.page.keyboard.press("Escape");
      await window.pressTold(waits, "Create Encrypted Repository");
      await window.dialog().getByText("Save a second key").waitFor();
      await window.picture("second-key");
      await window.answer(/^Cancel$/);
      await window.hush();
      assert.deepEqual([...storage.objects.keys()], []);
      await window.command("Deltar: Create Snapshot");
      await window.dialog().waitFor();
      await window.answer(/^Add Passphrase/);
      await box().getByText("New passphrase").first().waitFor();
      await window.picture("new-passphrase");
      await window.page.keyboard.press("Escape");
      // If no passphrase is entered, the question is shown again.
      await window.dialog().waitFor();
      assert.deepEqual([...storage.objects.keys()], []);
      await window.answer(/^Add Passphrase/);
      await enter("New passphrase", PASSPHRASE);
      await enter("Enter the same passphrase again", PASSPHRASE);
      // The snapshot before this one has the file as it was before the edit.
      await window.isTold(/Snapshot taken, 1 file changed\./);
      await window.hush();
      await window.hasStatus(/Deltar: protected/);
      const names = [...storage.objects.keys()]
        .map((name) => name.replace(/^prefix\/[^/]+\//, ""));
      assert.deepEqual(
        names.filter((name) => name.startsWith("keys/")).sort(),
        ["keys/passphrase.age", "keys/vscode.age"],
      );
      assert.deepEqual(
        names.filter((name) => !/\.age$|manifests\//.test(name)),
        ["deltar.json"],
      );
      for (const bytes of storage.objects.values()) {
        assert.ok(!Buffer.from(bytes).includes("third thoughts"));
      }
    });
  }],
]);
