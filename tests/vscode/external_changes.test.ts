/**
 * Snapshots after changes that were not made in VS Code, but by terminals,
 * agents and other programs.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { MIN_PAUSE_MS } from "../../extension/src/host/snapshots/burst_timer.ts";
import type { Editor } from "./editor.ts";
import {
  NO_AUTOMATIC_SNAPSHOTS,
  repositoryOf,
  type Suite,
  suite,
} from "./suite.ts";
import type { Window } from "./window.ts";

/** The time within which a change is noticed, in milliseconds. */
const NOTICED_MS = 8000;

let editor: Editor;
let window: Window;
let folder: string;

const at = (path: string) => join(folder, path);

/** Opens a new folder that has a snapshot. */
async function openFolder(suite: Suite, name: string): Promise<void> {
  await window?.close();
  folder = join(suite.folder, name);
  fs.mkdirSync(at(".git"), { recursive: true });
  fs.mkdirSync(at("sub"));
  fs.writeFileSync(at("notes.md"), "first\n");
  fs.writeFileSync(at("sub/inner.md"), "first\n");
  fs.writeFileSync(at(".gitignore"), "*.log\n/build/\n");
  editor ??= await suite.editor("editor", {
    settings: {
      ...NO_AUTOMATIC_SNAPSHOTS,
      "deltar.snapshot.onExternalChange": true,
    },
    packages: [suite.companion()],
  });
  window = await suite.open(editor, { folder });
  await window.command("View: Show Deltar");
  await window.command("Deltar: Create Snapshot");
  await window.isTold(/Snapshot taken/);
  await window.hush();
}

/** Returns the files that changed in each snapshot, the oldest first. */
async function changes(): Promise<string[][]> {
  const { repository, records } = await repositoryOf(editor, folder);
  const found: string[][] = [];
  for (const [at, record] of records.entries()) {
    if (at === 0) continue;
    const diff = await repository.diff(records[at - 1], record);
    found.push([...diff.created, ...diff.updated, ...diff.deleted].sort());
  }
  return found;
}

/** Waits until there are snapshots with exactly these changes. */
async function hasChanges(expected: string[][]): Promise<void> {
  await window.until(
    `${expected.length} changes`,
    async () => (await changes()).length >= expected.length,
  );
  assert.deepEqual(await changes(), expected);
}

/** Waits until a change would have been noticed. */
async function settled(): Promise<void> {
  await window.page.waitForTimeout(NOTICED_MS);
}

/**
 * Returns the number of times that a folder was searched for changes without a
 * snapshot.
 */
function looks(name: string): number {
  return editor.log().split(
    `${name}: nothing changed (after changes by other programs)`,
  ).length - 1;
}

suite([
  ["a command in a terminal leads to a snapshot", async (suite) => {
    await openFolder(suite, "terminal");
    await editor.ask(`
      const terminal = vscode.window.createTerminal({ shellPath: "/bin/sh" });
      terminal.show();
      terminal.sendText("echo 2 > notes.md; echo 2 > new.md; rm sub/inner.md");
    `);
    await hasChanges([["new.md", "notes.md", "sub/inner.md"]]);
    await window.row("new.md and 2 more").waitFor();
    await window.picture("external-change");
    assert.match(
      editor.log(),
      /terminal: snapshot \S+ \(after changes by other programs\)/,
    );
  }],

  ["changes to excluded files lead to no snapshot", async (suite) => {
    await openFolder(suite, "excluded");
    // The pause after a search takes three seconds instead of thirty.
    await editor.shortenTimers(MIN_PAUSE_MS, 3000);
    fs.writeFileSync(at(".git/index"), "1");
    await settled();
    assert.equal(looks("excluded"), 0);
    fs.writeFileSync(at("sub/made.log"), "a line\n");
    fs.mkdirSync(at("build"));
    fs.writeFileSync(at("build/out.js"), "made\n");
    await window.until("it looks", () => looks("excluded") > 0);
    assert.deepEqual(await changes(), []);
    // The change is noticed after the pause.
    fs.writeFileSync(at("notes.md"), "second\n");
    await hasChanges([["notes.md"]]);
  }],

  ["saving a file is not a change by another program", async (suite) => {
    await openFolder(suite, "saved");
    await window.openFile(at("notes.md"));
    await window.type("saved\n");
    await window.save();
    await settled();
    assert.deepEqual(await changes(), []);
    assert.equal(looks("saved"), 0);
    fs.writeFileSync(at("other.md"), "by another program\n");
    await hasChanges([["notes.md", "other.md"]]);
  }],

  [
    "no snapshot is taken while automatic snapshots are paused or turned off",
    async (suite) => {
      await openFolder(suite, "paused");
      await window.command("Deltar: Pause Automatic Snapshots");
      await window.hasStatus(/Deltar: paused/);
      fs.writeFileSync(at("notes.md"), "while it is paused\n");
      await settled();
      await window.command("Deltar: Resume Automatic Snapshots");
      await window.hasStatus(/Deltar: protected/);
      await editor.set({ "deltar.snapshot.onExternalChange": false });
      await window.hasStatus(/Deltar: off/);
      fs.writeFileSync(at("notes.md"), "while it is off\n");
      await settled();
      assert.deepEqual(await changes(), []);
      await editor.set({ "deltar.snapshot.onExternalChange": true });
      await window.hasStatus(/Deltar: protected/);
      fs.writeFileSync(at("other.md"), "while it is on\n");
      await hasChanges([["notes.md", "other.md"]]);
    },
  ],

  [
    "changes of the repository in the folder lead to no snapshot",
    async (suite) => {
      fs.mkdirSync(join(suite.folder, "inside", "snapshots"), {
        recursive: true,
      });
      await openFolder(suite, "inside");
      await editor.set({ "deltar.repository.location": "./snapshots" });
      await window.command("Deltar: Create Snapshot");
      await window.isTold(/Snapshot taken/);
      await window.hush();
      await settled();
      assert.equal(looks("inside"), 0);
      fs.writeFileSync(at("notes.md"), "second\n");
      await window.row("notes.md").waitFor();
      await editor.set({ "deltar.repository.location": null });
    },
  ],
]);
