import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { type Place, withPlace } from "../cli/helpers.ts";
import { needsPosix } from "../support/system.ts";

const FOLDERS = 200;
const FILES = FOLDERS * (process.env.SLOW ? 1000 : 100);

/** The shell commands that an agent runs in its turn. */
const SCRIPTS = [
  "rm -rf folder-1*",
  "mv folder-2? folder-4/file-* folder-0",
  "chmod 600 folder-3*/*; echo edited | tee -a folder-4*/* > new.txt",
  "rm -r folder-5 && echo a file > folder-5; ln -sfn folder-6 folder-7/file-7",
];

/** Returns one SHA-256 of all paths, modes, times and contents below a folder. */
function stateOf(root: string): string {
  const hash = createHash("sha256");
  for (const path of fs.readdirSync(root, { recursive: true }).sort()) {
    const at = join(root, String(path));
    const stat = fs.lstatSync(at);
    hash.update(`${path}\0${stat.mode}\0`);
    if (stat.isDirectory()) continue;
    // Node sets times only to about a quarter of a microsecond.
    hash.update(`${Math.round(stat.mtimeMs)}\0`);
    hash.update(
      stat.isSymbolicLink() ? fs.readlinkSync(at) : fs.readFileSync(at),
    );
  }
  return hash.digest("hex");
}

function hook(place: Place, fields: object): void {
  const input = JSON.stringify({
    cwd: place.root,
    session_id: "one",
    ...fields,
  });
  const done = place.run(["hook", "--host", "claude-code"], { input });
  assert.deepEqual(done, { code: 0, out: "", err: "" });
}

test(`undo --turn brings a tree of ${FILES} files back`, {
  ...needsPosix("sh"),
  timeout: 1_800_000,
}, async () => {
  await withPlace((place) => {
    for (let at = 0; at < FILES; at++) {
      const folder = join(place.root, `folder-${at % FOLDERS}`);
      if (at < FOLDERS) fs.mkdirSync(folder);
      fs.writeFileSync(join(folder, `file-${at}`), `${at}\n`.repeat(20));
    }
    hook(place, { hook_event_name: "UserPromptSubmit", prompt: "Tidy up" });
    const before = stateOf(place.root);
    for (const script of SCRIPTS) {
      hook(place, { hook_event_name: "PreToolUse", tool_name: "Bash" });
      const { status, stderr } = spawnSync("sh", ["-euc", script], {
        cwd: place.root,
        encoding: "utf8",
      });
      assert.equal(status, 0, stderr);
    }
    hook(place, { hook_event_name: "Stop" });
    const harmed = stateOf(place.root);
    assert.notEqual(harmed, before);
    const undone = place.run(["undo", "--turn", "last"]);
    assert.equal(undone.code, 0, undone.err);
    assert.equal(stateOf(place.root), before);
    assert.equal(place.run(["undo"]).code, 0);
    assert.equal(stateOf(place.root), harmed);
  });
});
