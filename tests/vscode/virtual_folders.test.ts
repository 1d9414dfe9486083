/**
 * Workspaces in real VS Code with virtual folders, without folders, and without
 * a workspace file.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Locator } from "playwright-core";
import type { Editor } from "./editor.ts";
import { NO_AUTOMATIC_SNAPSHOTS, repositoryOf, suite } from "./suite.ts";
import type { Window } from "./window.ts";

const CLOUD = { uri: "memory:/cloud", name: "cloud" };
const IS_VIRTUAL = "Deltar takes no snapshots of the virtual folder cloud.";

let editor: Editor;
let second: Editor;
let window: Window;
let real: string;

/** The commands that need a folder on a disk, and take no file. */
const COMMANDS = [
  "Create Snapshot",
  "Find Deleted Files\u2026",
  "Show Changes Since\u2026",
  "Browse Snapshot\u2026",
  "Compare Two Snapshots\u2026",
  "Restore Workspace from Snapshot\u2026",
  "Undo Last Restore",
  "Remove Old Snapshots\u2026",
  "Show Excluded and Skipped Files",
];

/** The commands that need a file of a folder on a disk. */
const FILE_COMMANDS = [
  "Search File History\u2026",
  "Compare with Snapshot\u2026",
  "Restore from Snapshot\u2026",
  "Show History of Selected Lines",
];

/** Runs commands, and waits for the notification of each. */
async function areTold(commands: string[], text: string): Promise<void> {
  for (const command of commands) {
    await window.command(`Deltar: ${command}`);
    await window.isTold(text);
    await window.hush();
  }
}

/** Checks that a notification shows its whole text. */
async function isWhole(told: Locator): Promise<void> {
  const [shown, whole] = await told.locator(".notification-list-item-message")
    .evaluate(({ clientWidth, scrollWidth }) => [clientWidth, scrollWidth]);
  assert.ok(whole <= shown, `${whole} pixels, of which ${shown} are shown`);
}

/** Removes folders from the workspace, and adds others in their place. */
const changeFolders = (
  editor: Editor,
  start: number,
  remove: number,
  ...add: string[]
) =>
  editor.ask(
    `vscode.workspace.updateWorkspaceFolders(${start}, ${remove}, ...${
      JSON.stringify(add)
    }.map((path) => ({ uri: vscode.Uri.file(path) })));`,
  );

/** Opens the file of the virtual folder. */
async function openVirtualFile(): Promise<void> {
  await editor.ask(
    `await vscode.window.showTextDocument(
      vscode.Uri.parse("${CLOUD.uri}/notes.md"), { preview: false });`,
  );
  await window.page.locator(".view-line", { hasText: "in" }).first().waitFor();
}

