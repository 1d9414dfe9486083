/**
 * The memory of the extension host and of the process with the library, and the
 * lateness of the host's event loop in real VS Code, while a large folder gets
 * snapshots, histories, searches and a restore. Prints all figures.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Dir, LocalStorage, Repository } from "../../mod.ts";
import { repositoryName } from "../../lib/repository/mod.ts";
import { readActivation } from "./activation.ts";
import { Editor } from "./editor.ts";
import { installEditor } from "./install.ts";
import { NO_AUTOMATIC_SNAPSHOTS, type Suite, suite } from "./suite.ts";
import type { Window } from "./window.ts";

const FILES = 60_000;
const FOLDERS = 600;
const VERSIONS = 500;
const RESTORED = 5000;

/**
 * The file with many versions. It is not a Markdown file, because the first one
 * in an editor starts the Markdown extension of VS Code, whose turns are longer
 * than all others.
 */
const NOTES = "notes.txt";

/**
 * The maximum memory that the extension adds to an extension host, in MiB. An
 * extension host without it has about 160 MiB.
 */
const MAX_ADDED_MIB = 90;

/** The maximum memory of an extension host with the extension, in MiB. */
const MAX_MIB = 250;

let window: Window;
let large: string;
let old: string;
let workspace: string;

/** The resident memory of processes, and its peak, in MiB. */
interface Memory {
  now: number;
  peak: number;
}

/** The part of the figures of a flow that the test uses. */
interface Figures {
  /** The peak of the memory of the extension host, in MiB. */
  peak: number;
  /** The processor time of the longest turn, in milliseconds. */
  longest: number;
}

/** Returns the memory of the extension host. */
function memory(editor: Editor): Memory {
  return memoryOf(editor.extensionHosts());
}

function memoryOf(processes: readonly number[]): Memory {
  const sum = { now: 0, peak: 0 };
  for (const pid of processes) {
    const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
    const value = (name: string) =>
      Math.round(Number(RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]) / 1024);
    sum.now += value("VmRSS");
    sum.peak += value("VmHWM");
  }
  return sum;
}

/**
 * Prints the memory during some work, the delay of the event loop, and the
 * processor time of the longest turn of the event loop. If other programs use
 * the processor, the event loop is delayed even if no turn is long.
 */
async function measure(
  editor: Editor,
  name: string,
  work: () => Promise<unknown>,
): Promise<Figures> {
  // The peak begins again.
  for (const pid of [...editor.extensionHosts(), ...editor.libraries()]) {
    fs.writeFileSync(`/proc/${pid}/clear_refs`, "5");
  }
  await editor.ask(
    `const { monitorEventLoopDelay } = require("node:perf_hooks");
    globalThis.delays = monitorEventLoopDelay({ resolution: 1 });
    globalThis.longest = 0;
    const used = () => {
      const { user, system } = process.threadCpuUsage();
      return user + system;
    };
    let last = used();
    globalThis.turns = setInterval(() => {
      longest = Math.max(longest, used() - last);
      last = used();
    }, 1);
    delays.enable();`,
  );
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const [most, longest] = await editor.ask<number[]>(
    `delays.disable();
    clearInterval(turns);
    return [delays.max / 1e6, globalThis.longest / 1e3];`,
  );
  const { now, peak } = memory(editor);
  const library = memoryOf(editor.libraries());
  console.log(
    `# ${name}: ${seconds.toFixed(1)} s; event loop late by ` +
      `${most.toFixed(0)} ms, longest turn ${longest.toFixed(0)} ms of CPU; ` +
      `${now} MiB, ${peak} MiB at most; ` +
      `library ${library.now} MiB, ${library.peak} MiB at most`,
  );
  return { peak, longest };
}

/** Writes the files of the large folder whose numbers are wanted. */
function makeFiles(isWanted: (at: number) => boolean): void {
  for (let at = 0; at < FILES; at++) {
    if (!isWanted(at)) continue;
    const inside = join(large, `folder ${at % FOLDERS}`);
    if (at < FOLDERS) fs.mkdirSync(inside, { recursive: true });
    fs.writeFileSync(join(inside, `file ${at}.txt`), `${at}\n`.repeat(50));
  }
}

