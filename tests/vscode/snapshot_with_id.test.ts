import assert from "node:assert/strict";
import { test } from "node:test";
import { snapshotWithId } from "../../extension/src/host/api/snapshot_with_id.ts";

const snapshots = ["20261103T2", "20261102T1", "20261102T0"]
  .map((id) => ({ id }));

test("snapshotWithId() finds the latest snapshot, and one by the beginning of its id", () => {
  assert.equal(snapshotWithId(snapshots, "latest"), snapshots[0]);
  assert.equal(snapshotWithId(snapshots, "20261102T1"), snapshots[1]);
  assert.throws(
    () => snapshotWithId(snapshots, "20261102"),
    /^Error: More than one snapshot has an id that starts with "20261102"/,
  );
  assert.throws(
    () => snapshotWithId(snapshots, "nonsense"),
    /^Error: No snapshot has an id that starts with "nonsense"/,
  );
});

test("snapshotWithId() advises to take a snapshot if there is none", () => {
  for (const id of ["latest", "20261102"]) {
    assert.throws(
      () => snapshotWithId([], id),
      /^Error: There are no snapshots .* yet\. Call deltar_snapshot to take one\.$/,
    );
  }
});
