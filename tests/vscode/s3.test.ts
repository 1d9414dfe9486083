/**
 * Snapshots on S3 from real VS Code, with a real Ceph: missing, wrong and right
 * keys, and all operations with snapshots.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { Repository, S3Storage } from "../../mod.ts";
import { cephBucket, NEEDS_CEPH } from "../support/ceph.ts";
import type { Editor } from "./editor.ts";
import { suite } from "./suite.ts";
import type { Window } from "./window.ts";

let editor: Editor;
let window: Window;
let folder: string;
let bucket: Awaited<ReturnType<typeof cephBucket>>;

const at = (path: string) => join(folder, path);

/** Answers the input boxes that ask for keys. */
async function giveKeys(id: string, secret: string): Promise<void> {
  const { page } = window;
  const input = page.locator(".quick-input-widget input.input");
  await page.locator(".quick-input-widget").getByText("Access key ID")
    .waitFor();
  await input.fill(id);
  await page.keyboard.press("Enter");
  await page.locator(".quick-input-widget").getByText("Secret access key")
    .waitFor();
  assert.equal(await input.getAttribute("type"), "password");
  await input.fill(secret);
  await page.keyboard.press("Enter");
}

/** Returns the objects in the bucket. */
async function stored() {
  const storage = new S3Storage({ ...bucket, prefix: "snapshots" });
  const folders = new Set<string>();
  for await (const { name } of storage.list()) folders.add(name.split("/")[0]);
  const prefix = `snapshots/${[...folders].join()}`;
  const repository = await Repository.open(
    new S3Storage({ ...bucket, prefix }),
  );
  return { repository, records: await repository.snapshots() };
}

suite([
  ["keys are asked for, and wrong ones are reported", async (suite) => {
    bucket = await cephBucket();
    folder = join(suite.folder, "folder");
    fs.mkdirSync(folder);
    fs.writeFileSync(at("notes.md"), "first thoughts\n");
    fs.writeFileSync(at("other.txt"), "other\n");
    editor = await suite.editor("editor", {
      settings: {
        "deltar.snapshot.delaySeconds": 0,
        "deltar.snapshot.everyMinutes": 0,
        "deltar.snapshot.onClose": false,
        "deltar.repository.location": `s3://${bucket.bucket}/snapshots`,
        "deltar.repository.endpoint": bucket.endpoint,
        "deltar.repository.encrypt": "never",
      },
      packages: [suite.companion()],
    });
    window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    await window.says(/no access keys/);
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Run Deltar: Set S3 Credentials/);
    await window.hasStatus(/Deltar: failed/);
    await window.pressTold(
      /Run Deltar: Set S3 Credentials/,
      "Set S3 Credentials",
    );
    await giveKeys(bucket.accessKeyId, "no secret");
    await window.says(/the secret key does not belong to the access key/);
    await window.picture("s3-wrong-key");
    await window.hush();
  }],

  ["snapshots are taken, compared and restored", async () => {
    await window.command("Deltar: Set S3 Credentials…");
    await giveKeys(bucket.accessKeyId, bucket.secretAccessKey);
    await window.page.getByText("There are no snapshots of this workspace yet")
      .waitFor();
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken, 2 files\./);
    await window.hasStatus(/Deltar: protected/);
    await window.hush();
    await window.openFile(at("notes.md"));
    await window.type("second thoughts\n");
    await window.save();
    await window.row("notes.md").waitFor();
    const { repository, records } = await stored();
    assert.equal(records.length, 2);
    const diff = await repository.diff(records[0], records[1]);
    assert.deepEqual(diff.updated, ["notes.md"]);
    await window.expand(window.row("notes.md"));
    await window.clickFor(
      window.row(/^notes\.md/),
      window.page.locator(".monaco-diff-editor"),
    );
    assert.deepEqual(await window.sides(), [
      "first thoughts\n",
      "second thoughts\n",
    ]);
    await window.picture("s3");
    await window.openFile(at("notes.md"));
    await window.rows("File History").nth(1).waitFor();
    await window.press(
      window.rows("File History").nth(1),
      "Restore Version",
    );
    await window.answer(/^Restore$/);
    await window.isTold("Restored: 1 file written.");
    assert.equal(fs.readFileSync(at("notes.md"), "utf8"), "first thoughts\n");
    await window.hush();
    await window.command("Deltar: Undo Last Restore");
    await window.answer("Undo Restore");
    await window.isTold("Undone: 1 file written.");
    assert.equal(fs.readFileSync(at("notes.md"), "utf8"), "second thoughts\n");
    await window.hush();
  }],

  ["no file contains the keys, and they can be forgotten", async () => {
    const { secretAccessKey } = bucket;
    for (
      const path of fs.readdirSync(editor.folder, {
        recursive: true,
        encoding: "utf8",
      })
    ) {
      const file = join(editor.folder, path);
      if (path.startsWith("extensions/") || !fs.statSync(file).isFile()) {
        continue;
      }
      assert.ok(!fs.readFileSync(file).includes(secretAccessKey), path);
    }
    await window.command("Deltar: Forget S3 Credentials");
    await window.says(/no access keys/);
    await window.hasStatus(/Deltar: failed/);
    await window.close();
  }],
], NEEDS_CEPH);
