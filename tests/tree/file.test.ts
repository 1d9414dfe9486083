import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { namesIn } from "../../lib/tree/file.ts";
import { withTemp } from "../support/temp.ts";

test("namesIn() names the path once if it is not a folder", () =>
  withTemp((temp) => {
    const file = join(temp, "file");
    fs.writeFileSync(file, "");
    assert.throws(() => namesIn(file), {
      code: "io",
      message: `${file}: not a directory (ENOTDIR)`,
    });
  }));
