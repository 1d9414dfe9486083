/**
 * Undo in real VS Code: it asks first, and loses no edit. A path that cannot be
 * restored does not prevent the restore of the others.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Editor } from "./editor.ts";
import { NO_AUTOMATIC_SNAPSHOTS, suite } from "./suite.ts";
import type { Window } from "./window.ts";

let editor: Editor;
let window: Window;
let folder: string;

const at = (path: string) => join(folder, path);
const read = (path: string) => fs.readFileSync(at(path), "utf8");

suite([
  ["undo shows a message if there was no restore", async (suite) => {
    folder = join(suite.folder, "small");
    fs.mkdirSync(folder);
    editor = await suite.editor("editor", {
      settings: NO_AUTOMATIC_SNAPSHOTS,
      packages: [suite.companion()],
    });
    window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    await window.page.getByText("Automatic snapshots are turned off.").first()
      .waitFor();
    await window.command("Deltar: Undo Last Restore");
    const told = await window.isTold("There is no restore to undo in small.");
    assert.equal(await told.locator(".codicon-error").count(), 0);
    await window.picture("nothing-to-undo");
    await window.hush();
    await window.command("Deltar: Find Deleted Files…");
    await window.isTold("There are no snapshots of small yet.");
    await window.picture("no-snapshots");
    await window.hush();
  }],

  [
    "undo names files that were edited since the restore, and saves them to a safety snapshot",
    async () => {
      fs.writeFileSync(at("draft.txt"), "the original\n");
      fs.writeFileSync(at("other.txt"), "the original\n");
      await window.command("Deltar: Create Snapshot");
      await window.isTold(/Snapshot taken/);
      await window.hush();
      fs.writeFileSync(at("draft.txt"), "ruined\n");
      fs.writeFileSync(at("other.txt"), "ruined, too\n");
      await window.command("Deltar: Restore Workspace from Snapshot…");
      await window.choose(/\d\d:\d\d:\d\d/);
      await window.answer(/^Restore$/);
      await window.isTold("Restored: 2 files written.");
      await window.hush();
      fs.writeFileSync(at("draft.txt"), "edited after the restore\n");
      await window.command("Deltar: Undo Last Restore");
      await window.dialog().getByText("1 file with edits since the restore")
        .waitFor();
      const text = await window.dialog().innerText();
      assert.match(text, /1 file with edits since[^:]*:\s+draft\.txt\n/);
      assert.match(
        text,
        /2 files will be overwritten:\s+draft\.txt\s+other\.txt/,
      );
      await window.picture("undo-question");
      await window.answer("Cancel");
      assert.equal(read("draft.txt"), "edited after the restore\n");
      await window.command("Deltar: Undo Last Restore");
      await window.answer("Undo Restore");
      await window.isTold("Undone: 2 files written.");
      assert.equal(read("draft.txt"), "ruined\n");
      await window.picture("undone");
      await window.hush();
      // The edit is in a safety snapshot, which is listed and can be opened.
      await window.expand(
        window.row(/before undoing the restore of \d\d:\d\d:\d\d · 2 files/),
      );
      await window.clickFor(
        window.row(/^draft\.txt/),
        window.page.locator(".editor-group-container.active .view-line")
          .filter({ hasText: /edited.after.the.restore/ }),
      );
      await window.picture("safety-snapshots");
      await window.press(window.row(/^draft\.txt/), "Restore File");
      await window.answer(/^Restore$/);
      await window.isTold("Restored: 1 file written.");
      assert.equal(read("draft.txt"), "edited after the restore\n");
      await window.hush();
    },
  ],

  [
    "a restored file that is open in an editor gets the current time",
    async () => {
      await window.command("View: Close All Editors");
      await window.page.locator(".tab").first().waitFor({ state: "detached" });
      await window.openFile(at("draft.txt"));
      const shown = window.page.locator(
        ".editor-group-container.active .view-line",
      );
      await shown.filter({ hasText: /edited.after.the.restore/ }).waitFor();
      const began = Date.now();
      await window.command("Deltar: Restore Workspace from Snapshot…");
      await window.choose(/\d\d:\d\d:\d\d/);
      await window.answer(/^Restore$/);
      await window.isTold(/Restored: 2 files written/);
      await shown.filter({ hasText: /the.original/ }).waitFor();
      // VS Code asks before it saves an old editor only if the file is newer.
      assert.ok(fs.statSync(at("draft.txt")).mtimeMs >= began - 1000);
      assert.ok(fs.statSync(at("other.txt")).mtimeMs < began - 1000);
      await window.hush();
      await window.type("typed after the restore\n");
      await window.save();
      assert.equal(read("draft.txt"), "typed after the restore\n");
    },
  ],

  ["a path that cannot be restored does not make the others fail", async () => {
    const locked = at("locked");
    fs.mkdirSync(locked);
    fs.writeFileSync(join(locked, "a.txt"), "the original\n");
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken/);
    await window.hush();
    fs.writeFileSync(join(locked, "a.txt"), "ruined\n");
    fs.writeFileSync(at("draft.txt"), "ruined\n");
    // Even root cannot change an immutable folder.
    execFileSync("chattr", ["+i", locked]);
    try {
      await window.command("Deltar: Restore Workspace from Snapshot…");
      await window.choose(/\d\d:\d\d:\d\d/);
      await window.answer(/^Restore$/);
      const told = await window.isTold(/1 path could not be restored/);
      await window.picture("one-path-failed");
      const text = await told.innerText();
      assert.match(text, /Restored: 1 file written/);
      assert.match(
        text,
        /: locked\/a\.txt: operation not permitted.*Check the owner and mode/,
      );
      assert.doesNotMatch(text, /another repository/);
      assert.equal(read("draft.txt"), "typed after the restore\n");
      assert.equal(read("locked/a.txt"), "ruined\n");
      await window.pressTold(/1 path could not be restored/, "Undo");
      await window.answer("Undo Restore");
      await window.isTold(/Undone: 1 file written/);
      assert.equal(read("draft.txt"), "ruined\n");
    } finally {
      execFileSync("chattr", ["-i", locked]);
    }
    await window.hush();
    await window.close();
  }],
]);
