/**
 * The comparison of snapshots in real VS Code, the editors in which old
 * versions open, and their appearance in the themes of VS Code.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Editor } from "./editor.ts";
import { NO_AUTOMATIC_SNAPSHOTS, repositoryOf, root, suite } from "./suite.ts";
import type { Window } from "./window.ts";

/** The editor, which is named by its kind in the workbench. */
let editor: Editor;
let window: Window;
let folder: string;

const at = (path: string) => join(folder, path);

/** Returns the files of the multi-file diff editor, each with its content. */
const entries = () => window.page.locator(".multiDiffEntry");

/**
 * Takes a snapshot with a label through the command palette, and waits for its
 * row.
 */
async function snapshot(label: string, line: RegExp): Promise<void> {
  await window.command("Deltar: Create Snapshot with Label…");
  await window.page.getByPlaceholder("before the refactoring").fill(label);
  await window.page.keyboard.press("Enter");
  await window.row(line).waitFor();
  await window.hush();
}

suite([
  ["two snapshots are compared, file by file", async (suite) => {
    folder = join(suite.folder, "folder");
    fs.mkdirSync(at("source/deep"), { recursive: true });
    fs.writeFileSync(at("notes.md"), "first thoughts\n");
    fs.writeFileSync(at("LICENSE"), "All of it.\n");
    fs.writeFileSync(at("source/one.txt"), "one\n");
    fs.writeFileSync(at("source/deep/two.txt"), "two\n");
    fs.copyFileSync(
      join(root, "extension", "media", "icon.png"),
      at("source/icon.png"),
    );
    editor = await suite.editor("editor", {
      settings: NO_AUTOMATIC_SNAPSHOTS,
      packages: [suite.companion()],
    });
    window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    await snapshot("at first", /at first · 5 files/);
    fs.writeFileSync(at("notes.md"), "second thoughts\n");
    fs.writeFileSync(at("source/new.txt"), "new\n");
    fs.rmSync(at("LICENSE"));
    await snapshot("before lunch", /before lunch · notes\.md and 2 more/);

    await window.command("Deltar: Compare Two Snapshots…");
    await window.page.getByPlaceholder("Choose the first snapshot").waitFor();
    await window.choose(/before lunch/);
    await window.page.getByPlaceholder("Choose the second snapshot").waitFor();
    assert.equal(await window.line(/before lunch/).count(), 0);
    await window.picture("choose-second-snapshot");
    await window.choose(/at first/);
    await entries().filter({ hasText: "notes.md" }).first().waitFor();
    for (const name of ["LICENSE", "notes.md", "new.txt"]) {
      await entries().filter({ hasText: name }).first().waitFor();
    }
    const notes = entries().filter({ hasText: "notes.md" }).first();
    await notes.getByText("first thoughts").first().waitFor();
    await notes.getByText("second thoughts").first().waitFor();
    await window.picture("compared");
    const { repository, records } = await repositoryOf(editor, folder);
    const diff = await repository.diff(records[0], records[1]);
    assert.deepEqual(
      [diff.updated, diff.created, diff.deleted],
      [["notes.md"], ["source/new.txt"], ["LICENSE"]],
    );
  }],

  ["the menu compares one row or two", async () => {
    const { page } = window;
    const close = async () => {
      await window.command("View: Close All Editors");
      await entries().first().waitFor({ state: "detached" });
    };
    await close();
    const another = "Compare with Another Snapshot…";
    const both = "Compare Two Snapshots…";
    const first = window.row(/at first/);
    await window.chooseFromMenu(first, another);
    await page.getByPlaceholder("Choose the second snapshot").waitFor();
    await window.choose(/before lunch/);
    await entries().filter({ hasText: "LICENSE" }).first().waitFor();
    await close();
    await first.click();
    await window.row(/before lunch/).click({ modifiers: ["Control"] });
    await window.openMenu(first, both);
    await window.picture("menu-of-two-snapshots");
    assert.deepEqual(
      (await page.getByRole("menuitem").allInnerTexts())
        .filter((name) => /Snapshot|Label|Changes/.test(name)),
      [both, "Remove Snapshot…"],
    );
    await window.chooseFromMenu(first, both);
    await entries().filter({ hasText: "LICENSE" }).first().waitFor();
    // Only one row is selected now, so its menu has all commands again.
    await first.click();
  }],

  ["a snapshot is compared with the workspace", async () => {
    await window.command("View: Close All Editors");
    await entries().first().waitFor({ state: "detached" });
    fs.writeFileSync(at("source/one.txt"), "another one\n");
    await window.chooseFromMenu(
      window.row(/before lunch/),
      "Compare Snapshot with Workspace",
    );
    const one = entries().filter({ hasText: "one.txt" }).first();
    await one.getByText("another one").first().waitFor();
    // Both sides are the same file, and no other file differs.
    assert.equal(await one.getByText(/^R$/).count(), 0);
    await window.page.locator(".tab.active")
      .filter({ hasText: /Now \(1 file\)/ }).waitFor();
    await window.picture("compared-with-workspace");
    assert.equal(
      fs.readFileSync(at("source/one.txt"), "utf8"),
      "another one\n",
    );
  }],

  ["an image of a snapshot opens in the editor of images", async () => {
    const { page } = window;
    const image = fs.readFileSync(at("source/icon.png"));
    fs.writeFileSync(
      at("source/icon.png"),
      Buffer.concat([image, new Uint8Array(10)]),
    );
    await snapshot("with an image", /with an image · icon\.png/);
    await window.command("View: Close All Editors");
    await window.expand(window.row(/with an image/));
    // The folder below it is the only row with this name so far.
    await window.expand(window.row(/^source$/));
    const shown = page.frameLocator("iframe.webview.ready")
      .frameLocator("iframe").locator("img").first();
    // Another snapshot has a smaller file with this name.
    const row = window.row(/^icon\.png\s*6\.02 KB/);
    await row.hover();
    await window.clickFor(
      row.getByRole("button", { name: "Open File from Snapshot" }),
      shown,
    );
    assert.deepEqual(
      await shown.evaluate((img) => [
        (img as unknown as { naturalWidth: number }).naturalWidth,
        (img as unknown as { naturalHeight: number }).naturalHeight,
      ]),
      [image.readUInt32BE(16), image.readUInt32BE(20)],
    );
    await window.picture("image");
  }],

  ["the walkthrough leads to the first snapshot", async () => {
    const { page } = window;
    // The side bar is hidden to make room for the pictures of the walkthrough.
    await window.command("View: Toggle Primary Side Bar Visibility");
    await editor.ask(
      `await vscode.commands.executeCommand(
        "workbench.action.openWalkthrough", "deltar.deltar#start", false);`,
    );
    for (
      const [title, picture, circles] of [
        ["See what changed", "browse", 5],
        ["Restore files", "restore", 3],
        ["Change the settings", "tune", 4],
        ["Take the first snapshot", "take", 1],
      ] as const
    ) {
      await window.clickFor(
        page.getByRole("button", { name: title }).first(),
        page.locator(".getting-started-step.expanded")
          .filter({ hasText: title }),
      );
      const drawing = page.frameLocator(".getting-started-media iframe")
        .frameLocator("iframe");
      await window.until(
        `${picture} drawn`,
        async () => await drawing.locator("circle").count() === circles,
      );
      // A walkthrough shows the marks of Markdown code literally.
      const step = page.locator(".getting-started-step.expanded");
      assert.doesNotMatch(await step.innerText(), /`/);
      await window.picture(`walkthrough-${picture}`);
    }
    fs.writeFileSync(at("notes.md"), "third thoughts\n");
    await page.locator(".getting-started-step.expanded")
      .getByRole("button", { name: "Create Snapshot" }).click();
    await window.isTold(/Snapshot taken, 1 file changed/);
    await page.locator(".getting-started-step.expanded .complete").waitFor();
    await window.hush();
    // The editor shows no file.
    await window.command("View: Show Deltar");
    await page.getByText("Open a file in the workspace to see its versions")
      .waitFor();
    await window.command("View: Close All Editors");
  }],

  [
    "the views use the colors of light, dark and high-contrast themes",
    async () => {
      await window.expand(window.row(/before lunch/));
      await window.clickFor(
        window.row(/^notes\.md/),
        window.page.locator(".monaco-diff-editor"),
      );
      await window.sides();
      await window.picture("changes-and-diff");
      await window.openStatus(/before lunch/);
      await window.line("Turn On Automatic Snapshots\u2026").waitFor();
      await window.picture("status-list");
      await window.page.keyboard.press("Escape");
    },
  ],

  [
    "a pipe and a sparse file are named, and the pipe is not opened",
    async () => {
      await window.command("View: Close All Editors");
      execFileSync("mkfifo", [at("queue")]);
      fs.rmSync(at("source/new.txt"));
      execFileSync("mkfifo", [at("source/new.txt")]);
      fs.writeFileSync(at("disk.img"), "");
      fs.truncateSync(at("disk.img"), 5_000_000);
      await snapshot("with a pipe", /with a pipe \u00b7 disk\.img and 2 more/);
      await window.expand(window.row(/with a pipe/));
      await window.row(/^queue.*named pipe/).waitFor();
      await window.row(/^disk\.img.*5\.00 MB, sparse/).waitFor();
      const details = window.page.locator(".monaco-hover")
        .filter({ hasText: /512 B without holes/ });
      const tooltip = () => window.hoverFor(window.row(/^disk\.img/), details);
      await tooltip();
      await window.picture("pipe-in-list", tooltip);
      await window.clickFor(
        window.row(/^queue/),
        window.page.locator(".view-line").filter({ hasText: /^named.pipe$/ }),
      );
      await window.picture("pipe");
      await window.command("View: Close All Editors");
      // The current pipe or device is not opened, either.
      await window.chooseFromMenu(
        window.row(/before lunch/),
        "Compare Snapshot with Workspace",
      );
      const pipe = entries().filter({ hasText: "new.txt" }).first();
      await pipe.getByText("named pipe").first().waitFor();
      await window.picture("pipe-compared");
    },
  ],

  ["the menu of a row outside of the selection is about this row", async () => {
    await window.command("View: Close All Editors");
    const { page } = window;
    const another = "Compare with Another Snapshot…";
    const row = window.row(/with a pipe/);
    const namesOf = async () => {
      await window.openMenu(row, another);
      return await page.getByRole("menuitem").allInnerTexts();
    };
    await row.click();
    const alone = await namesOf();
    await page.keyboard.press("Escape");
    await window.row(/at first/).click();
    await window.row(/before lunch/).click({ modifiers: ["Control"] });
    assert.deepEqual(await namesOf(), alone);
    await window.picture("menu-outside-of-selection");
    await window.chooseFromMenu(row, another);
    // The clicked snapshot is not offered, but the selected ones are.
    await page.getByPlaceholder("Choose the second snapshot").waitFor();
    await window.line(/before lunch/).waitFor();
    assert.equal(await window.line(/with a pipe/).count(), 0);
    await page.keyboard.press("Escape");
  }],
]);
