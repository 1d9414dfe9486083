import assert from "node:assert/strict";
import { test } from "node:test";
import { type Compared, inFolders } from "../../cli/comparison.ts";
import type { ComparedState } from "../../cli/compared_state.ts";
import { relativeError } from "../../cli/relative_error.ts";
import { DeltarError, DirIndex, type SnapshotRecord } from "../../mod.ts";

test("relativeError() removes a folder from the path of an error", () => {
  const error = new DeltarError("corrupt", "too short", {
    object: "volumes/sub/a",
    path: "sub/a.ts",
    offset: 7,
    cause: "the system's error",
  });
  const relative = relativeError(error, "sub");
  assert.equal(relative.message, "volumes/sub/a: a.ts: too short (at byte 7)");
  assert.equal(relative.path, "a.ts");
  assert.equal(relative.code, "corrupt");
  assert.equal(relative.cause, error.cause);
  assert.equal(
    relativeError(new DeltarError("io", "sub/a", { path: "sub/a" }), "sub")
      .message,
    "a: sub/a",
  );
});

test("relativeError() keeps an error without a path in the folder", () => {
  const errors = [
    new Error("sub/a.ts: no"),
    new DeltarError("io", "no", { object: "sub/a.ts" }),
    new DeltarError("io", "no", { path: "sub" }),
    new DeltarError("io", "no", { path: "subway/a.ts" }),
  ];
  for (const error of errors) assert.equal(relativeError(error, "sub"), error);
  const inside = new DeltarError("io", "no", { path: "sub/a.ts" });
  assert.equal(relativeError(inside, ""), inside);
});

test("inFolders() returns states whose errors have paths relative to the folder", async () => {
  const file = {
    kind: "file" as const,
    mode: 0o644,
    mtime: 0n,
    uid: 0,
    gid: 0,
  };
  const entry = { ...file, path: "sub/a.ts", size: 1, sha256: "0".repeat(64) };
  const root = { mode: 0o755, mtime: 0n, uid: 0, gid: 0 };
  const state: ComparedState = {
    index: new DirIndex([entry]),
    root,
    owners: undefined,
    // deno-lint-ignore require-yield
    async *open({ path }) {
      throw new DeltarError("io", "cannot be read", { path });
    },
  };
  const compared: Compared = {
    states: [state, state],
    before: {} as SnapshotRecord,
    isOfFolder: false,
    paths: [""],
    skipped: [],
  };
  const { states: [before] } = inFolders(compared, ["sub", "sub"]);
  const [below] = before.index.entries;
  assert.equal(below.kind, "file");
  if (below.kind !== "file") return;
  await assert.rejects(
    Array.fromAsync(before.open(below)),
    { message: "a.ts: cannot be read" },
  );
});
