/**
 * The first snapshot in real VS Code: the original of any file can be restored
 * after its first save.
 */
import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Editor } from "./editor.ts";
import { repositoryOf, type Suite, suite } from "./suite.ts";
import type { Window } from "./window.ts";

const isSlow = process.env.SLOW === "1";

let editor: Editor;

const settings = {
  "deltar.snapshot.onOpen": true,
  // A file that was changed less than two seconds ago is always read again.
  "deltar.snapshot.delaySeconds": 3,
  "deltar.snapshot.everyMinutes": 0,
  "deltar.snapshot.onClose": false,
};

/** Makes a folder with a file to edit, and other files. */
function makeFolder(suite: Suite, name: string, files = 0, bytes = 0): string {
  const folder = join(suite.folder, name);
  fs.mkdirSync(folder);
  fs.writeFileSync(join(folder, "notes.md"), "the original\n");
  for (let at = 0; at < files; at++) {
    const part = join(folder, `a${Math.floor(at / 1000)}`);
    if (at % 1000 === 0) fs.mkdirSync(part);
    fs.writeFileSync(join(part, `${at}.txt`), `file ${at}\n`);
  }
  for (let at = 0; at < bytes; at += 2 ** 26) {
    fs.writeFileSync(
      join(folder, `large${at}.bin`),
      randomFillSync(new Uint8Array(2 ** 26)),
    );
  }
  return folder;
}

/** Opens a folder, and edits and saves a file as soon as it is shown. */
async function openAndSave(suite: Suite, folder: string): Promise<Window> {
  const window = await suite.open(editor, { folder });
  await window.openFile(join(folder, "notes.md"));
  await window.type("the edit\n");
  await window.save();
  return window;
}

/** Returns the contents of the file in all snapshots, the oldest first. */
async function contents(folder: string): Promise<string[]> {
  const base = join(editor.storage, "repositories");
  if (!fs.existsSync(base)) return [];
  const { repository, records } = await repositoryOf(editor, folder)
    .catch(() => ({ repository: undefined, records: [] }));
  const found: string[] = [];
  for (const record of records) {
    const stream = await repository!.readFile(record, "notes.md");
    found.push(await new Response(stream).text());
  }
  return found;
}

/** Waits until there are snapshots of the original and of the edit. */
async function hasBoth(window: Window, folder: string): Promise<void> {
  await window.until(
    "both can be restored",
    async () => (await contents(folder)).length >= 2,
    isSlow ? 600_000 : undefined,
  );
  assert.deepEqual(await contents(folder), ["the original\n", "the edit\n"]);
  const copies = join(editor.storage, "cache", "originals");
  await window.until(
    "the copies are deleted",
    () => !fs.existsSync(copies) || fs.readdirSync(copies).length === 0,
  );
}

suite([
  ["a first snapshot is taken, and announced once", async (suite) => {
    editor = await suite.editor("editor", {
      settings,
      packages: [suite.companion()],
    });
    const folder = makeFolder(suite, "announced");
    const window = await suite.open(editor, { folder });
    const told = await window.isTold(/is taking a first snapshot of announced/);
    assert.match(await told.innerText(), /stored in .*announced-\w{8}/);
    await window.hasStatus(/Deltar: protected/);
    await window.picture("first-snapshot-announced");
    assert.deepEqual(await contents(folder), ["the original\n"]);
    await window.pressTold(
      /is taking a first snapshot of announced/,
      "Show Snapshots",
    );
    await window.row(/1 file$/).waitFor();
    await window.close();
  }],

  ["the original of the first save can be restored", async (suite) => {
    for (let round = 0; round < (isSlow ? 20 : 3); round++) {
      const folder = makeFolder(suite, `round${round}`);
      const window = await openAndSave(suite, folder);
      await hasBoth(window, folder);
      await window.close();
    }
  }],

  ["a save during the first snapshot loses nothing", async (suite) => {
    const folder = makeFolder(suite, "busy", 3000, 2 ** 29);
    const window = await openAndSave(suite, folder);
    await hasBoth(window, folder);
    await window.command("View: Show Deltar");
    await window.press(window.rows("File History").nth(1), "Restore Version");
    await window.answer(/^Restore$/);
    await window.isTold("Restored: 1 file written.");
    const file = join(folder, "notes.md");
    assert.equal(fs.readFileSync(file, "utf8"), "the original\n");
    await editor.set({ "deltar.snapshot.onOpen": false });
    await window.close();
  }],

  ["a first snapshot after a save also has the original", async (suite) => {
    const folder = makeFolder(suite, "late");
    const window = await openAndSave(suite, folder);
    await hasBoth(window, folder);
    await window.close();
  }],

  ["automatic snapshots stay paused after a reload", async (suite) => {
    const folder = makeFolder(suite, "paused");
    const window = await suite.open(editor, { folder });
    await window.command("Deltar: Pause Automatic Snapshots");
    await window.hasStatus(/Deltar: paused/);
    await editor.set({ "deltar.snapshot.onOpen": true });
    await window.reload();
    await window.hasStatus(/Deltar: paused/);
    await window.picture("paused-after-reload");
    assert.deepEqual(await contents(folder), []);
    await window.command("Deltar: Resume Automatic Snapshots");
    await window.hasStatus(/Deltar: protected/);
    assert.deepEqual(await contents(folder), ["the original\n"]);
    await window.close();
  }],

  ...isSlow
    ? [[
      "100,000 files",
      async (suite: Suite) => {
        const folder = makeFolder(suite, "many", 100_000);
        const window = await openAndSave(suite, folder);
        await hasBoth(window, folder);
        await window.close();
      },
    ] as [string, (suite: Suite) => Promise<void>]]
    : [],
]);
