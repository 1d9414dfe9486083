import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isWindows } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

const host = globalThis as { Deno?: unknown };

/**
 * The file of the command: its source, or the bundle that `DELTAR_TEST_BUNDLE`
 * names for tests on Deno.
 */
export const CLI =
  (host.Deno === undefined ? undefined : process.env.DELTAR_TEST_BUNDLE) ??
    fileURLToPath(new URL("../../cli.ts", import.meta.url));

/** The words that run the command with the runtime of this test. */
export const COMMAND = host.Deno === undefined
  ? [process.execPath, CLI]
  : [process.execPath, "run", "-A", "--cached-only", "--no-check", CLI];

/** The result of a command. */
export interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

/** Options for running a command. */
interface Circumstances {
  cwd?: string;
  env?: object;
  /** The content of standard input. */
  input?: string;
  /** Whether the note about unreadable attributes stays in the output. */
  keepsNotes?: boolean;
}

/** Matches the note that `snapshot` prints if attributes cannot be read. */
export const NO_XATTRS =
  /^deltar: extended attributes and ACLs are not read.*\n/gm;

/** A place in which commands run, with its own home folder. */
export class Place {
  readonly folder: string;
  /** The directory of which snapshots are taken. */
  readonly root: string;
  readonly env: Record<string, string>;
  /** The folder in which the command stores repositories. */
  readonly data: string;
  /** The folder in which the command stores the state of directories. */
  readonly cache: string;

  constructor(folder: string) {
    this.folder = folder;
    this.root = join(folder, "root");
    fs.mkdirSync(this.root);
    const home = join(folder, "home");
    [this.data, this.cache] = ["data", "cache"].map((kind) =>
      isWindows ? join(home, "deltar", kind) : join(home, kind, "deltar")
    );
    this.env = {
      PATH: process.env.PATH ?? "",
      HOME: home,
      XDG_DATA_HOME: join(home, "data"),
      XDG_CACHE_HOME: join(home, "cache"),
      ...isWindows && { LOCALAPPDATA: home, USERPROFILE: home },
      DENO_DIR: process.env.DENO_DIR ??
        join(process.env.HOME ?? folder, ".cache/deno"),
      NO_COLOR: "1",
      // Without this cache, Node would strip the types of all modules at every
      // start.
      NODE_COMPILE_CACHE: join(tmpdir(), "deltar-test-node-cache"),
    };
  }

  /** Writes files below the root. */
  write(files: Record<string, string>): void {
    for (const [path, content] of Object.entries(files)) {
      const place = join(this.root, path);
      fs.mkdirSync(join(place, ".."), { recursive: true });
      fs.writeFileSync(place, content);
    }
  }

  /** Runs the command in the root. */
  run(words: string[], more: Circumstances = {}): Outcome {
    const [program, ...args] = [...COMMAND, ...words];
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd: more.cwd ?? this.root,
      env: { ...this.env, ...more.env },
      input: more.input,
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    const err = more.keepsNotes ? stderr : stderr.replace(NO_XATTRS, "");
    return { code: status, out: stdout, err };
  }

  /** Runs the command with `--json`, and returns the printed object. */
  // deno-lint-ignore no-explicit-any
  json(words: string[], more: Circumstances = {}): any {
    const { code, out, err } = this.run([...words, "--json"], more);
    if (out.split("\n").length !== 2) {
      throw new Error(`exit ${code}, not one line of JSON: ${out}${err}`);
    }
    return { code, ...JSON.parse(out) };
  }
}

/** Runs `work` in a new place. */
export function withPlace(
  work: (place: Place) => void | Promise<void>,
): Promise<void> {
  return withTemp((folder) => work(new Place(fs.realpathSync(folder))));
}
