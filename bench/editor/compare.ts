/**
 * Measures two snapshots of a workspace with a large file: the first one, and
 * one after a line is added to the file. Prints the time and the added bytes of
 * each. Compares the packed worker of the extension with `git add -A && git
 * commit` in a GIT_DIR outside the workspace, which is how other editors store
 * states of a workspace. Git does not compress, because compressing random
 * bytes takes minutes and saves nothing.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import * as fs from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { writeResult } from "../write_result.ts";
import { Engine } from "../../extension/src/host/engine.ts";

/** The number of small files beside the large one. */
const SMALL_FILES = 2000;

/** A way to store the states of a folder. */
interface Way {
  /** The path of the folder in which the states are stored. */
  store: string;
  /** Stores the current state. */
  snapshot(): Promise<unknown>;
}

const megabytes = Number(process.argv[2]);
if (!(megabytes >= 1)) {
  throw new RangeError(
    "invalid size of the large file: pass a number of MB, at least 1",
  );
}
const folder = fs.mkdtempSync(join(tmpdir(), "deltar-bench-"));
const scripts = join(import.meta.dirname!, "../../extension/dist");
const engine = new Engine({
  process: join(scripts, "process.cjs"),
  worker: join(scripts, "worker.cjs"),
});
try {
  const root = join(folder, "workspace");
  makeWorkspace(root);
  const ways: [string, Way][] = [
    ["deltar", deltarWay(root)],
    ["git", gitWay(root)],
  ];
  console.log(
    `a file of ${megabytes} MB and ${SMALL_FILES} small files; ` +
      "then a line is added to the large file\n",
  );
  console.log(
    "           first s   stored MB     edit s    added kB",
  );
  const rows = [];
  for (const [name, way] of ways) {
    const first = await measure(way);
    fs.appendFileSync(join(root, "large.log"), "one line more\n");
    const edit = await measure(way);
    console.log(
      name.padEnd(8) + cell(first.seconds, 2) + cell(first.bytes / 1e6, 1) +
        cell(edit.seconds, 2) + cell(edit.bytes / 1e3, 1),
    );
    rows.push({ name, first, edit });
  }
  const machine = [
    `${cpus()[0].model}, ${availableParallelism()} cores`,
    `node ${process.version.slice(1)}`,
  ];
  const result = { machine, megabytes, files: SMALL_FILES, rows };
  writeResult("editor", result, process.argv.includes("--quick"));
} finally {
  await engine.dispose();
  fs.rmSync(folder, { recursive: true, force: true });
}

function makeWorkspace(root: string): void {
  fs.mkdirSync(root);
  for (let at = 0; at < SMALL_FILES; at++) {
    const sub = join(root, `folder${at % 50}`);
    fs.mkdirSync(sub, { recursive: true });
    fs.writeFileSync(join(sub, `${at}.ts`), `export const n = ${at};\n`);
  }
  const large = fs.openSync(join(root, "large.log"), "w");
  const piece = new Uint8Array(1e6);
  for (let at = 0; at < megabytes; at++) {
    fs.writeSync(large, randomFillSync(piece));
  }
  fs.closeSync(large);
}

function deltarWay(directory: string): Way {
  const store = join(folder, "deltar");
  const config = {
    directory,
    repository: store,
    isOwnStorage: false,
    cache: join(folder, "cache"),
    originals: join(folder, "cache/originals"),
    excludes: [".git"],
    excludeCaches: false,
    gitignore: true,
    encrypt: false,
  };
  return { store, snapshot: () => engine.writer.call("snapshot", { config }) };
}

function gitWay(root: string): Way {
  const store = join(folder, "git");
  const git = (...words: string[]) =>
    execFileSync("git", words, {
      cwd: root,
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...process.env,
        GIT_DIR: store,
        GIT_WORK_TREE: root,
        GIT_AUTHOR_NAME: "a",
        GIT_AUTHOR_EMAIL: "a@example.org",
        GIT_COMMITTER_NAME: "a",
        GIT_COMMITTER_EMAIL: "a@example.org",
      },
    });
  git("init", "-q");
  git("config", "core.compression", "0");
  return {
    store,
    snapshot() {
      git("add", "-A");
      git("commit", "-q", "--allow-empty", "-m", "snapshot");
      return Promise.resolve();
    },
  };
}

async function measure(way: Way): Promise<{ seconds: number; bytes: number }> {
  const before = sizeOf(way.store);
  const start = performance.now();
  await way.snapshot();
  const seconds = (performance.now() - start) / 1000;
  return { seconds, bytes: sizeOf(way.store) - before };
}

function sizeOf(path: string): number {
  if (!fs.existsSync(path)) return 0;
  const stat = fs.lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return fs.readdirSync(path)
    .reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

function cell(value: number, digits: number): string {
  return value.toFixed(digits).padStart(12);
}
