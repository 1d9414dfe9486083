/**
 * Ten tasks of a new user in real VS Code, with clicks only. Each task begins
 * with the explorer and no open file, and takes at most five clicks.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Locator } from "playwright-core";
import {
  Dir,
  LocalStorage,
  Repository,
  type SnapshotOptions,
} from "../../mod.ts";
import { repositoryName } from "../../lib/repository/mod.ts";
import type { Editor } from "./editor.ts";
import { type Suite, suite } from "./suite.ts";
import type { Window } from "./window.ts";

const MAX_CLICKS = 5;

const MINUTE = 60_000;

const PARAGRAPH = "The second paragraph says why.\n";
const WHOLE = `The first paragraph.\n\n${PARAGRAPH}\nThe end.\n`;
const SHORT = "The first paragraph.\n\nThe end.\n";

let editor: Editor;
let window: Window;
let folder: string;

const at = (path: string) => join(folder, path);
const read = (path: string) => fs.readFileSync(at(path), "utf8");

/** Makes the history of an afternoon, with a turn of an agent in it. */
async function makeHistory(): Promise<void> {
  const place = join(editor.storage, "repositories", repositoryName(folder));
  fs.mkdirSync(place, { recursive: true });
  const repository = await Repository.create(new LocalStorage(place));
  const take = async (ago: number, options: SnapshotOptions = {}) => {
    const time = Date.now() - ago * MINUTE;
    await repository.snapshot(new Dir(folder), { ...options, time });
  };
  fs.mkdirSync(at("src"), { recursive: true });
  fs.writeFileSync(at("notes.md"), WHOLE);
  fs.writeFileSync(at("budget.csv"), "rent,900\n");
  fs.writeFileSync(at("src/a.ts"), "export const a = 1;\n");
  fs.writeFileSync(at("src/b.ts"), "export const b = 1;\n");
  await take(180, { label: "draft sent" });
  const turn = { agent: "claude-code", session: "s", turn: 1 };
  const prompt = "Make a larger";
  await take(120, { turn: { ...turn, at: "start", prompt } });
  fs.writeFileSync(at("src/a.ts"), "export const a = 1000;\n");
  await take(119, { turn: { ...turn, at: "end" } });
  fs.rmSync(at("budget.csv"));
  await take(90);
  fs.writeFileSync(at("notes.md"), SHORT);
  await take(60);
}

/** Makes a click or a choice, such as a row of a list, or a text with Enter. */
type Click = (work: Promise<unknown>) => Promise<void>;

/** A task, which takes at most five clicks. */
function task(
  name: string,
  work: (click: Click) => Promise<void>,
): [string, (suite: Suite) => Promise<void>] {
  return [name, async () => {
    await window.command("View: Close All Editors");
    await window.hush();
    await window.command("View: Show Explorer");
    await explorer("notes.md").waitFor();
    let clicks = 0;
    await work(async (click) => {
      clicks++;
      await click;
    });
    await window.picture(`task-${name.replaceAll(/\W+/g, "-")}`);
    assert.ok(clicks <= MAX_CLICKS, `${name}: ${clicks} clicks`);
  }];
}

const explorer = (name: string) =>
  window.page.locator(".explorer-folders-view .monaco-list-row")
    .filter({ hasText: name }).first();

const item = (name: string) => window.page.getByRole("menuitem", { name });

/** Opens the view of the extension. */
const openDeltar = () =>
  window.clickFor(
    window.page.locator(".activitybar .action-item", {
      has: window.page.locator('[aria-label^="Deltar"]'),
    }),
    window.rows("Snapshots"),
  );

/** Opens a file that the explorer shows. */
const openFile = (name: string) =>
  window.clickFor(
    explorer(name),
    window.page.locator(".tab.active").filter({ hasText: name }),
  );

/** Clicks an item of the open menu, and again until the menu closes. */
const inMenu = (name: string) =>
  window.until(`chosen ${name}`, async () => {
    await item(name).click({ timeout: 5000 }).catch(() => {});
    await window.page.waitForTimeout(300);
    return await item(name).count() === 0;
  });

