import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { DeltarError } from "../../mod.ts";
import { bun } from "../../tasks/runtimes.ts";
import { run, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Returns the README's examples of the library. */
function examples(): string[] {
  const text = fs.readFileSync(join(ROOT, "README.md"), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
}

test("publint and arethetypeswrong find no fault in the package", () => {
  run(process.execPath, ["tasks/npm.ts"], { cwd: ROOT });
  const bin = join(ROOT, "node_modules/.bin");
  const place = { cwd: ROOT };
  run(join(bin, "publint"), ["--strict", "dist/npm"], place);
  const words = ["--pack", "dist/npm", "--profile", "esm-only"];
  run(join(bin, "attw"), words, place);
  const [{ mcpName }, { name }] = ["dist/npm/package.json", "server.json"]
    .map((file) => JSON.parse(fs.readFileSync(join(ROOT, file), "utf8")));
  assert.equal(mcpName, name);
});

test("each entry point exports the library's error", async () => {
  const { exports } = JSON.parse(
    fs.readFileSync(join(ROOT, "deno.json"), "utf8"),
  );
  const entries = Object.entries<string>(exports)
    .filter(([name]) => name !== "./cli");
  assert.equal(entries.length, 9);
  for (const [name, file] of entries) {
    const entry = await import(new URL(`../../${file}`, import.meta.url).href);
    assert.equal(entry.DeltarError, DeltarError, name);
  }
});

test("the package can be installed into an empty project, and works as the README shows", async () => {
  run(process.execPath, ["tasks/npm.ts"], { cwd: ROOT });
  const [tarball, ...others] = fs.readdirSync(join(ROOT, "dist"))
    .filter((name) => name.endsWith(".tgz"));
  assert.deepEqual(others, []);
  await withTemp((folder) => {
    const [bunProgram, ...bunWords] = bun();
    const installs = {
      npm: ["npm", "install", "--no-audit", "--no-fund"],
      bun: [bunProgram, ...bunWords, "add"],
    };
    for (const [name, [program, ...words]] of Object.entries(installs)) {
      const project = join(folder, name);
      fs.mkdirSync(project);
      fs.writeFileSync(
        join(project, "package.json"),
        JSON.stringify({ name: "project", type: "module" }),
      );
      const place = { cwd: project };
      run(program, [...words, join(ROOT, "dist", tarball)], place);
      const [runtime, ...first] = name === "npm"
        ? [process.execPath]
        : [bunProgram, ...bunWords];
      assert.ok(examples().length >= 2);
      for (const [at, code] of examples().entries()) {
        fs.writeFileSync(join(project, `${at}.ts`), code);
        run(runtime, [...first, `${at}.ts`], place);
      }
      const bin = join(project, "node_modules/.bin/deltar");
      const { version } = JSON.parse(
        fs.readFileSync(join(ROOT, "deno.json"), "utf8"),
      );
      assert.equal(runText(bin, ["--version"], place), `${version}\n`);
    }
    // A compiler in strict mode gets the types of the source.
    fs.writeFileSync(
      join(folder, "npm/strict.ts"),
      `import { LocalStorage, Repository } from "@deltar/deltar";
       import { chooseBlockSize } from "@deltar/deltar/delta";
       export const open: Promise<Repository> = Repository.open(new LocalStorage("x"));
       export const size: number = chooseBlockSize(1);
       // @ts-expect-error: a block size is a number
       export const wrong: string = chooseBlockSize(1);`,
    );
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    run(process.execPath, [
      tsc,
      "--strict",
      "--noEmit",
      "--target",
      "es2024",
      "--module",
      "nodenext",
      "strict.ts",
    ], { cwd: join(folder, "npm") });
  });
});
