/**
 * The history of a file in real VS Code: it follows a renamed file, can be
 * searched for a text, and can be restored from a diff editor. Snapshots are
 * labeled and removed.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Editor } from "./editor.ts";
import { NO_AUTOMATIC_SNAPSHOTS, repositoryOf, suite } from "./suite.ts";
import type { Window } from "./window.ts";

let editor: Editor;
let window: Window;
let folder: string;

const at = (path: string) => join(folder, path);
const first = `the lost paragraph\n${"first thoughts\n".repeat(20)}`;
const second = `${"first thoughts\n".repeat(20)}second\n`;

async function snapshot(label: string, line: RegExp): Promise<void> {
  await window.command("Deltar: Create Snapshot with Label…");
  await window.page.getByPlaceholder("before the refactoring").fill(label);
  await window.page.keyboard.press("Enter");
  await window.row(line).waitFor();
  await window.hush();
}

/** Returns the row of a snapshot or version with a label. */
function labeled(label: string, view = "Snapshots") {
  return window.rows(view).filter({ hasText: `${label} · ` });
}

/** Returns the labels of the snapshots except safety snapshots. */
async function labels(): Promise<(string | undefined)[]> {
  const { records } = await repositoryOf(editor, folder);
  return records.filter(({ safety }) => safety === undefined)
    .map(({ label }) => label);
}

suite([
  ["the history of a file continues before it was renamed", async (suite) => {
    folder = join(suite.folder, "folder");
    fs.mkdirSync(folder);
    fs.writeFileSync(at("old.md"), first);
    fs.writeFileSync(at("other.txt"), "other\n");
    editor = await suite.editor("editor", {
      settings: NO_AUTOMATIC_SNAPSHOTS,
      packages: [suite.companion()],
    });
    window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    await snapshot("one", /one · 2 files/);
    fs.writeFileSync(at("old.md"), second);
    await snapshot("two", /two · old\.md/);
    fs.renameSync(at("old.md"), at("new.md"));
    await snapshot("three", /three · new\.md renamed/);
    await window.expand(window.row(/three/));
    await window.row(/^new\.md.*from old\.md/).waitFor();
    const rows = window.rows("Snapshots");
    assert.equal(await rows.filter({ hasText: /^old\.md/ }).count(), 0);
    await window.openFile(at("new.md"));
    await window.rows("File History").nth(2).waitFor();
    const texts = await window.texts("File History");
    assert.equal(texts.length, 3, texts.join("\n"));
    assert.match(texts[0], /three · from old\.md/);
    assert.match(texts[1], /two/);
    assert.match(texts[2], /one · created/);
    await window.picture("history-renamed");
  }],

  ["a text is found in an old version", async () => {
    await window.command("Deltar: Search File History…");
    await window.page.getByPlaceholder("Search").last().fill("Lost");
    await window.page.keyboard.press("Enter");
    await window.line(/1: the lost paragraph/).waitFor();
    assert.equal(await window.line(/\d: /).count(), 1);
    await window.picture("history-search");
    await window.choose(/the lost paragraph/);
    await window.page.locator(".view-line")
      .filter({ hasText: /the.lost.paragraph/ }).first().waitFor();
    await window.command("View: Close All Editors");
  }],

  ["the search of the view is in the file that the view shows", async () => {
    await window.openFile(at("other.txt"));
    await window.command("View: Show Explorer");
    await window.chooseFromMenu(
      window.page.locator(".explorer-folders-view .monaco-list-row")
        .filter({ hasText: "new.md" }).first(),
      "Snapshots",
      "Show File History",
    );
    await window.rows("File History").nth(2).waitFor();
    await window.rows("File History").first().hover();
    const prompt = window.page.locator(".quick-input-widget")
      .getByText("Text to find in all versions of new.md");
    await window.clickFor(window.action("File History", "Search"), prompt);
    await window.picture("search-shown");
    await window.page.keyboard.press("Escape");
    await window.command("View: Close All Editors");
  }],

  ["the version in a diff editor is restored from its title", async () => {
    await window.openFile(at("new.md"));
    await window.rows("File History").nth(2).waitFor();
    await window.clickFor(
      window.rows("File History").nth(1),
      window.page.locator(".tab.active").filter({ hasText: /old\.md \(/ }),
    );
    await window.press(
      window.page.locator(".editor-group-container.active"),
      "Restore This Version",
    );
    await window.picture("restore-this-version");
    await window.answer(/^Restore$/);
    await window.isTold("Restored: 1 file written.");
    assert.equal(fs.readFileSync(at("old.md"), "utf8"), second);
    await window.hush();
  }],

  ["a deleted file is restored from the list", async () => {
    fs.rmSync(at("old.md"));
    fs.rmSync(at("other.txt"));
    await snapshot("four", /four · other\.txt deleted/);
    await window.command("Deltar: Find Deleted Files…");
    const line = window.line("other.txt");
    await line.hover();
    await window.picture("find-deleted");
    await window.press(line, "Restore File");
    await window.answer(/^Restore$/);
    await window.isTold("Restored: 1 file written.");
    assert.equal(fs.readFileSync(at("other.txt"), "utf8"), "other\n");
    await window.hush();
  }],

  ["a label is changed in the list", async () => {
    await window.openMenu(window.row(/two · /), "Edit Label…");
    await window.picture("snapshot-menu");
    await window.page.keyboard.press("Escape");
    await window.chooseFromMenu(window.row(/two · /), "Edit Label…");
    await window.page.getByPlaceholder("before the refactoring")
      .fill("the second");
    await window.page.keyboard.press("Enter");
    await labeled("the second").waitFor();
    await labeled("the second", "File History").waitFor();
    assert.deepEqual(await labels(), ["one", "the second", "three", "four"]);
  }],

  ["a snapshot is removed, and brought back", async () => {
    await window.chooseFromMenu(labeled("the second"), "Remove Snapshot…");
    await window.dialog().getByText("Label: the second").waitFor();
    await window.picture("remove-snapshot");
    await window.answer(/^Remove$/);
    for (const view of ["Snapshots", "File History"]) {
      await labeled("the second", view).waitFor({ state: "detached" });
    }
    assert.deepEqual(await labels(), ["one", "three", "four"]);
    await window.pressTold("Removed 1 snapshot.", "Undo");
    for (const view of ["Snapshots", "File History"]) {
      await labeled("the second", view).waitFor();
    }
    assert.deepEqual(await labels(), ["one", "the second", "three", "four"]);
    await window.picture("removed-and-undone");
  }],
]);
