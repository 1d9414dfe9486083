/**
 * The process in which the extension runs the library, in real VS Code: its
 * secrets, its crash, and the end of its extension host.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { MemoryStorage } from "../../mod.ts";
import { withS3Server } from "../support/s3_server.ts";
import type { Editor } from "./editor.ts";
import { NO_AUTOMATIC_SNAPSHOTS, repositoryOf, suite } from "./suite.ts";
import type { Window } from "./window.ts";

const FILES = 20_000;
const SECRETS = {
  "Access key ID": "KEY-ID-OF-THE-TEST",
  "Secret access key": "secret access key of the test",
  "New passphrase": "correct horse battery staple of words",
  "Enter the same passphrase again": "correct horse battery staple of words",
};

let editor: Editor;
let window: Window;
let folder: string;

/** Types secrets into the boxes that ask for them. */
async function enter(...prompts: (keyof typeof SECRETS)[]): Promise<void> {
  const box = window.page.locator(".quick-input-widget");
  for (const prompt of prompts) {
    await box.getByText(prompt).first().waitFor();
    await box.locator("input.input").fill(SECRETS[prompt]);
    await window.page.keyboard.press("Enter");
  }
}

/** Returns the one process with the library. */
function library(): number {
  const all = editor.libraries();
  assert.equal(all.length, 1, `processes: ${all}`);
  return all[0];
}

/**
 * Changes many files, and begins a snapshot of them.
 *
 * @returns The process that stores the files.
 */
async function snapshotBegins(text: string): Promise<number> {
  for (let at = 0; at < FILES; at++) {
    const inside = join(folder, `folder ${at % 100}`);
    fs.mkdirSync(inside, { recursive: true });
    fs.writeFileSync(join(inside, `file ${at}`), `${text} ${at}\n`);
  }
  const { repository } = await repositoryOf(editor, folder);
  const objects = async () => {
    let count = 0;
    for await (const _ of repository.storage.list()) count++;
    return count;
  };
  const before = await objects();
  await window.command("Deltar: Create Snapshot");
  await window.until("it stores", async () => await objects() > before);
  return library();
}

/** Asserts that the repository has undamaged snapshots, this number. */
async function isIntact(count: number): Promise<void> {
  const { repository, records } = await repositoryOf(editor, folder);
  assert.equal(records.length, count);
  const { damage } = await repository.verify();
  assert.deepEqual(damage, []);
}

suite([
  [
    "a crash fails the snapshot in progress, and the next works",
    async (suite) => {
      folder = join(suite.folder, "folder");
      fs.mkdirSync(folder);
      fs.writeFileSync(join(folder, "notes.md"), "first thoughts\n");
      editor = await suite.editor("editor", {
        settings: NO_AUTOMATIC_SNAPSHOTS,
        packages: [suite.companion()],
      });
      window = await suite.open(editor, { folder });
      await window.command("View: Show Deltar");
      await window.command("Deltar: Create Snapshot");
      await window.isTold(/Snapshot taken, 1 file\./);
      await window.hush();
      const pid = await snapshotBegins("first");
      process.kill(pid, "SIGKILL");
      await window.isTold(
        /the process that reads and stores snapshots has ended \(SIGKILL\)/,
      );
      await window.picture("crash");
      await window.hush();
      await window.command("Deltar: Create Snapshot");
      await window.isTold(/Snapshot taken, 20,000 files changed\./);
      await window.hush();
      assert.notEqual(library(), pid);
      await isIntact(2);
    },
  ],

  ["the process ends when its extension host is killed", async (suite) => {
    const pid = await snapshotBegins("second");
    for (const host of editor.extensionHosts()) process.kill(host, "SIGKILL");
    await window.until("it ended", () => !editor.libraries().includes(pid));
    await isIntact(2);
    await window.close();
    window = await suite.open(editor, { folder });
    await window.command("Deltar: Create Snapshot");
    await window.isTold(/Snapshot taken, 20,000 files changed\./);
    await isIntact(3);
    await window.close();
  }],

  [
    "secrets are neither arguments nor variables of the process",
    async (suite) => {
      folder = join(suite.folder, "secret");
      fs.mkdirSync(folder);
      fs.writeFileSync(join(folder, "notes.md"), "first thoughts\n");
      await withS3Server(new MemoryStorage(), async (endpoint) => {
        editor = await suite.editor("secrets", {
          settings: {
            ...NO_AUTOMATIC_SNAPSHOTS,
            "deltar.repository.location": "s3://bucket/prefix",
            "deltar.repository.endpoint": endpoint,
          },
          packages: [suite.companion()],
        });
        window = await suite.open(editor, { folder });
        await window.command("View: Show Deltar");
        await window.command("Deltar: Set S3 Credentials");
        await enter("Access key ID", "Secret access key");
        await window.page.getByText(
          "There are no snapshots of this workspace yet",
        ).waitFor();
        await window.command("Deltar: Create Snapshot");
        await window.answer(/^Add Passphrase/);
        await enter("New passphrase", "Enter the same passphrase again");
        await window.isTold(/Snapshot taken, 1 file\./);
        await window.hush();
        for (const name of ["cmdline", "environ"]) {
          const text = fs.readFileSync(`/proc/${library()}/${name}`, "utf8");
          const known = name === "cmdline"
            ? "process.cjs"
            : "ELECTRON_RUN_AS_NODE";
          assert.ok(text.includes(known));
          for (const secret of Object.values(SECRETS)) {
            assert.ok(!text.includes(secret), `${secret} in ${name}`);
          }
        }
      });
      await window.close();
    },
  ],
]);
