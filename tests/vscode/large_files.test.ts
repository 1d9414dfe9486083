/**
 * Differences of a file that is too large to show, in real VS Code.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { noise } from "../support/noise.ts";
import type { Editor } from "./editor.ts";
import { NO_AUTOMATIC_SNAPSHOTS, suite } from "./suite.ts";
import type { Window } from "./window.ts";

/** The maximum growth of the extension host's memory, in kB. */
const MAX_GROWTH_KB = 100_000;

let editor: Editor;
let window: Window;

/**
 * Writes a file of 300 MB or, if `isEdited`, its version with an edit and an
 * insertion of 1 MB.
 */
function write(file: string, isEdited: boolean): void {
  const handle = fs.openSync(file, "w");
  for (let at = 0; at < 300; at++) {
    const piece = noise(1_000_000, at + 1);
    if (isEdited && at === 100) {
      fs.writeSync(handle, new Uint8Array(50_000));
      fs.writeSync(handle, piece.subarray(50_000));
    } else fs.writeSync(handle, piece);
    if (isEdited && at === 199) fs.writeSync(handle, noise(1_000_000, 1000));
  }
  fs.closeSync(handle);
}

/**
 * Repeats work until the peak memory of the extension host grows by less than
 * the limit. On a busy machine, garbage may be collected late.
 */
async function growsLittle(work: () => Promise<void>): Promise<void> {
  const growths: number[] = [];
  do {
    await editor.ask(
      `require("node:v8").setFlagsFromString("--expose-gc");
      require("node:vm").runInNewContext("gc")();`,
    );
    const [pid] = editor.extensionHosts();
    const memory = (field: string) => {
      const text = fs.readFileSync(`/proc/${pid}/status`, "utf8");
      return Number(RegExp(`${field}:\\s+(\\d+)`).exec(text)?.[1]);
    };
    // This resets the peak to the current memory.
    fs.writeFileSync(`/proc/${pid}/clear_refs`, "5");
    const before = memory("VmRSS");
    await work();
    growths.push(memory("VmHWM") - before);
    console.log(`extension host: ${before} kB, and ${growths.at(-1)} kB more`);
  } while (Math.min(...growths) >= MAX_GROWTH_KB && growths.length < 5);
  assert.ok(Math.min(...growths) < MAX_GROWTH_KB, `${growths} kB`);
}

/** Waits until the editor has a matching line. */
const reads = (text: RegExp) =>
  window.page.locator(".editor-group-container.active .view-line")
    .filter({ hasText: text }).first().waitFor();

suite([
  ["a large file shows its sizes and the ranges that differ", async (suite) => {
    const folder = join(suite.folder, "folder");
    fs.mkdirSync(folder);
    const file = join(folder, "large.json");
    write(file, false);
    editor = await suite.editor("editor", {
      packages: [suite.companion()],
      settings: {
        ...NO_AUTOMATIC_SNAPSHOTS,
      },
    });
    window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken, 1 file/);
    await window.hush();
    write(file, true);
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken, 1 file changed/);
    await window.hush();
    await window.expand(window.row(/large\.json/));
    await growsLittle(async () => {
      await window.command("View: Close All Editors");
      const start = performance.now();
      await window.clickFor(
        window.row(/^large\.json/),
        window.page.locator(".editor-group-container.active .view-line")
          .filter({ hasText: /^large\.json.is.too.large.to.show/ }),
      );
      const shown = performance.now() - start;
      await reads(/^300.MB.→.301.MB,.2.ranges.differ$/);
      const done = performance.now() - start;
      await reads(/100,000,000.+50\.0.KB.+50\.0.KB/);
      await reads(/200,000,000.+0.B.+1\.00.MB/);
      console.log(
        `sizes after ${shown.toFixed(0)} ms, ` +
          `ranges after ${done.toFixed(0)} ms`,
      );
    });
    // The history is that of the file, and not of the text about it.
    await window.rows("File History").nth(1).waitFor();
    await window.picture("large-file");
  }],

  ["a large version is compared with the current file", async () => {
    await growsLittle(async () => {
      await window.command("View: Close All Editors");
      const row = window.row(/^large\.json/);
      await window.chooseFromMenu(row, "Compare with File");
      await reads(/^301.MB.→.301.MB,.no.differences$/);
      await window.command("View: Close All Editors");
      // The file is also in a list of changes.
      await window.command("Deltar: Compare Two Snapshots…");
      await window.page.getByPlaceholder("Choose the first snapshot").waitFor();
      await window.choose(/1 file(?! changed)/);
      await window.page.getByPlaceholder("Choose the second snapshot")
        .waitFor();
      await window.choose(/large\.json/);
      const entry = window.page.locator(".multiDiffEntry").first();
      await entry.getByText(/2.ranges.differ/).first().waitFor();
    });
    await window.picture("large-file-in-list");
  }],
]);
