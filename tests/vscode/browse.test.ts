/**
 * The views of history in real VS Code: rows that name files, the history of a
 * folder, all files of a snapshot, the changes since a point in time, and the
 * versions before and after the one in a diff editor.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Editor } from "./editor.ts";
import { NO_AUTOMATIC_SNAPSHOTS, suite } from "./suite.ts";
import type { Window } from "./window.ts";

let editor: Editor;
let window: Window;
let folder: string;

const at = (path: string) => join(folder, path);

/** Takes a snapshot, and waits until its row has a text. */
async function snapshot(label: string, text: string): Promise<void> {
  await window.command("Deltar: Create Snapshot with Label…");
  await window.page.getByPlaceholder("before the refactoring").fill(label);
  await window.page.keyboard.press("Enter");
  await rowOf(label, text).waitFor();
  await window.hush();
}

function rowOf(label: string, text: string, view = "Snapshots") {
  return window.rows(view).filter({ hasText: `${label} · ${text}` });
}

suite([
  ["the row of a snapshot names the files that changed", async (suite) => {
    folder = join(suite.folder, "folder");
    fs.mkdirSync(at("lib/tree"), { recursive: true });
    for (let n = 0; n < 6; n++) {
      fs.writeFileSync(at(`lib/tree/${n}.ts`), `line ${n}\n`);
    }
    fs.writeFileSync(at("notes.md"), "one\n");
    fs.writeFileSync(at("old.md"), "old\n");
    editor = await suite.editor("editor", {
      settings: NO_AUTOMATIC_SNAPSHOTS,
      packages: [suite.companion()],
    });
    window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    await snapshot("one", "8 files");
    fs.writeFileSync(at("notes.md"), "two\n");
    await snapshot("two", "notes.md");
    fs.rmSync(at("old.md"));
    await snapshot("three", "old.md deleted");
    fs.writeFileSync(at("notes.md"), "three\n");
    fs.appendFileSync(at("lib/tree/0.ts"), "more\n");
    await snapshot("four", "0.ts and notes.md");
    for (let n = 0; n < 5; n++) {
      fs.appendFileSync(at(`lib/tree/${n}.ts`), "x\n");
    }
    await snapshot("five", "lib/tree: 5 files");
    fs.appendFileSync(at("lib/tree/0.ts"), "y\n");
    fs.appendFileSync(at("lib/tree/1.ts"), "y\n");
    fs.writeFileSync(at("notes.md"), "six\n");
    await snapshot("six", "0.ts and 2 more");
    await window.picture("rows");
  }],

  ["a small snapshot shows its files when it is opened", async () => {
    await window.expand(rowOf("six", "0.ts"));
    await window.row(/^lib\/tree/).waitFor();
    await window.row(/^1\.ts/).waitFor();
    const rows = await window.texts("Snapshots");
    const start = rows.findIndex((row) => /six/.test(row)) + 1;
    for (
      const [at, name] of ["lib/tree", "0.ts", "1.ts", "notes.md"].entries()
    ) {
      assert.ok(rows[start + at].startsWith(name), rows.join("\n"));
    }
    await window.picture("small-snapshot");
    await rowOf("six", "0.ts").click();
  }],

  ["the history of a folder has the changes in it", async () => {
    await window.command("View: Show Explorer");
    await window.chooseFromMenu(
      window.page.locator(".explorer-folders-view .monaco-list-row")
        .filter({ hasText: "lib" }).first(),
      "Snapshots",
      "Show Folder History",
    );
    await window.rows("File History").nth(3).waitFor();
    await rowOf("six", "0.ts and 1.ts", "File History").waitFor();
    await rowOf("five", "lib/tree: 5 files", "File History").waitFor();
    await rowOf("four", "0.ts", "File History").waitFor();
    await rowOf("one", "created", "File History").waitFor();
    const texts = await window.texts("File History");
    assert.equal(texts.length, 4, texts.join("\n"));
    await window.action("File History", "Search")
      .waitFor({ state: "detached" });
    await window.expand(rowOf("four", "0.ts", "File History"));
    const file = window.rows("File History").filter({ hasText: /^0\.ts/ });
    await file.waitFor();
    await window.picture("folder-history");
    await window.clickFor(
      file,
      window.page.locator(".tab.active").filter({ hasText: /0\.ts \(/ }),
    );
    assert.deepEqual(await window.sides(), ["line 0\n", "line 0\nmore\n"]);
  }],

  [
    "all files of a snapshot are listed, and one of them is restored",
    async () => {
      await window.chooseFromMenu(rowOf("one", "8 files"), "Browse Snapshot…");
      const rows = window.rows("Snapshot Files");
      await rows.filter({ hasText: "old.md" }).waitFor();
      const texts = await window.texts("Snapshot Files");
      assert.equal(texts.length, 3);
      for (const [at, name] of ["lib", "notes.md", "old.md"].entries()) {
        assert.ok(texts[at].startsWith(name), texts.join("\n"));
      }
      await window.expand(rows.filter({ hasText: /^lib/ }));
      await window.expand(rows.filter({ hasText: /^tree/ }));
      await rows.filter({ hasText: /^0\.ts/ }).waitFor();
      await window.picture("browse-snapshot");
      // The rows below do not fit into the view.
      await rows.filter({ hasText: /^lib/ }).click();
      await window.clickFor(
        rows.filter({ hasText: /^notes\.md/ }),
        window.page.locator(".editor-group-container.active .view-line")
          .filter({ hasText: /^one$/ }),
      );
      await window.press(rows.filter({ hasText: /^old\.md/ }), "Restore…");
      await window.answer(/^Restore$/);
      await window.isTold("Restored: 1 file written.");
      assert.equal(fs.readFileSync(at("old.md"), "utf8"), "old\n");
      await window.hush();
      await window.page.locator(".pane-header[aria-label^='Snapshot Files']")
        .hover();
      await window.page.getByRole("button", { name: "Close", exact: true })
        .click();
      await rows.first().waitFor({ state: "detached" });
    },
  ],

  ["the changes since a point in time are shown", async () => {
    fs.writeFileSync(at("notes.md"), "seven\n");
    await window.command("Deltar: Show Changes Since…");
    await window.line(/Last Snapshot/).waitFor();
    await window.line(/Last Label/).waitFor();
    await window.line(/Start of This Session/).waitFor();
    await window.line(/Choose a Snapshot/).waitFor();
    await window.picture("changes-since");
    await window.choose(/Last Label.*six/);
    await window.page.locator(".tab.active").filter({ hasText: /Now/ })
      .waitFor();
    const diff = window.page.locator(".multiDiffEntry");
    await diff.filter({ hasText: "notes.md" }).waitFor();
    await diff.filter({ hasText: "old.md" }).waitFor();
    assert.equal(await diff.count(), 2);
    await window.picture("changes-since-open");
    await window.command("View: Close All Editors");
  }],

  ["buttons of a diff editor show the other versions", async () => {
    await window.openFile(at("notes.md"));
    const rows = window.rows("File History");
    await window.clickFor(
      rows.filter({ hasText: /four/ }),
      window.page.locator(".tab.active").filter({ hasText: /notes\.md \(/ }),
    );
    assert.deepEqual(await window.sides(), ["two\n", "three\n"]);
    await window.picture("version-buttons");
    const press = async (name: string, sides: [string, string]) => {
      await window.click(name);
      await window.until(`sides ${sides}`, async () => {
        const now = await window.sides();
        return now.join() === sides.join();
      }, 20_000);
    };
    await press("Previous Version", ["one\n", "two\n"]);
    await press(
      "Previous Version",
      ["\n", "one\n"].map((text) => text === "\n" ? "" : text) as [
        string,
        string,
      ],
    );
    await window.click("Previous Version");
    await window.isTold("There is no older version.");
    await press("Next Version", ["one\n", "two\n"]);
    await window.hush();
  }],

  ["the changes of a restore are shown before it", async () => {
    await window.click("Restore This Version");
    await window.picture("restore-show-changes");
    await window.answer("Show Changes");
    await window.page.locator(".multiDiffEntry")
      .filter({ hasText: "notes.md" }).waitFor();
    await window.picture("restore-changes");
    assert.equal(fs.readFileSync(at("notes.md"), "utf8"), "seven\n");
    await window.pressTold(/These are the changes that restoring/, "Restore…");
    await window.answer(/^Restore$/);
    await window.isTold("Restored: 1 file written.");
    assert.equal(fs.readFileSync(at("notes.md"), "utf8"), "two\n");
  }],
]);
