/**
 * Restores in real VS Code: the question before a restore, the files after it,
 * and that no file is lost.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Editor } from "./editor.ts";
import { stateOf } from "./project.ts";
import { NO_AUTOMATIC_SNAPSHOTS, suite } from "./suite.ts";
import type { Window } from "./window.ts";

let editor: Editor;
let window: Window;
let project: string;

const at = (path: string) => join(project, path);
const read = (path: string) => fs.readFileSync(at(path), "utf8");

/**
 * Returns the state of the project, including paths that a restore may change.
 */
const state = () =>
  stateOf(
    project,
    (path) => !path.startsWith(".git/") && !path.startsWith("nested/.git/"),
  );

suite([
  [
    "a file is restored exactly, and undo reverts the restore",
    async (suite) => {
      project = suite.project("project");
      editor = await suite.editor("editor", {
        settings: NO_AUTOMATIC_SNAPSHOTS,
      });
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
      await window.dialog().getByText("1 file will be overwritten").waitFor();
      await window.picture("restore-question");
      assert.match(await window.dialog().innerText(), /notes\.md/);
      assert.equal(read("notes.md"), "ruined\n", "nothing is done yet");
      await window.answer(/^Restore$/);
      await window.isTold("Restored: 1 file written.");
      assert.equal(read("notes.md"), "first thoughts\n");
      await window.picture("restored");
      await window.hush();
      await window.command("Deltar: Undo Last Restore");
      await window.answer("Undo Restore");
      await window.isTold("Undone: 1 file written.");
      assert.equal(read("notes.md"), "ruined\n");
      await window.hush();
      await window.command("Deltar: Redo Restore");
      await window.answer("Redo Restore");
      await window.isTold("Redone: 1 file written.");
      assert.equal(read("notes.md"), "first thoughts\n");
      await window.hush();
    },
  ],

  [
    "unsaved changes in an editor are named, and undo brings them back",
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
        window.rows("File History").filter({ hasText: "created, 12 B" }),
        "Restore Version",
      );
      await window.dialog().getByText("unsaved changes").waitFor();
      await window.picture("unsaved");
      await window.answer(/^Restore$/);
      await window.isTold("Restored: 1 file written.");
      assert.equal(read("draft.txt"), "on the disk\n");
      await window.hush();
      await window.command("Deltar: Undo Last Restore");
      await window.answer("Undo Restore");
      await window.isTold("Undone: 1 file written.");
      assert.equal(read("draft.txt"), "only in the editor\n");
      // This installation has no native file watcher, so VS Code does not
      // notice the change itself.
      await window.command("File: Revert File");
      await window.page.getByText("only in the editor").first().waitFor();
      fs.rmSync(at("draft.txt"));
      await window.hush();
    },
  ],

  ["unsaved changes in a notebook are not lost, either", async () => {
    const book = (source: string) =>
      JSON.stringify({
        cells: [{
          cell_type: "code",
          execution_count: null,
          metadata: {},
          outputs: [],
          source: [source],
        }],
        metadata: {},
        nbformat: 4,
        nbformat_minor: 5,
      });
    fs.writeFileSync(at("book.ipynb"), book("first"));
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken/);
    await window.hush();
    fs.writeFileSync(at("book.ipynb"), book("later on the disk"));
    await window.openFile(at("book.ipynb"));
    await window.type(
      "only in the notebook",
      window.page.getByText("later on the disk").last(),
    );
    const size = `created, ${book("first").length} B`;
    await window.press(
      window.rows("File History").filter({ hasText: size }),
      "Restore Version",
    );
    await window.dialog().getByText("unsaved changes").waitFor();
    await window.answer(/^Restore$/);
    await window.isTold("Restored: 1 file written.");
    assert.equal(read("book.ipynb"), book("first"));
    await window.hush();
    await window.command("Deltar: Undo Last Restore");
    await window.answer("Undo Restore");
    await window.isTold("Undone: 1 file written.");
    assert.match(read("book.ipynb"), /only in the notebook/);
    await window.hush();
    await window.command("View: Revert and Close Editor");
    await window.page.locator(".tab").filter({ hasText: "book.ipynb" })
      .waitFor({ state: "detached" });
    fs.rmSync(at("book.ipynb"));
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken/);
    await window.hush();
  }],

  [
    "only the chosen folder is restored, and undo reverts the restore",
    async () => {
      fs.appendFileSync(at("docs/FORMAT.md"), "a line more\n");
      fs.appendFileSync(at("README.md"), "a line more\n");
      await window.command("Deltar: Create Snapshot");
      await window.isTold(/2 files changed/);
      await window.hush();
      const good = state();
      const written = 1 + fs.readdirSync(at("docs/how-to")).length;
      fs.writeFileSync(at("docs/FORMAT.md"), "ruined\n");
      fs.rmSync(at("docs/how-to"), { recursive: true });
      fs.mkdirSync(at("docs/new"));
      fs.writeFileSync(at("docs/new/page.md"), "not in the snapshot\n");
      fs.writeFileSync(at("README.md"), "ruined too\n");
      const ruined = state();
      await window.expand(window.rows("Snapshots").nth(1));
      await window.press(window.row(/^docs$/), "Restore Folder…");
      const text = await window.dialog().innerText();
      assert.match(text, /Restore docs as of/);
      assert.match(text, /1 file will be overwritten:\s+docs\/FORMAT\.md/);
      assert.match(text, /files will be created:\s+docs\/how-to\//);
      assert.match(text, /1 file not in the snapshot.*:\s+docs\/new\/page\.md/);
      assert.doesNotMatch(text, /README/);
      await window.picture("restore-folder");
      await window.answer(/^Restore and Delete 1 File$/);
      await window.isTold(
        `Restored: ${written} files written, 2 paths deleted`,
      );
      const isOutside = ([path]: [string, string]) => !path.startsWith("docs/");
      assert.deepEqual(
        state(),
        new Map([
          ...[...good].filter((one) => !isOutside(one)),
          ...[...ruined].filter(isOutside),
        ]),
      );
      await window.hush();
      await window.command("Deltar: Undo Last Restore");
      await window.answer("Undo Restore");
      await window.isTold(/Undone: /);
      assert.deepEqual(state(), ruined);
      await window.hush();
    },
  ],

  ["a deleted folder is restored", async () => {
    const before = state();
    fs.rmSync(at("bench"), { recursive: true });
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/files changed/);
    await window.hush();
    await window.expand(window.rows("Snapshots").nth(1));
    await window.press(window.row(/^bench$/), "Restore Folder…");
    await window.answer(/^Restore$/);
    await window.isTold(/Restored: /);
    assert.deepEqual(state(), before);
    await window.hush();
    // This restores a folder of an older snapshot from the explorer.
    fs.writeFileSync(at("docs/FORMAT.md"), "once more\n");
    await window.command("View: Show Explorer");
    await window.chooseFromMenu(
      window.page.getByRole("treeitem", { name: "docs" }),
      "Snapshots",
      "Restore from Snapshot…",
    );
    await window.choose(/2 files changed|\sand\s/);
    await window.dialog().getByText("1 file will be overwritten").waitFor();
    await window.answer("Cancel");
    assert.deepEqual(read("docs/FORMAT.md"), "once more\n");
    await window.command("View: Show Deltar");
  }],

  ["files that are chosen together are restored together", async () => {
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/files changed/);
    await window.hush();
    const before = state();
    for (const name of ["mod.ts", "cli.ts"]) {
      fs.appendFileSync(at(name), "// more\n");
    }
    fs.rmSync(at("SECURITY.md"));
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/3 files changed/);
    await window.hush();
    for (const name of ["mod.ts", "cli.ts"]) fs.writeFileSync(at(name), "");
    await window.expand(window.rows("Snapshots").nth(1));
    await window.row(/^mod\.ts/).click();
    for (const name of ["cli.ts", "SECURITY.md"]) {
      await window.row(RegExp(`^${name}`)).click({ modifiers: ["Control"] });
    }
    // The tooltip of the last row would cover the others.
    await window.page.mouse.move(800, 600);
    await window.page.locator(".monaco-hover:visible").waitFor({
      state: "hidden",
    });
    await window.chooseFromMenu(window.row(/^cli\.ts/), "Restore File…");
    // First the files of the snapshot are restored, and then the files that
    // only existed before it.
    await window.dialog().getByText("Restore 2 paths as of").waitFor();
    assert.match(
      await window.dialog().innerText(),
      /2 files will be overwritten/,
    );
    await window.picture("restore-chosen");
    await window.answer(/^Restore$/);
    await window.dialog().getByText("Restore SECURITY.md as of").waitFor();
    await window.answer(/^Restore$/);
    await window.isTold("Restored: 1 file written.");
    assert.ok(fs.existsSync(at("SECURITY.md")));
    assert.match(read("mod.ts"), /export [^]*\/\/ more\n$/);
    assert.match(read("cli.ts"), /[^]+\/\/ more\n$/);
    await window.hush();

    // Only the mode of this file differs.
    fs.chmodSync(at("mod.ts"), 0o600);
    // The active editor shows an old version of the file.
    await window.command("Deltar: Restore from Snapshot…");
    await window.choose(/\d\d:\d\d:\d\d/);
    await window.dialog().getByText("1 file: only mode").waitFor();
    await window.answer(/^Restore$/);
    await window.isTold("Restored: mode, time, owner or attributes of 1 path.");
    assert.equal(fs.statSync(at("mod.ts")).mode & 0o777, 0o644);
    await window.hush();

    // Only some of the files that differ are restored.
    await window.command("Deltar: Restore Workspace from Snapshot…");
    await window.choose(/\d\d:\d\d:\d\d/, 1);
    await window.answer(/^Choose Files/);
    await window.line("cli.ts").waitFor();
    await window.line("cli.ts").click();
    await window.picture("choose-files");
    await window.page.keyboard.press("Enter");
    await window.isTold("Restored: 1 file written.");
    assert.match(read("cli.ts"), /\/\/ more\n$/);
    fs.writeFileSync(at("cli.ts"), read("cli.ts").replace("// more\n", ""));
    assert.deepEqual(state(), before);
    await window.hush();
  }],

  [
    "the workspace is restored exactly, and undo reverts the restore",
    async () => {
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

      // A deleted file can be found.
      await window.command("Deltar: Create Snapshot");
      await window.isTold(/files changed/);
      await window.hush();
      await window.command("Deltar: Find Deleted Files…");
      await window.line("docs/FORMAT.md").first().waitFor();
      await window.page.keyboard.press("Escape");

      await window.command("Deltar: Restore Workspace from Snapshot…");
      await window.choose(/\d\d:\d\d:\d\d/, 1);
      await window.dialog().getByText(/files? will be created/).waitFor();
      await window.picture("restore-workspace");
      const text = await window.dialog().innerText();
      assert.match(text, /1 file not in the snapshot/);
      assert.match(text, /new\.txt/);
      await window.answer(/^Restore and Delete 1 File$/);
      await window.isTold(/Restored: [\d,]+ files written, 1 path deleted/);
      assert.deepEqual(state(), whole);
      await window.hush();
      await window.command("Deltar: Undo Last Restore");
      await window.answer("Undo Restore");
      await window.isTold(/Undone: /);
      assert.deepEqual(state(), ruined);
      await window.hush();
    },
  ],
]);
