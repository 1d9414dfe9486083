/**
 * Snapshots in real VS Code from the user's point of view: taken manually and
 * automatically, browsed and compared.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { repositoryOf, suite } from "./suite.ts";
import { stateOf } from "./project.ts";
import type { Editor } from "./editor.ts";
import type { Window } from "./window.ts";

let editor: Editor;
let window: Window;
let project: string;

const settings = {
  "deltar.snapshot.delaySeconds": 1,
  "deltar.snapshot.everyMinutes": 0,
};

suite([
  [
    "the first snapshot has the whole project, and does not change it",
    async (suite) => {
      project = suite.project("project");
      editor = await suite.editor("editor", {
        settings,
        packages: [suite.companion()],
      });
      const before = stateOf(project);
      window = await suite.open(editor, { folder: project });
      await window.hasStatus(/Deltar: waiting/);
      await window.command("View: Show Deltar");
      await window.page.getByText(
        "There are no snapshots of this workspace yet",
      )
        .waitFor();
      await window.picture("welcome");
      await window.page.getByRole("button", { name: "Create Snapshot" }).last()
        .click();
      await window.isTold(/Snapshot taken, [\d,]+ files\./);
      await window.picture("first-snapshot");
      await window.hasStatus(/Deltar: protected, just now/);
      const { repository, records } = await repositoryOf(editor, project);
      assert.equal(records.length, 1);
      const { byPath } = await repository.tree(records[0]);
      assert.ok(byPath.has(".env"), "what is precious is kept");
      assert.ok(byPath.has("nested/untracked.txt"));
      assert.ok(!byPath.has("build"), "what .gitignore names is not");
      const kept = stateOf(project, isKept);
      assert.ok(kept.size > 3000, `${kept.size} paths`);
      for (const [path, sum] of kept) {
        const entry = byPath.get(path.replace(/\/$/, ""));
        assert.ok(entry, path);
        if (entry.kind === "file") assert.equal(entry.sha256, sum, path);
      }
      assert.equal(byPath.size, kept.size);
      assert.deepEqual(stateOf(project), before);
    },
  ],

  ["saving an edit takes a snapshot automatically", async () => {
    await window.hush();
    await window.openFile(`${project}/notes.md`);
    await window.type("second thoughts\nand more\n");
    await window.save();
    await window.row("notes.md").waitFor();
    const { repository, records } = await repositoryOf(editor, project);
    assert.equal(records.length, 2);
    const diff = await repository.diff(records[0], records[1]);
    assert.deepEqual(diff.updated, ["notes.md"]);
    assert.deepEqual(diff.created, []);
    assert.deepEqual(diff.deleted, []);
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Nothing changed since the last snapshot/);
    assert.equal((await repositoryOf(editor, project)).records.length, 2);
  }],

  ["the views show the changes, and both sides of each", async () => {
    await window.expand(window.row("notes.md"));
    await window.row(/^notes\.md/).waitFor();
    await window.hush();
    await window.clickFor(
      window.row(/^notes\.md/),
      window.page.locator(".tab.active").filter({ hasText: /notes\.md \(/ }),
    );
    assert.deepEqual(await window.sides(), [
      "first thoughts\n",
      "second thoughts\nand more\n",
    ]);
    await window.picture("changes");
  }],

  ["created, modified and deleted files are marked", async () => {
    fs.writeFileSync(`${project}/new.md`, "new\n");
    fs.appendFileSync(`${project}/notes.md`, "third thoughts\n");
    fs.rmSync(`${project}/nested/untracked.txt`);
    await window.command("Deltar: Create Snapshot");
    await window.expand(window.row("new.md and 2 more"));
    for (
      const [name, letter, word, colour] of [
        ["new.md", "A", "Created", "gitDecoration.addedResourceForeground"],
        [
          "notes.md",
          "M",
          "Modified",
          "gitDecoration.modifiedResourceForeground",
        ],
        ["untracked.txt", "D", "Deleted", "errorForeground"],
      ]
    ) {
      if (letter === "D") await window.expand(window.row(/^nested$/));
      const row = window.row(RegExp(`^${name}`));
      await window.isMarked(row, letter, colour);
      assert.match(await row.getAttribute("aria-label") ?? "", RegExp(word));
    }
    await window.hush();
    await window.picture("marked");
  }],

  ["the history of a file has each version and its size", async () => {
    await window.openFile(`${project}/notes.md`);
    await window.rows("File History").nth(2).waitFor();
    const [now, middle, first] = await window.texts("File History");
    assert.match(now, /^\d\d:\d\d:\d\d\s*\+15 B$/);
    assert.match(middle, /^\d\d:\d\d:\d\d\s*\+10 B$/);
    assert.match(first, /^\d\d:\d\d:\d\d\s*created, 15 B$/);
    await window.picture("history");
    // The list of the status bar shows all snapshots after one click.
    await window.openStatus(/notes\.md/);
    await window.picture("status");
    await window.page.keyboard.press("Escape");
  }],
]);

/** Returns whether the settings include a path of the project. */
function isKept(path: string): boolean {
  const name = path.split("/").at(-1)!;
  return name !== ".git" && path !== "build" && name !== ".DS_Store";
}
