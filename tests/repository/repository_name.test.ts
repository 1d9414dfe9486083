import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { posix, win32 } from "node:path";
import { test } from "node:test";
import { repositoryName } from "../../lib/repository/mod.ts";

test("repositoryName() returns the name of the directory with a checksum of the path", () => {
  for (
    const [directory, path] of [
      ["/", posix],
      ["/home/ada/notes", posix],
      ["/home/ada/my notes/", posix],
      ["/srv/a\\b:c", posix],
      ["/srv/\u00fcber \ud83d\ude80", posix],
      ["/srv/...", posix],
      ["C:\\", win32],
      ["c:\\Users\\Ada\\notes", win32],
      ["C:/Users/Ada/my notes", win32],
      ["\\\\host\\share\\notes\\", win32],
    ] as const
  ) {
    const sum = createHash("sha256").update(directory).digest("hex");
    const name = path.basename(directory).replaceAll(/[^\w.-]/g, "_");
    assert.equal(
      repositoryName(directory),
      `${name || "root"}-${sum.slice(0, 8)}`,
    );
  }
});