/** Opens a menu of the menu that is open. */
const openSubmenu = (name: string, then: string) =>
  window.clickFor(item(name), item(then));

/** Clicks a button in the title of a view. */
const inTitle = (view: string, name: string, shown: Locator) =>
  window.until(`clicked ${name}`, async () => {
    const pane = window.page.locator(".pane").filter({
      has: window.page.locator(`.pane-header[aria-label^="${view}"]`),
    });
    await pane.hover();
    await pane.getByRole("button", { name }).first().click();
    return await shown.first().waitFor({ timeout: 5000 }).then(
      () => true,
      () => false,
    );
  });

const type = async (placeholder: string, text: string) => {
  await window.page.getByPlaceholder(placeholder).last().fill(text);
  await window.page.keyboard.press("Enter");
};

const versions = () => window.rows("File History");

const snapshotRow = (text: string | RegExp) =>
  window.rows("Snapshots").filter({ hasText: text }).first();

suite([
  ["the history of an afternoon is created", async (suite) => {
    folder = join(suite.folder, "thesis");
    editor = await suite.editor("editor", {
      settings: {
        "deltar.snapshot.onSave": false,
        "deltar.snapshot.everyMinutes": 0,
        "deltar.snapshot.onClose": false,
      },
      packages: [suite.companion()],
    });
    await makeHistory();
    window = await suite.open(editor, { folder });
    await window.hasStatus(/protected|off/);
  }],

  task("get back a paragraph deleted an hour ago", async (click) => {
    await click(openFile("notes.md"));
    await click(openDeltar());
    await versions().nth(1).hover();
    const diff = window.page.locator(".monaco-diff-editor");
    await click(
      window.clickFor(
        versions().nth(1).getByRole("button", { name: "Compare with File" }),
        diff,
      ),
    );
    await diff.locator(".line-insert, .line-delete").first().waitFor();
    await window.picture("task-paragraph-diff");
    await diff.locator(".editor.original .view-line").nth(2).hover();
    const revert = diff.locator(".codicon-arrow-right, .codicon-diff-revert")
      .first();
    await click(revert.click());
    await window.page.locator(".tab.active.dirty").waitFor();
    await click(window.save());
    assert.equal(read("notes.md"), WHOLE);
  }),

  task("see what the terminal has changed", async (click) => {
    fs.writeFileSync(at("src/b.ts"), "export const b = 2;\n");
    fs.writeFileSync(at("made.log"), "built\n");
    await click(openDeltar());
    await click(inTitle(
      "Snapshots",
      "Show Changes Since",
      window.line("Last Snapshot"),
    ));
    // Near midnight, all snapshots of the afternoon are from one day.
    assert.equal(await window.line(/Yesterday.*Yesterday/).count(), 0);
    await window.picture("task-changes-since");
    await click(window.choose("Last Snapshot"));
    const shown = window.page.locator(".multiDiffEntry");
    for (const name of ["b.ts", "made.log", "notes.md"]) {
      await shown.filter({ hasText: name }).first().waitFor();
    }
    assert.equal(await shown.filter({ hasText: "a.ts" }).count(), 0);
  }),

  task("restore a deleted file", async (click) => {
    await click(openDeltar());
    await click(inTitle("Snapshots", "More Actions", item("Find Deleted")));
    await click(inMenu("Find Deleted Files"));
    const line = window.line("budget.csv");
    await line.hover();
    await window.picture("task-deleted-files");
    await click(window.press(line, "Restore File"));
    await window.picture("task-restore-question");
    await click(window.answer(/^Restore$/));
    await window.isTold("Restored: 1 file written.");
    assert.equal(read("budget.csv"), "rent,900\n");
  }),

  task("undo the last restore", async (click) => {
    await click(openDeltar());
    await click(inTitle("Snapshots", "More Actions", item("Undo Last")));
    await click(inMenu("Undo Last Restore"));
    await window.dialog().waitFor();
    await window.picture("task-undo-question");
    await click(window.answer("Undo Restore"));
    await window.isTold("Undone");
    assert.ok(!fs.existsSync(at("budget.csv")));
  }),

  task("see which turn changed a file", async (click) => {
    await click(window.expand(explorer("src")));
    await click(openFile("a.ts"));
    await click(openDeltar());
    await versions().filter({ hasText: "turn 1 of claude-code" }).waitFor();
    await click(
      window.clickFor(
        versions().first(),
        window.page.locator(".monaco-diff-editor"),
      ),
    );
    assert.deepEqual(await window.sides(), [
      "export const a = 1;\n",
      "export const a = 1000;\n",
    ]);
  }),

  task("compare a file with the last label", async (click) => {
    await click(openDeltar());
    await click(inTitle(
      "Snapshots",
      "Show Changes Since",
      window.line("Last Label"),
    ));
    await click(window.choose("Last Label"));
    const shown = window.page.locator(".multiDiffEntry");
    await shown.filter({ hasText: "a.ts" }).first().waitFor();
    await window.page.locator(".tab.active").filter({ hasText: "draft sent" })
      .waitFor();
  }),

  task("open a file of an old snapshot", async (click) => {
    await click(openDeltar());
    await click(window.openMenu(snapshotRow("draft sent"), "Browse Snapshot"));
    await click(inMenu("Browse Snapshot"));
    const file = window.rows("Snapshot Files").filter({ hasText: "budget" });
    await file.waitFor();
    await click(
      window.clickFor(
        file,
        window.page.locator(".view-line").filter({ hasText: "rent,900" }),
      ),
    );
    // The tab would otherwise look like the tab of the current file.
    await window.page.locator(".tab.active")
      .filter({ hasText: /^budget\.csv \(.*\d\d:\d\d:\d\d\)$/ }).waitFor();
  }),

  task("restore one folder as it was before", async (click) => {
    await click(window.openMenu(explorer("src"), "Snapshots"));
    await click(openSubmenu("Snapshots", "Restore from Snapshot"));
    await click(inMenu("Restore from Snapshot"));
    await window.line("draft sent").waitFor();
    await window.picture("task-restore-folder-list");
    await click(window.choose("draft sent"));
    await window.picture("task-restore-folder-question");
    await click(window.answer(/^Restore$/));
    await window.isTold("Restored: 2 files written.");
    assert.equal(read("src/a.ts"), "export const a = 1;\n");
    assert.equal(read("src/b.ts"), "export const b = 1;\n");
    assert.equal(read("made.log"), "built\n");
  }),

  task("name a snapshot", async (click) => {
    await click(openDeltar());
    await click(window.openMenu(snapshotRow(/notes\.md/), "Edit Label"));
    await click(inMenu("Edit Label"));
    await window.page.getByPlaceholder("before the refactoring").waitFor();
    await window.page.getByText(/Label of the snapshot of \d\d:\d\d:\d\d/)
      .waitFor();
    await window.picture("task-edit-label");
    await click(type("before the refactoring", "without the paragraph"));
    await snapshotRow("without the paragraph").waitFor();
  }),

  task("search a text in the history of a file", async (click) => {
    await click(openFile("notes.md"));
    await click(openDeltar());
    await click(inTitle(
      "File History",
      "Search File History",
      window.page.getByPlaceholder("Search").last(),
    ));
    await click(type("Search", "says why"));
    await window.line(/says why/).first().waitFor();
    await window.page.getByText('2 of 3 versions with "says why".').waitFor();
    await window.picture("task-search-result");
    await click(window.choose(/says why/));
    await window.page.locator(".view-line")
      .filter({ hasText: /second.paragraph/ }).first().waitFor();
  }),

  task("pause automatic snapshots", async (click) => {
    await editor.set({ "deltar.snapshot.onSave": true });
    await window.hasStatus(/protected/);
    await click(window.openStatus("Pause Automatic Snapshots"));
    await window.picture("task-status-list");
    await click(window.choose("Pause Automatic Snapshots"));
    await window.hasStatus(/paused/);
    await window.reload();
    await window.hasStatus(/paused/);
  }),
]);
