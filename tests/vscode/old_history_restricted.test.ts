/** The old history of a moved folder, in Restricted Mode of real VS Code. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { suite } from "./suite.ts";

suite([
  ["Restricted Mode asks nothing about a moved folder", async (suite) => {
    const editor = await suite.editor("wary", {
      asksForTrust: true,
      settings: {
        "deltar.snapshot.onOpen": true,
        "deltar.snapshot.onClose": false,
        "security.workspace.trust.startupPrompt": "never",
      },
    });
    const old = join(suite.folder, "old");
    fs.mkdirSync(old);
    fs.writeFileSync(join(old, "notes.md"), "notes\n");
    let window = await suite.open(editor, { folder: old });
    await window.hasStatus(/restricted/);
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken/);
    await window.close();
    const folder = join(suite.folder, "moved");
    fs.renameSync(old, folder);
    window = await suite.open(editor, { folder });
    await window.hasStatus(/restricted/);
    await window.page.waitForTimeout(3000);
    const question = window.page.locator(".notification-toast")
      .filter({ hasText: "looks like" });
    assert.equal(await question.count(), 0);
    const repositories = join(editor.storage, "repositories");
    const before = fs.readdirSync(repositories);
    await window.command("Workspaces: Manage Workspace Trust");
    await window.page.locator(".workspace-trust-buttons-row .monaco-button")
      .filter({ hasText: "Trust" }).first().click();
    await window.isTold(/moved has no snapshots.*looks like .*old/);
    assert.deepEqual(fs.readdirSync(repositories), before);
    await window.picture("trusted-moved-folder");
  }],
]);
