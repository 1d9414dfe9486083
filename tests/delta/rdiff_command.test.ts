import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { mutate, randomBytes } from "./helpers.ts";

const CLI = fileURLToPath(new URL("../../cli.ts", import.meta.url));
const words = "Deno" in globalThis
  ? ["run", "-A", "--cached-only", "--no-check", CLI]
  : [CLI];

test("signature, delta and patch of the command work with files and pipes", () => {
  const folder = mkdtempSync(join(tmpdir(), "deltar-rdiff-"));
  const at = (name: string) => join(folder, name);
  const rdiff = (args: string[], input?: Uint8Array) =>
    spawnSync(process.execPath, [...words, "rdiff", ...args], {
      input,
      maxBuffer: 2 ** 24,
    });
  try {
    const basis = randomBytes(300_000, 1);
    const file = mutate(basis, 2);
    writeFileSync(at("basis"), basis);
    writeFileSync(at("file"), file);
    const options = ["-b", "2048", "-S", "12"];
    let run = rdiff([...options, "signature", at("basis"), at("signature")]);
    assert.equal(run.status, 0, String(run.stderr));
    run = rdiff(["delta", at("signature"), "-", at("delta"), "--stats"], file);
    assert.equal(run.status, 0, String(run.stderr));
    assert.match(String(run.stderr), /cop(?:y|ies) of [\d,]+ bytes?,/);
    run = rdiff(["patch", at("basis"), at("delta"), "-"]);
    assert.deepEqual(new Uint8Array(run.stdout), file);

    // An existing output file is kept, unless `--force` is given.
    run = rdiff(["patch", at("basis"), at("delta"), at("file")]);
    assert.equal(run.status, 1);
    run = rdiff(["-f", "patch", at("basis"), at("delta"), at("file")]);
    assert.equal(run.status, 0, String(run.stderr));
    assert.deepEqual(new Uint8Array(readFileSync(at("file"))), file);

    // After an error, there is no output file and no temporary file.
    run = rdiff(["patch", at("basis"), at("basis"), at("result")]);
    assert.equal(run.status, 1);
    assert.match(String(run.stderr), /basis: the data is not a delta/);
    assert.equal(rdiff(["-b", "many", "signature", at("basis")]).status, 2);
    const names = ["basis", "delta", "file", "signature"];
    assert.deepEqual(readdirSync(folder).sort(), names);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
