/**
 * The start of the extension in real VS Code: in a new window, and after the
 * window was loaded again with the views of the extension visible, so that the
 * extension starts while the window still loads.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { type Activation, readActivation } from "./activation.ts";
import { root, suite } from "./suite.ts";

const RELOADS = 4;

/**
 * The maximum processor time of the start, and the maximum time that VS Code
 * shows in addition to the time of an extension that does nothing, in
 * milliseconds.
 */
const MAX_MS = 50;

suite([
  [
    "the extension starts within 50 ms, without the wait for others",
    async (suite) => {
      const folder = join(suite.folder, "one");
      fs.mkdirSync(folder);
      fs.writeFileSync(join(folder, "notes.txt"), "first\n");
      const editor = await suite.editor("editor", {
        packages: [suite.companion(), suite.control()],
      });
      const window = await suite.open(editor, { folder });
      await readActivation(editor, window, "first start");
      await window.command("View: Show Deltar");
      const starts: Activation[] = [];
      for (let at = 1; at <= RELOADS; at++) {
        await window.reload();
        starts.push(await readActivation(editor, window, `reload ${at}`));
      }
      // Other programs may disturb some of the starts.
      const used = starts.map(({ load, activate }) => load + activate);
      const added = starts.map(({ shown, control }) => shown - control);
      console.log(
        `# least processor time ${Math.min(...used).toFixed(1)} ms, ` +
          `least difference ${Math.min(...added)} ms`,
      );
      assert.ok(Math.min(...used) <= MAX_MS, `${used} ms`);
      assert.ok(Math.min(...added) <= MAX_MS, `${added} ms`);
    },
  ],
  [
    "the bundle of the extension has one copy of the API of VS Code",
    // deno-lint-ignore require-await
    async () => {
      const bundle = join(root, "extension", "dist", "extension.cjs");
      const text = fs.readFileSync(bundle, "utf8");
      assert.equal(text.split('require("vscode")').length - 1, 1);
    },
  ],
]);
