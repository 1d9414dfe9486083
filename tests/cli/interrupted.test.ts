import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { generator } from "../support/faulty_storage.ts";
import { noise } from "../support/noise.ts";
import { runText } from "../support/peer.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

/** The single binary, if `DELTAR_BINARY` names it. */
const command = process.env.DELTAR_BINARY
  ? [process.env.DELTAR_BINARY]
  : COMMAND;
/** The number of times that each command is interrupted. */
const MOMENTS = process.env.SLOW ? 20 : 2;
/** The length of the pieces of content, and the size of most files, in MiB. */
const PIECE = 16;
/** The sizes of the files in the tree: 3 GB in total, or 100 MB. */
const HUGE = process.env.SLOW
  ? { count: 7, length: 300 }
  : { count: 1, length: 40 };
const LARGE = process.env.SLOW ? 56 : 4;
const SMALL = process.env.SLOW ? 3000 : 300;
/**
 * The names of the commands to interrupt, separated by commas. Default: all.
 */
const ONLY = process.env.ONLY?.split(",");
/**
 * The maximum time from the interrupt to the end of the command on a busy
 * machine, in milliseconds.
 */
const MOST = process.env.SLOW ? 1000 : 4000;

/** The result of an interrupted command. */
interface Ended {
  /**
   * The exit code. It is also 130 if the system ended a command that had just
   * begun.
   */
  code: number;
  err: string;
  /** The time from the interrupt to the end, in milliseconds. */
  after: number;
  /** The time from the start to the end, in milliseconds. */
  whole: number;
  wasInterrupted: boolean;
}

/**
 * Runs the command and interrupts it, unless it has ended before.
 *
 * @param when The time of the interrupt, in milliseconds after the start, or a
 * function that returns `true` when the command is to be interrupted.
 */