/** Returns the paths of the folders whose files are deleted and restored. */
function restoredFolders(): string[] {
  return Array.from({ length: RESTORED / 100 }, (_, at) => at)
    .map((at) => join(large, `folder ${at}`));
}

/** Makes the history of a file with many versions. */
async function makeVersions(editor: Editor): Promise<void> {
  const place = join(editor.storage, "repositories", repositoryName(old));
  fs.mkdirSync(place, { recursive: true });
  const repository = await Repository.create(new LocalStorage(place));
  const lines: string[] = [];
  for (let at = 0; at < VERSIONS; at++) {
    lines.push(`line ${at} has some words in it`);
    fs.writeFileSync(join(old, NOTES), lines.join("\n"));
    const time = Date.now() - (VERSIONS - at) * 1000;
    await repository.snapshot(new Dir(old), { time });
  }
}

/**
 * Opens a file. Quick Open would list all files in the extension host, which
 * takes memory and long turns without Deltar, too.
 */
function open(editor: Editor, path: string): Promise<unknown> {
  const uri = `vscode.Uri.file(${JSON.stringify(path)})`;
  return editor.ask(`await vscode.window.showTextDocument(${uri});`);
}

const idle = (milliseconds: number) => () =>
  window.page.waitForTimeout(milliseconds);

/**
 * Changes, saves and closes a file that no measured work uses.
 *
 * The first change of a setting, and the first file that is opened and saved,
 * make VS Code itself take long turns: it updates its copies of all settings
 * and starts its features for text files.
 */
async function warmUp(editor: Editor, name: string): Promise<void> {
  await editor.set({ "files.trimFinalNewlines": false });
  await save(editor, join(large, "folder 599", name));
}

/** Opens, changes and saves a file in the extension host, and closes it. */
async function save(editor: Editor, path: string): Promise<void> {
  await open(editor, path);
  await editor.ask(
    `const editor = vscode.window.activeTextEditor;
    const start = new vscode.Position(0, 0);
    await editor.edit((edit) => edit.insert(start, "changed\\n"));
    await editor.document.save();
    await vscode.commands.executeCommand("workbench.action.closeActiveEditor");`,
  );
}

/**
 * Prints the figures of an extension host without Deltar. Returns its memory
 * after it has started, in MiB.
 */
async function measureWithout(
  suite: Suite,
  settings: Record<string, unknown>,
): Promise<number> {
  const folder = join(suite.folder, "without");
  fs.mkdirSync(folder);
  const editor = await Editor.start({
    editor: installEditor(),
    folder,
    settings,
    packages: [suite.companion()],
  });
  const page = await suite.browser.newPage();
  await page.goto(`${editor.url}/?${new URLSearchParams({ workspace })}`);
  await editor.ask("");
  await page.waitForTimeout(10_000);
  const { now } = memory(editor);
  console.log(`# without Deltar: ${now} MiB`);
  const flow = (name: string, work: () => Promise<unknown>) =>
    measure(editor, `without Deltar, ${name}`, work);
  await flow("first save", () => warmUp(editor, "file 599.txt"));
  await flow("another save", async () => {
    await save(editor, join(large, "folder 599", "file 1199.txt"));
    await page.waitForTimeout(1000);
  });
  await flow(`delete and write ${RESTORED} files`, async () => {
    for (const path of restoredFolders()) fs.rmSync(path, { recursive: true });
    await page.waitForTimeout(1000);
    makeFiles((at) => at % FOLDERS * 100 < RESTORED);
    await page.waitForTimeout(5000);
  });
  await page.close();
  await editor.stop();
  return now;
}

