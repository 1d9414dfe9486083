/**
 * The API for other extensions and language models in real VS Code, and the
 * time that it takes in the extension host.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Editor } from "./editor.ts";
import { NO_AUTOMATIC_SNAPSHOTS, repositoryOf, suite } from "./suite.ts";
import type { Window } from "./window.ts";

let editor: Editor;
let window: Window;
let folder: string;

const settings = {
  ...NO_AUTOMATIC_SNAPSHOTS,
  "deltar.exclude.patterns": ["many/"],
};

/** The numbers of files for which an unchanged snapshot is timed. */
const COUNTS = process.env.SLOW ? [10_000, 100_000] : [10_000];

const API = `const api = (await vscode.extensions.getExtension("deltar.deltar")
  .activate()).getAPI(1);`;

/** Returns the answer of a language model tool. */
function invoke(tool: string, input: unknown): Promise<string> {
  return editor.ask(
    `const { content } = await vscode.lm.invokeTool("${tool}", {
      input: ${JSON.stringify(input)}, toolInvocationToken: undefined });
    return content.map(({ value }) => value).join("");`,
  );
}

suite([
  ["another extension takes, lists and compares snapshots", async (suite) => {
    folder = join(suite.folder, "folder");
    fs.mkdirSync(folder);
    fs.writeFileSync(join(folder, "a.txt"), "first\n");
    editor = await suite.editor("editor", {
      settings,
      packages: [suite.companion()],
    });
    window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    const heard = await editor.ask<string[]>(
      `${API}
      const heard = [];
      const listening = api.onDidSnapshot(({ label }) => heard.push(label));
      await api.snapshot({ label: "one" });
      require("node:fs").writeFileSync(${
        JSON.stringify(join(folder, "a.txt"))
      }, "second\\n");
      await api.snapshot({ label: "two" });
      listening.dispose();
      return heard;`,
    );
    assert.deepEqual(heard, ["one", "two"]);
    await window.row(/two · a\.txt/).waitFor();
    const { records } = await repositoryOf(editor, folder);
    assert.deepEqual(records.map(({ label }) => label), ["one", "two"]);
    const [change] = await editor.ask<Record<string, string>[]>(
      `${API}
      const [two, one] = await api.list();
      const changes = await api.diff(one, two);
      const read = async (uri) =>
        new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
      return await Promise.all(changes.map(async (of) => ({
        path: of.path,
        change: of.change,
        before: await read(of.before),
        after: await read(of.after),
      })));`,
    );
    assert.deepEqual(change, {
      path: "a.txt",
      change: "updated",
      before: "first\n",
      after: "second\n",
    });
    assert.equal(
      await editor.ask(
        `const { getAPI } = await vscode.extensions
          .getExtension("deltar.deltar").activate();
        try { getAPI(2); } catch (error) { return error.message; }`,
      ),
      "unknown API version: 2; this extension supports version 1",
    );
  }],

  ["a restore by another extension asks the user", async () => {
    const answer = editor.ask<{ done: boolean; written: number }>(
      `${API}
      const [, one] = await api.list();
      return await api.restore(one, { paths: ["a.txt"] });`,
    );
    await window.dialog().getByText("1 file will be overwritten").waitFor();
    assert.equal(fs.readFileSync(join(folder, "a.txt"), "utf8"), "second\n");
    await window.answer(/^Restore$/);
    const { done, written } = await answer;
    assert.deepEqual([done, written], [true, 1]);
    assert.equal(fs.readFileSync(join(folder, "a.txt"), "utf8"), "first\n");
  }],

  ["language models get tools, and a restore asks the user", async () => {
    assert.match(
      await invoke("deltar_snapshot", { label: "by a model" }),
      /by a model/,
    );
    fs.rmSync(join(folder, "a.txt"));
    fs.writeFileSync(join(folder, "b.txt"), "b\n");
    const list = await invoke("deltar_list", {});
    assert.match(list, /by a model\n.*two\n.*one/);
    assert.deepEqual(
      (await invoke("deltar_diff", { before: list.split(" ")[0] })).split("\n"),
      ["deleted a.txt", "created b.txt"],
    );
    const answer = invoke("deltar_restore", {
      snapshot: list.split(" ")[0],
      paths: ["a.txt"],
    });
    // VS Code first asks whether the tool may run, and then shows its plan.
    await window.dialog().getByText("Restore files from a snapshot").waitFor();
    await window.picture("tool-question");
    await window.page.keyboard.press("Enter");
    await window.dialog().getByText("1 file will be created").waitFor();
    await window.answer(/^Restore$/);
    assert.match(await answer, /1 files? written/);
    assert.equal(fs.readFileSync(join(folder, "a.txt"), "utf8"), "first\n");
    await assert.rejects(
      invoke("deltar_diff", { before: "nonsense" }),
      /No snapshot has an id that starts with/,
    );
  }],

  [
    "the extension starts quickly, and unchanged files need little time",
    async () => {
      // The machine may be busy during the first start.
      let activation = Infinity;
      for (let start = 0; start < 5 && activation >= 1000; start++) {
        if (start > 0) await window.reload();
        await window.command("Developer: Show Running Extensions");
        const list = window.page.locator(".runtime-extensions-editor");
        const row = list.locator(".monaco-list-row")
          .filter({ hasText: "Deltar: Workspace Snapshots" });
        await window.scrollTo(row, list);
        const text = await row.innerText();
        activation = Number(/Activation: (\d+)ms/.exec(text)?.[1]);
        console.log(`activation: ${activation} ms`);
      }
      assert.ok(activation < 1000, `${activation} ms`);
      await editor.set({ "deltar.exclude.patterns": null });
      let made = 0;
      for (const count of COUNTS) {
        for (; made < count; made++) {
          const sub = join(folder, "many", `${made % 500}`);
          fs.mkdirSync(sub, { recursive: true });
          fs.writeFileSync(join(sub, `${made}.txt`), `file ${made}\n`);
        }
        // A file that was changed less than two seconds ago is read again the
        // next time.
        const newest = Date.now();
        await editor.ask(
          `${API} await api.snapshot();
        const age = () => Date.now() - ${newest};
        while (age() <= 2000) {
          await new Promise((resolve) => setTimeout(resolve, 2001 - age()));
        }
        await api.snapshot();`,
        );
        const { times, delay, idle } = await editor.ask<{
          times: number[];
          delay: number;
          idle: number;
        }>(
          `${API}
        const { monitorEventLoopDelay } = require("node:perf_hooks");
        const watch = async (work) => {
          const delays = monitorEventLoopDelay({ resolution: 1 });
          delays.enable();
          await work();
          delays.disable();
          return delays.max / 1e6;
        };
        const idle = await watch(() =>
          new Promise((resolve) => setTimeout(resolve, 1500)));
        const times = [];
        const delay = await watch(async () => {
          const isSlow = () => Math.min(...times) >= ${count} / 10_000 * 1500;
          for (let round = 0; round < 5 || round < 30 && isSlow(); round++) {
            const start = performance.now();
            await api.snapshot();
            times.push(performance.now() - start);
          }
        });
        return { times, delay, idle };`,
        );
        const best = Math.min(...times);
        console.log(
          `${count} unchanged files: ${best.toFixed(0)} ms at best, ` +
            `${
              Math.max(...times).toFixed(0)
            } ms at worst; event loop late by ` +
            `${delay.toFixed(0)} ms at most, ${idle.toFixed(0)} ms when idle`,
        );
        // The limit is ten times the usual time, because the machine may be busy.
        assert.ok(best < count / 10_000 * 1500, `${times}`);
      }
      const { records } = await repositoryOf(editor, folder);
      assert.equal(records.at(-1)!.counts.files, 2 + made);
      await window.close();
    },
  ],
]);
