import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isDenied, permitted } from "../../lib/bytes/permitted.ts";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { needs, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * A script that uses the parts of the library, and prints the result of each.
 */
const SCRIPT = `
const { DeltarError, DiffData, DiffIndex, Dir, DirIndex, LocalStorage,
  Repository, TarVolume } = await import(process.argv[2]);
const [source, out] = process.argv.slice(3);
const outcomes = {};
async function attempt(name, work) {
  try {
    const result = await work();
    outcomes[name] = result?.failed?.length > 0
      ? result.failed.map(({ path, error }) => path + ": " + error.message)
      : "done";
    return result;
  } catch (error) {
    outcomes[name] = error instanceof DeltarError
      ? error.code + ": " + error.message
      : "raw: " + error.stack;
  }
}
const dir = await attempt("new Dir()", () => new Dir(source));
const index = await attempt("DirIndex.of()", () => DirIndex.of(dir));
const archives = new LocalStorage(out + "/archives");
await attempt("TarVolume.compress()",
  () => TarVolume.compress(dir, archives, "all"));
await attempt("TarVolume.extract()", async () => {
  const volume = await TarVolume.open(archives, "all");
  await volume.extract("sub/b", out + "/b");
});
await attempt("DiffData.createArchive()", async () => {
  const diff = DiffIndex.compute(index, await DirIndex.of(new Dir(source + "/sub")));
  await new DiffData(diff, dir).createArchive(out + "/diff.tgz");
});
const place = new LocalStorage(out + "/repository");
await attempt("Repository.create()", () => Repository.create(place));
const repository = await attempt("Repository.open()",
  () => Repository.open(place));
const taken = await attempt("snapshot()", () => repository.snapshot(dir));
await attempt("restore()", () => repository.restore(taken.record, out + "/to"));
await attempt("revert()", () => repository.revert(out + "/to"));
await attempt("verify()", () => repository.verify({ data: true }));
await attempt("prune()", () => repository.prune());
console.log(JSON.stringify(outcomes));
`;

type Outcomes = Record<string, string | string[]>;

/**
 * Runs the script in Deno with these permissions and the permission to read the
 * script.
 */
function runWith(folder: string, permissions: string[]): Outcomes {
  const script = join(folder, "script.mjs");
  fs.writeFileSync(script, `import process from "node:process";${SCRIPT}`);
  const source = join(folder, "source");
  const out = join(folder, "out");
  fs.rmSync(out, { recursive: true, force: true });
  fs.mkdirSync(join(source, "sub"), { recursive: true });
  fs.mkdirSync(out);
  fs.writeFileSync(join(source, "a"), "a");
  fs.writeFileSync(join(source, "sub/b"), "b".repeat(10_000));
  const words = ["run", "--no-prompt", "--cached-only", "--no-check"];
  const config = `--config=${join(ROOT, "deno.json")}`;
  const { stdout, stderr } = spawnSync(
    "deno",
    [
      ...words,
      config,
      ...permissions,
      script,
      join(ROOT, "mod.ts"),
      source,
      out,
    ],
    { encoding: "utf8" },
  );
  assert.match(stdout, /^\{/, stderr);
  return JSON.parse(stdout);
}

/** Returns the flags that grant all permissions except one. */
function without(name: string): string[] {
  return ["read", "write", "sys", "env", "ffi", "run"]
    .filter((one) => one !== name).map((one) => `--allow-${one}`);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

for (const name of ["env", "ffi", "run"]) {
  test(
    `the library works in Deno without --allow-${name} [L8]`,
    needs("deno"),
    async () => {
      await withTemp((temp) => {
        const folder = fs.realpathSync(temp);
        for (
          const [call, outcome] of Object.entries(
            runWith(folder, without(name)),
          )
        ) {
          assert.equal(outcome, "done", call);
        }
      });
    },
  );
}

test(
  "operations that need the user's name ask for --allow-sys in Deno [L8]",
  needs("deno"),
  async () => {
    await withTemp((temp) => {
      const folder = fs.realpathSync(temp);
      const {
        "TarVolume.extract()": extract,
        "restore()": restore,
        ...others
      } = runWith(folder, without("sys"));
      for (const outcome of [extract, restore, others["revert()"]]) {
        assert.match(String(outcome), /^io: .*run it with --allow-sys$/);
      }
      delete others["revert()"];
      for (const [call, outcome] of Object.entries(others)) {
        assert.equal(outcome, "done", call);
      }
    });
  },
);

test(
  "the library works in Deno with permissions for only its folders [L8]",
  needs("deno"),
  async () => {
    await withTemp((temp) => {
      const folder = fs.realpathSync(temp);
      const outcomes = runWith(folder, [
        // A restore by root looks for symlinks in the path of the target.
        `--allow-read=${isRoot() ? "/" : folder},${ROOT}`,
        `--allow-write=${join(folder, "out")}`,
        "--allow-sys",
      ]);
      for (const [call, outcome] of Object.entries(outcomes)) {
        assert.equal(outcome, "done", call);
      }
    });
  },
);

test(
  "isRunning() in Deno without --allow-run never returns false for a running process [L8]",
  needs("deno"),
  async () => {
    await withTemp((folder) => {
      const script = join(folder, "script.mjs");
      const module = join(ROOT, "lib/storage/temporary.ts");
      fs.writeFileSync(
        script,
        `import { isRunning } from ${JSON.stringify(module)};
      console.log(String([isRunning(${process.pid}), isRunning(4194303)]));`,
      );
      const ask = (...flags: string[]) => {
        const words = ["run", "--no-prompt", "--cached-only", "--no-check"];
        const config = `--config=${join(ROOT, "deno.json")}`;
        return runText("deno", [...words, config, ...flags, script]).trim();
      };
      assert.equal(ask("--allow-run"), "true,false");
      const byCalls = process.platform === "linux" ? "true,false" : ",";
      assert.equal(ask("--allow-ffi"), byCalls);
      assert.equal(ask(), ",");
    });
  },
);

test(
  "each failure in Deno without permissions names the permission to grant [L8]",
  needs("deno"),
  async () => {
    await withTemp((temp) => {
      const folder = fs.realpathSync(temp);
      const own = [`--allow-read=${ROOT},${join(folder, "script.mjs")}`];
      const outcomes = runWith(folder, own);
      const source = join(folder, "source");
      assert.equal(
        outcomes["new Dir()"],
        `io: ${source}: the runtime lacks a permission; run it with ` +
          `--allow-read=${source}`,
      );
      assert.match(
        String(outcomes["Repository.create()"]),
        /--allow-read=.*out/,
      );
      const reading = runWith(folder, ["--allow-read"]);
      for (const call of ["TarVolume.compress()", "Repository.create()"]) {
        assert.match(
          String(reading[call]),
          /^io: .*; run it with --allow-write=.*\/out(?:\/\w+)?$/,
          call,
        );
      }
    });
  },
);

test("permitted() passes other errors on [L8]", () => {
  const module = { fail: () => JSON.parse("{") };
  assert.equal(permitted(module), module);
  assert.equal(permitted(undefined), undefined);
  const cause = Object.assign(new Error("no"), { name: "NotCapable" });
  assert.ok(isDenied(new DeltarError("io", "no", { cause })));
  assert.ok(!isDenied(new DeltarError("io", "no")));
});
