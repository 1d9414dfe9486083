import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Bundles some names of the library for a page. */
async function bundle(names: string): Promise<Uint8Array> {
  const { outputFiles, warnings, metafile } = await build({
    stdin: {
      contents: `export { ${names} } from "./lib/delta/mod.ts";`,
      resolveDir: ROOT,
    },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    treeShaking: true,
    write: false,
    metafile: true,
  });
  assert.deepEqual(warnings, []);
  // The bundle imports nothing, neither from a runtime nor from other modules.
  for (const { imports } of Object.values(metafile.outputs)) {
    assert.deepEqual(imports, []);
  }
  return outputFiles[0].contents;
}

test("the streams for signatures and deltas are bundled for a page in 14 KB", async () => {
  const code = await bundle("DeltaStream, PatchStream, SignatureStream");
  const { length } = brotliCompressSync(code);
  assert.ok(length <= 14 * 1024, `${length} bytes`);
});

test("patch() is bundled for a page without the code that makes deltas", async () => {
  const code = await bundle("patch");
  const { length } = brotliCompressSync(code);
  assert.ok(length <= 4 * 1024, `${length} bytes`);
});
