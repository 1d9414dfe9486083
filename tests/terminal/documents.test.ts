import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { needs } from "../support/peer.ts";
import { withShell } from "./shell.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The pages whose shell blocks are one session, to be typed from the top. */
const PAGES = [
  "docs/TUTORIAL.md",
  ...readdirSync(join(ROOT, "docs/how-to")).map((name) =>
    `docs/how-to/${name}`
  ),
];

for (const page of PAGES) {
  const text = readFileSync(join(ROOT, page), "utf8");
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, code]) =>
    code
  );
  if (blocks.length === 0) continue;
  test(`what ${page} says to type works`, needs("zstd", "tar"), async () => {
    await withShell((shell) => {
      shell.type(`set -e\n${blocks.join("\n")}`);
    });
  });
}

test("the tutorial brings back what it loses, and undoes that", async () => {
  const text = readFileSync(join(ROOT, PAGES[0]), "utf8");
  const [, upToRestore] = /^(.*?)^`--dry-run` prints/ms.exec(text)!;
  const typed = [...upToRestore.matchAll(/^```sh\n(.*?)^```$/gms)]
    .map(([, code]) => code).join("\n");
  await withShell((shell) => {
    const last = shell.type(`set -e\n${typed}`).split("\n").slice(-4, -1);
    assert.deepEqual(last, ["buy milk", "buy bread", 'console.log("hello");']);
    const undone = shell.type(
      "cd ~/tutorial && deltar undo -q && cat notes.txt",
    );
    assert.equal(undone, "oh no\n");
  });
});
