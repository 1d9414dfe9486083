/**
 * Restoring in real VS Code: what is asked first, what is on the disk after,
 * and that nothing is lost on the way.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Editor } from "./editor.ts";
import { stateOf } from "./project.ts";
import { suite } from "./suite.ts";
import type { Window } from "./window.ts";

let editor: Editor;
let window: Window;
let project: string;

const settings = {
  "deltar.snapshot.onSave": false,
  "deltar.snapshot.everyMinutes": 0,
  "deltar.snapshot.onClose": false,
};

const at = (path: string) => join(project, path);
const read = (path: string) => fs.readFileSync(at(path), "utf8");

/** The state of the project, with what a restore may touch. */
const state = () =>
  stateOf(
    project,
    (path) => !path.startsWith(".git/") && !path.startsWith("nested/.git/"),
  );

suite([
  ["a file is restored as it was, and undo takes that back", async (suite) => {
    project = suite.project("project");
    editor = await suite.editor("editor", { settings });
    window = await suite.open(editor, { folder: project });
    await window.command("View: Show Deltar");
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken/);
    await window.hush();
    await window.openFile(at("notes.md"));
    await window.type("ruined\n");
    await window.save();
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/1 file changed/);
    await window.hush();
    await window.rows("File History").nth(1).waitFor();
    await window.press(
      window.rows("File History").nth(1),
      "Restore Version",
    );
    await window.dialog().getByText("1 file overwritten").waitFor();
    await window.picture("restore-question");
    assert.match(await window.dialog().innerText(), /notes\.md/);
    assert.equal(read("notes.md"), "ruined\n", "nothing is done yet");
    await window.answer(/^Restore$/);
    await window.isTold("Restored: 1 file written.");
    assert.equal(read("notes.md"), "first thoughts\n");
    await window.picture("restored");
    await window.hush();
    await window.command("Deltar: Undo Last Restore");
    await window.isTold("Undone: 1 file written.");
    assert.equal(read("notes.md"), "ruined\n");
    await window.hush();
    await window.command("Deltar: Redo Restore");
    await window.isTold("Redone: 1 file written.");
    assert.equal(read("notes.md"), "first thoughts\n");
    await window.hush();
  }],

  [
    "what is unsaved in an editor is named, and comes back by undo",
    async () => {
      fs.writeFileSync(at("draft.txt"), "on the disk\n");
      await window.command("Deltar: Create Snapshot");
      await window.isTold(/Snapshot taken/);
      await window.hush();
      fs.writeFileSync(at("draft.txt"), "later on the disk\n");
      await window.openFile(at("draft.txt"));
      await window.page.getByText("later on the disk").first().waitFor();
      await window.type("only in the editor\n");
      await window.press(
        window.rows("File History").first(),
        "Restore Version",
      );
      await window.dialog().getByText("unsaved changes").waitFor();
      await window.picture("unsaved");
      await window.answer(/^Restore$/);
      await window.isTold("Restored: 1 file written.");
      assert.equal(read("draft.txt"), "on the disk\n");
      await window.hush();
      await window.command("Deltar: Undo Last Restore");
      await window.isTold("Undone: 1 file written.");
      assert.equal(read("draft.txt"), "only in the editor\n");
      // This installation has no native watcher that would show it.
      await window.command("File: Revert File");
      await window.page.getByText("only in the editor").first().waitFor();
      fs.rmSync(at("draft.txt"));
      await window.hush();
    },
  ],

  ["the workspace is restored exactly, and back", async () => {
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken/);
    await window.hush();
    const whole = state();
    fs.rmSync(at("docs"), { recursive: true });
    fs.rmSync(at("vendor/modules"), { recursive: true });
    fs.writeFileSync(at("nested/untracked.txt"), "changed\n");
    fs.writeFileSync(at(".env"), "SECRET=lost\n");
    fs.writeFileSync(at("new.txt"), "not in the snapshot\n");
    const large = fs.openSync(at("large.bin"), "r+");
    fs.writeSync(large, new Uint8Array(1000), 0, 1000, 100_000_000);
    fs.closeSync(large);
    const ruined = state();

    // One finds what was deleted.
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/files changed/);
    await window.hush();
    await window.command("Deltar: Find Deleted Files…");
    await window.line("docs/FORMAT.md").first().waitFor();
    await window.page.keyboard.press("Escape");

    await window.command("Deltar: Restore Workspace from Snapshot…");
    await window.line(/files? changed/).nth(1).click();
    await window.dialog().getByText(/files? created/).waitFor();
    await window.picture("restore-workspace");
    const text = await window.dialog().innerText();
    assert.match(text, /1 file not in the snapshot/);
    assert.match(text, /new\.txt/);
    await window.answer(/^Restore and Delete 1 File$/);
    await window.isTold(/Restored: [\d,]+ files written, 1 file deleted/);
    assert.deepEqual(state(), whole);
    await window.hush();
    await window.command("Deltar: Undo Last Restore");
    await window.isTold(/Undone: /);
    assert.deepEqual(state(), ruined);
    await window.hush();
  }],
]);
