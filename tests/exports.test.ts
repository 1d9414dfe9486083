import assert from "node:assert/strict";
import { test } from "node:test";
import * as api from "../mod.ts";

test("mod.ts exports these values", () => {
  assert.deepEqual(Object.keys(api).sort(), [
    "DeltaStream",
    "DeltarError",
    "DiffData",
    "DiffIndex",
    "Dir",
    "DirIndex",
    "DirSet",
    "HttpStorage",
    "LocalStorage",
    "MemoryStorage",
    "PatchStream",
    "Repository",
    "S3Storage",
    "Signature",
    "SignatureStream",
    "TarVolume",
    "Tree",
    "VERSION",
    "Walker",
    "applyDiff",
    "bytesAccess",
    "compose",
    "delta",
    "openStorage",
    "patch",
    "sign",
    "toJson",
    "withCache",
  ]);
});