suite([
  [
    "a large workspace needs little memory and time of the extension host",
    async (suite) => {
      large = join(suite.folder, "large");
      old = join(suite.folder, "old");
      makeFiles(() => true);
      fs.mkdirSync(old);
      workspace = join(suite.folder, "both.code-workspace");
      fs.writeFileSync(
        workspace,
        JSON.stringify({ folders: [{ path: "large" }, { path: "old" }] }),
      );
      const settings = {
        ...NO_AUTOMATIC_SNAPSHOTS,
        "deltar.snapshot.delaySeconds": 0,
        // VS Code looks for ports in /proc, which takes long turns.
        "remote.autoForwardPorts": false,
      };
      const editor = await suite.editor("editor", {
        settings,
        packages: [suite.companion(), suite.control()],
      });
      await makeVersions(editor);
      const base = await measureWithout(suite, settings);
      window = await suite.open(editor, { workspace });
      await idle(10_000)();
      console.log(`# after activation: ${memory(editor).now} MiB`);
      await readActivation(editor, window, "first start");
      await window.command("View: Show Deltar");
      await window.row(NOTES).waitFor();
      let most = 0;
      let longest = 0;
      const flow = async (name: string, work: () => Promise<unknown>) => {
        const figures = await measure(editor, name, work);
        most = Math.max(most, figures.peak);
        longest = Math.max(longest, figures.longest);
      };
      await warmUp(editor, "file 1799.txt");
      await flow("idle", idle(5000));
      await flow(`first snapshot of ${FILES} files`, async () => {
        await window.command("Deltar: Create Snapshot");
        await window.isTold(/large: snapshot taken, 60,000 files/);
      });
      await window.hush();
      await flow(`rows of ${FILES} files`, async () => {
        await window.expand(window.row("60,000 files"));
        await window.row("folder 0").waitFor();
      });
      await flow("automatic snapshot", async () => {
        await editor.set({ "deltar.snapshot.onSave": true });
        await open(editor, join(large, "folder 7", "file 7.txt"));
        await window.type("changed\n");
        await window.save();
        await window.row("file 7.txt").waitFor();
        await editor.set({ "deltar.snapshot.onSave": false });
      });
      await flow("unchanged snapshot", async () => {
        await window.command("Deltar: Create Snapshot");
        await window.isTold(/large: nothing changed/);
      });
      await window.hush();
      await flow(`file history of ${VERSIONS} versions`, async () => {
        await open(editor, join(old, NOTES));
        await window.rows("File History").nth(5).waitFor();
      });
      await flow("search in history", async () => {
        await window.command("Deltar: Search File History…");
        await window.page.getByPlaceholder("Search").fill("line 250 ");
        await window.page.keyboard.press("Enter");
        await window.line(/line 250 has/).first().waitFor();
        await window.page.keyboard.press("Escape");
      });
      await flow("history of selected lines", async () => {
        await window.command("Deltar: Show History of Selected Lines");
        await window.page.getByPlaceholder("Choose a change to show").waitFor();
        await window.page.keyboard.press("Escape");
      });
      for (const path of restoredFolders()) {
        fs.rmSync(path, { recursive: true });
      }
      await flow(`restore of ${RESTORED} files`, async () => {
        await window.command("Deltar: Restore Workspace from Snapshot…");
        await window.choose("large");
        await window.choose(/60,000 files/);
        await window.answer(/^Restore$/);
        await window.isTold(/Restored: 5,00\d files written/);
      });
      await window.hush();
      // Deltar ends the process a minute after its last work.
      await flow("idle", idle(70_000));
      console.log(
        `# ${most} MiB at most, ${most - base} MiB more than without Deltar; ` +
          `longest turn ${longest.toFixed(0)} ms of CPU`,
      );
      assert.ok(most - base < MAX_ADDED_MIB, `${most - base} MiB`);
      assert.ok(most <= MAX_MIB, `${most} MiB`);
      assert.deepEqual(editor.libraries(), []);
      await window.reload();
      await readActivation(editor, window, "second start");
      await window.close();
    },
  ],
], { skip: process.env.SLOW ? undefined : "takes minutes: set SLOW=1" });