function interrupt(
  place: Place,
  words: string[],
  when: number | (() => boolean),
): Promise<Ended> {
  const [program, ...args] = [...command, ...words];
  const begun = performance.now();
  const child = spawn(program, args, {
    cwd: place.root,
    env: place.env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let err = "";
  child.stderr.setEncoding("utf8").on("data", (text) => err += text);
  return new Promise((resolve) => {
    let at: number | undefined;
    const timer = setInterval(() => {
      const isDue = typeof when === "number"
        ? performance.now() - begun >= when
        : when();
      if (!isDue) return;
      clearInterval(timer);
      at = performance.now();
      child.kill("SIGINT");
    }, 1);
    child.on("close", (code, signal) => {
      clearInterval(timer);
      const now = performance.now();
      resolve({
        code: signal === "SIGINT" ? 130 : code ?? -1,
        err,
        after: at === undefined ? 0 : now - at,
        whole: now - begun,
        wasInterrupted: at !== undefined,
      });
    });
  });
}

/** Writes a file of the given length in MiB, in pieces. */
function writeLarge(place: string, length: number, seed: number): void {
  const fd = fs.openSync(place, "w");
  try {
    for (let at = 0; at < length; at += PIECE) {
      const size = Math.min(PIECE, length - at);
      fs.writeSync(fd, noise(size << 20, seed + at));
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** Takes two snapshots of large and small files, most of which differ. */
function fill(place: Place, repo: string[]): void {
  const snapshot = () => {
    const { code, err } = place.run(["snapshot", ...repo]);
    assert.equal(code, 0, err);
  };
  const write = (n: number, seed: number) => {
    const length = n < HUGE.count ? HUGE.length : PIECE;
    writeLarge(join(place.root, `large ${n}`), length, seed);
  };
  for (let n = 0; n < HUGE.count + LARGE; n++) write(n, 1000 * (n + 1));
  for (let n = 0; n < SMALL; n++) {
    const bytes = noise(1 + n * 7919 % 20_000, n + 1);
    const folder = join(place.root, `folder ${n % 20}`);
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(join(folder, `${n}`), bytes);
  }
  snapshot();
  // Without the first snapshot, less than half of its volumes is needed.
  for (let n = 0; n < HUGE.count + LARGE; n++) {
    if (n % 4 !== 3) write(n, 1000 * (n + 1) + 1);
  }
  snapshot();
}

/** Flips a bit of each of the two largest objects in a repository. */
function damage(repository: string): void {
  const volumes = join(repository, "volumes");
  const sizes = fs.readdirSync(volumes)
    .map((name) => ({ name, size: fs.statSync(join(volumes, name)).size }))
    .sort((left, right) => right.size - left.size);
  for (const { name, size } of sizes.slice(0, 2)) {
    const object = join(volumes, name);
    // The object may be linked to the object of another repository.
    const bytes = fs.readFileSync(object);
    bytes[size >> 1] ^= 1;
    fs.rmSync(object);
    fs.writeFileSync(object, bytes);
  }
}

/** A command to interrupt. */
interface Work {
  name: string;
  /** Returns the arguments. Called once before each interrupt. */
  words: () => string[];
  /** Returns whether the command is in the middle of its work. */
  isAmid?: () => boolean;
  /** The exit code if the command completes. Default: 0. */
  code?: number;
  /** Called after the command has completed. */
  check?: () => void;
}

test("verify, repair, restore, copy and prune stop soon after an interrupt, say so, and continue when they run again [T3]", async (t) => {
  await withPlace(async (place) => {
    const { folder } = place;
    const chance = generator(Number(process.env.SEED ?? 1));
    const original = join(folder, "repository");
    const repo = ["--repo", original];
    fill(place, repo);
    const clear = (path: string) =>
      fs.rmSync(path, { recursive: true, force: true });
    /**
     * Returns a copy of the repository. Objects never change, so the copy has
     * links to them.
     */
    const another = (name: string) => {
      const path = join(folder, name);
      clear(path);
      runText("cp", ["-al", original, path]);
      return path;
    };
    const [there, over, copy] = ["restored", "over", "copy"].map((name) =>
      join(folder, name)
    );
    const restore = (snapshot: string, to: string, repository = original) => {
      return ["restore", snapshot, "--to", to, "--repo", repository];
    };
    const prune = (repository: string) => {
      const rules = ["--keep-last", "1", "--grace", "0"];
      return ["prune", ...rules, "--repo", repository];
    };
    const isSound = (repository: string) => {
      const words = ["verify", "--data", "--repo", repository];
      const { code, out, err } = place.run(words);
      assert.equal(code, 0, out + err);
    };
    const isRestored = (path: string) => {
      for (const name of ["large 0", "large 3", "folder 3/3"]) {
        const [now, wanted] = [path, place.root]
          .map((folder) => fs.readFileSync(join(folder, name)));
        assert.ok(now.equals(wanted), `${path}: ${name}`);
      }
    };
    let turn = 0;
    const works: Work[] = [
      { name: "verify", words: () => ["verify", "--data", ...repo] },
      {
        name: "restore",
        words: () => (clear(there), restore("latest", there)),
        check: () => isRestored(there),
      },
      {
        name: "restore over files",
        words() {
          const snapshot = turn++ % 2 === 0 ? "latest" : "latest~1";
          return restore(snapshot, over, another("with safety snapshots"));
        },
        check() {
          assert.equal(place.run(restore("latest", over)).code, 0);
          isRestored(over);
        },
      },
      {
        name: "copy",
        words() {
          clear(copy);
          return ["copy", ...repo, "--to", copy, "--init"];
        },
        isAmid() {
          const volumes = join(copy, "volumes");
          return fs.existsSync(volumes) && fs.readdirSync(volumes).length > 0;
        },
        check: () => isSound(copy),
      },
      {
        name: "repair",
        words() {
          const path = another("damaged");
          damage(path);
          return ["repair", "--repo", path];
        },
        // The command names the lost files.
        code: 3,
        check: () => isSound(join(folder, "damaged")),
      },
      {
        name: "prune",
        words: () => prune(another("pruned")),
        check() {
          isSound(join(folder, "pruned"));
          const { repacked } = place.json(prune(another("pruned")));
          assert.ok(repacked > 0, `${repacked} volumes were repacked`);
        },
      },
    ];
    for (const { name, words, isAmid, code = 0, check } of works) {
      if (ONLY && !ONLY.includes(name)) continue;
      const first = await interrupt(place, words(), 3_600_000);
      assert.equal(first.code, code, first.err);
      const { whole } = first;
      const waits: number[] = [];
      const moments: (number | (() => boolean))[] = Array
        .from({ length: MOMENTS }, () => whole * chance());
      if (isAmid !== undefined) moments.push(isAmid);
      for (const when of moments) {
        const line = words();
        const ended = await interrupt(place, line, when);
        if (when === isAmid) {
          assert.equal(ended.code, 130, `${name} ended first: ${ended.err}`);
          assert.match(ended.err, /interrupted; /);
        }
        if (ended.wasInterrupted) {
          waits.push(Math.round(ended.after));
          const told = `${name}: exit ${ended.code} after ${ended.after} ms ` +
            `(interrupted after ${ended.whole - ended.after}): ${ended.err}`;
          assert.ok(ended.after < MOST, told);
          // The command may already have completed.
          if (ended.code !== code) {
            assert.equal(ended.code, 130, told);
            // The system ends a command that has only just begun.
            if (ended.err !== "") {
              assert.match(ended.err, /interrupted; /, told);
            }
          }
        }
        const next = await interrupt(place, line, 3_600_000);
        // If the first run completed, the second one prints nothing.
        assert.ok([0, code].includes(next.code), `${name}: ${next.err}`);
      }
      check?.();
      t.diagnostic(
        `${name}: ${waits.join(", ")} ms of ${Math.round(whole)}, load ` +
          loadavg().map((load) => load.toFixed(1)).join(" "),
      );
    }
  });
});
