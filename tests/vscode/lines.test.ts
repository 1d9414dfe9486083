/**
 * The parts of the extension for single lines in real VS Code: the history of
 * lines, and marks in the gutter. The test presses keys as a user does.
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
const line = (n: number) => `line ${n}\n`;
const lines = (...numbers: number[]) => numbers.map(line).join("");

async function snapshot(label: string): Promise<void> {
  await window.command("Deltar: Create Snapshot with Label…");
  await window.page.getByPlaceholder("before the refactoring").fill(label);
  await window.page.keyboard.press("Enter");
  await window.rows("Snapshots").filter({ hasText: `${label} · ` }).waitFor();
  await window.hush();
}

/** Returns the marks in the gutter of the active editor. */
const marks = (kind: "modified" | "added" | "deleted") =>
  window.page.locator(
    `.editor-group-container.active .dirty-diff-${kind}`,
  );

suite([
  [
    "the history of selected lines has only the changes of these lines",
    async (suite) => {
      folder = join(suite.folder, "folder");
      fs.mkdirSync(folder);
      editor = await suite.editor("editor", {
        settings: NO_AUTOMATIC_SNAPSHOTS,
        packages: [suite.companion()],
      });
      fs.writeFileSync(at("notes.md"), lines(1, 2, 3));
      window = await suite.open(editor, { folder });
      await window.command("View: Show Deltar");
      await snapshot("one");
      fs.writeFileSync(at("notes.md"), lines(1, 2, 3, 4));
      await snapshot("two");
      fs.writeFileSync(at("notes.md"), line(0) + lines(1, 22, 3, 4));
      await snapshot("three");
      await window.openFile(at("notes.md"));
      await window.page.locator(".editor-group-container.active .view-line")
        .filter({ hasText: /^line.22$/ }).click();
      await window.command("Deltar: Show History of Selected Lines");
      await window.line(/3: line 22/).waitFor();
      await window.line(/2: line 2/).first().waitFor();
      assert.equal(await window.line(/\d: line/).count(), 2);
      await window.page.getByText("2 changes to line 3 in notes.md").waitFor();
      await window.picture("selection-history");
      await window.choose(/3: line 22/);
      await window.page.locator(".tab.active").filter({
        hasText: /notes\.md \(/,
      })
        .waitFor();
      assert.deepEqual(await window.sides(), [
        lines(1, 2, 3, 4),
        line(0) + lines(1, 22, 3, 4),
      ]);
      await window.picture("selection-change");
      await window.command("View: Close All Editors");
    },
  ],

  ["keys show the other versions, and take a snapshot", async () => {
    await window.openFile(at("notes.md"));
    const press = async (...keys: string[]) => {
      for (const key of keys) await window.page.keyboard.press(key);
    };
    await window.clickFor(
      window.rows("File History").filter({ hasText: /two/ }),
      window.page.locator(".tab.active").filter({ hasText: /notes\.md \(/ }),
    );
    assert.deepEqual(await window.sides(), [lines(1, 2, 3), lines(1, 2, 3, 4)]);
    await window.page.locator(
      ".editor-group-container.active .modified .view-line",
    )
      .first().click();
    await press("Control+K", "Alt+.");
    const newer = [lines(1, 2, 3, 4), line(0) + lines(1, 22, 3, 4)];
    await window.until(
      "the newer version",
      async () => (await window.sides()).join() === newer.join(),
    );
    await press("Control+K", "Alt+Comma");
    await window.until(
      "the older version",
      async () =>
        (await window.sides()).join() ===
          `${lines(1, 2, 3)},${lines(1, 2, 3, 4)}`,
    );
    fs.writeFileSync(at("other.txt"), "other\n");
    await press("Control+K", "Alt+S");
    await window.isTold(/Snapshot taken/);
    await window.hush();
    const { records } = await repositoryOf(editor, folder);
    assert.equal(records.length, 4);
    await window.command("View: Close All Editors");
  }],

  ["no other command has the same keys", async () => {
    await window.command("Preferences: Open Keyboard Shortcuts");
    const search = window.page.getByPlaceholder(
      "Type to search in keybindings",
    );
    const found = window.page.locator(
      ".keybindings-table-container .monaco-list-row",
    );
    const { contributes } = JSON.parse(
      fs.readFileSync(
        new URL("../../extension/package.json", import.meta.url),
        "utf8",
      ),
    );
    for (const { key } of contributes.keybindings) {
      await search.fill(`"${key}"`);
      await window.until(`one command for ${key}`, async () => {
        const texts = await found.allInnerTexts();
        return texts.length === 1 && texts[0].includes("Deltar");
      });
    }
    await window.picture("keys");
    await window.command("View: Close All Editors");
  }],

  ["lines that differ from a snapshot are marked", async () => {
    await window.openFile(at("notes.md"));
    await window.type(line(0) + lines(1, 23, 3, 4, 5));
    await window.save();
    assert.equal(await marks("modified").count(), 0);
    await editor.set({ "deltar.gutter.compareWith": "lastSnapshot" });
    await marks("modified").first().waitFor();
    await marks("added").first().waitFor();
    await window.picture("gutter-marks");
    await editor.set({ "deltar.gutter.compareWith": "nothing" });
    await marks("modified").first().waitFor({ state: "detached" });
    // The lines are now compared with the new snapshot.
    await editor.set({ "deltar.gutter.compareWith": "lastLabel" });
    await marks("modified").first().waitFor();
    await snapshot("four");
    await marks("modified").first().waitFor({ state: "detached" });
    await marks("added").first().waitFor({ state: "detached" });
  }],
]);