suite([
  ["a virtual folder next to a real one is not protected", async (suite) => {
    real = join(suite.folder, "real");
    fs.mkdirSync(real);
    fs.writeFileSync(join(real, "a.txt"), "a\n");
    const workspace = join(suite.folder, "mixed.code-workspace");
    fs.writeFileSync(
      workspace,
      JSON.stringify({ folders: [{ path: "real" }, CLOUD] }),
    );
    editor = await suite.editor("editor", {
      settings: {
        ...NO_AUTOMATIC_SNAPSHOTS,
        "deltar.snapshot.onSave": true,
        "deltar.snapshot.delaySeconds": 0,
      },
      packages: [suite.companion()],
    });
    window = await suite.open(editor, { workspace });
    await window.command("View: Show Deltar");
    await window.hasStatus(/Deltar: partial/);
    await window.says(
      RegExp(`${IS_VIRTUAL}\\s+There are no snapshots of real yet\\.`),
    );
    await openVirtualFile();
    await window.until("said in both views", async () => {
      const said = window.page.locator(".pane .message", {
        hasText: IS_VIRTUAL,
      });
      return await said.count() === 2;
    });
    await window.picture("virtual-folder-beside-real");
    await areTold(FILE_COMMANDS, IS_VIRTUAL);
    await window.command("Deltar: Create Snapshot");
    await window.isTold("Snapshot taken, 1 file.");
    await window.hush();
    // Saving in the virtual folder triggers no snapshot.
    await openVirtualFile();
    await window.type("changed in memory\n");
    await window.save();
    await window.openFile(join(real, "a.txt"));
    await window.type("b\n");
    await window.save();
    await window.row("a.txt").waitFor();
    const { records } = await repositoryOf(editor, real);
    assert.equal(records.length, 2);
    await window.openStatus(IS_VIRTUAL);
    await window.picture("status-with-virtual-folder");
    await window.page.keyboard.press("Escape");
  }],

  ["the API and the tools name a virtual folder", async () => {
    const failure = await editor.ask<string>(
      `const deltar = vscode.extensions.getExtension("deltar.deltar");
      const api = (await deltar.activate()).getAPI(1);
      const folder = vscode.Uri.parse("${CLOUD.uri}");
      return await api.snapshot({ folder }).then(String, String);`,
    );
    assert.equal(failure, `RangeError: ${IS_VIRTUAL}`);
    await window.close();
  }],

  ["a workspace of virtual folders is unsupported", async (suite) => {
    const workspace = join(suite.folder, "virtual.code-workspace");
    fs.writeFileSync(workspace, JSON.stringify({ folders: [CLOUD] }));
    window = await suite.open(editor, { workspace });
    await window.hasStatus(/^\W*Deltar: unsupported$/);
    await window.command("View: Show Deltar");
    await window.says(RegExp(IS_VIRTUAL));
    await areTold(COMMANDS, IS_VIRTUAL);
    await openVirtualFile();
    await areTold(FILE_COMMANDS, IS_VIRTUAL);
    const failure = await editor.ask<string>(
      `return await vscode.lm.invokeTool("deltar_snapshot", {
        input: {}, toolInvocationToken: undefined }).then(String, String);`,
    );
    assert.ok(failure.includes(IS_VIRTUAL), failure);
    await window.status().click();
    await isWhole(await window.isTold(IS_VIRTUAL));
    await window.picture("virtual-workspace");
    await window.hush();
  }],

  [
    "a folder on a disk can be added next to a virtual one, and removed",
    async () => {
      await changeFolders(editor, 1, 0, real);
      await window.hasStatus(/Deltar: partial/);
      await window.row("a.txt").waitFor();
      await changeFolders(editor, 1, 1);
      await window.hasStatus(/Deltar: unsupported/);
      await window.row("a.txt").waitFor({ state: "detached" });
    },
  ],

  ["an untitled workspace is protected", async (suite) => {
    await window.close();
    const other = join(suite.folder, "other");
    fs.mkdirSync(other);
    fs.writeFileSync(join(other, "b.txt"), "b\n");
    // The extension hosts of closed windows continue for a while, and could
    // answer instead of the one of this window.
    second = await suite.editor("second", {
      settings: NO_AUTOMATIC_SNAPSHOTS,
      packages: [suite.companion()],
    });
    window = await suite.open(second, { folder: real });
    await changeFolders(second, 1, 0, other);
    await window.page.waitForURL(/Untitled-.*code-workspace/);
    await window.hasFolders();
    await window.command("View: Show Deltar");
    await window.command("Deltar: Create Snapshot");
    await window.isTold(
      /real: snapshot taken, 1 file; other: snapshot taken, 1 file/,
    );
    await window.picture("untitled-workspace");
    await window.hush();
    assert.equal((await repositoryOf(second, other)).records.length, 1);
  }],

  ["a workspace without folders asks for one", async (suite) => {
    const workspace = join(suite.folder, "empty.code-workspace");
    fs.writeFileSync(workspace, JSON.stringify({ folders: [] }));
    const query = new URLSearchParams({ workspace });
    await window.page.goto(`${second.url}/?${query}`);
    await window.command("View: Show Deltar");
    const text = "Open a folder to take snapshots of it.";
    await window.page.getByText(text).first().waitFor();
    assert.equal(await window.status().count(), 0);
    await areTold(COMMANDS, text);
    await window.picture("no-folder");
    await window.close();
    assert.doesNotMatch(editor.log() + second.log(), /\[error\]/);
    assert.match(editor.log(), RegExp(`\\[info\\] ${IS_VIRTUAL}`));
  }],
]);
