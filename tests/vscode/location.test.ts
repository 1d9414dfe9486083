import assert from "node:assert/strict";
import { test } from "node:test";
import { Repositories } from "../../extension/src/worker/repositories.ts";
import type { FolderConfig } from "../../extension/src/shared/protocol.ts";

test("an invalid location of a repository is refused with the name of the setting", async () => {
  for (const repository of ["ftp://host/a", "s3://", "http://user@:x"]) {
    await assert.rejects(
      new Repositories().tryOpen({ repository, env: {} } as FolderConfig),
      {
        code: "unsupported",
        message: /; check the setting deltar\.repository\.location$/,
      },
    );
  }
});
