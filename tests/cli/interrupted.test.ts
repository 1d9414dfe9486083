import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { generator } from "../support/faulty_storage.ts";
import { noise } from "../support/noise.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

/** The single binary, if `DELTAR_BINARY` names it. */
const command = process.env.DELTAR_BINARY
  ? [process.env.DELTAR_BINARY]
  : COMMAND;
/** How often each command is interrupted. */
const MOMENTS = process.env.SLOW ? 20 : 2;
/** How many files of 16 MiB there are: 3 GB, or 100 MB. */
const LARGE = process.env.SLOW ? 190 : 6;
const SMALL = 500;
/** How long it may take until the prompt is back, on a machine under load. */
const MOST = process.env.SLOW ? 1000 : 4000;

/** How a command ended that was interrupted. */
interface Ended {
  /** Its exit code, 130 too if the system ended it as it had just begun. */
  code: number;
  err: string;
  /** From the interrupt to its end, in milliseconds. */
  after: number;
  /** From its beginning to its end, in milliseconds. */
  whole: number;
  wasInterrupted: boolean;
}

/**
 * Runs the command and interrupts it, unless it has ended.
 *
 * @param when After how many milliseconds, or as soon as something is so.
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

/** Two snapshots of large and small files, of which the first is removed. */
function fill(place: Place, repo: string[]): void {
  const write = (name: string, seed: number) =>
    fs.writeFileSync(join(place.root, name), noise(16 << 20, seed));
  for (let n = 0; n < LARGE; n++) write(`large ${n}`, n + 1);
  for (let n = 0; n < SMALL; n++) {
    place.write({ [`folder ${n % 20}/${n}`]: `${n}\n`.repeat(100) });
  }
  assert.equal(place.run(["snapshot", ...repo]).code, 0);
  for (let n = 0; n < LARGE; n += 2) write(`large ${n}`, n + 1000);
  assert.equal(place.run(["snapshot", ...repo]).code, 0);
}

test("verify, repair, restore, copy and prune stop within moments of an interrupt, say so, and go on when they are called again [T3]", async (t) => {
  await withPlace(async (place) => {
    const chance = generator(Number(process.env.SEED ?? 1));
    const repo = ["--repo", join(place.folder, "repository")];
    fill(place, repo);
    const there = join(place.folder, "restored");
    const to = join(place.folder, "copy");
    const again = (path: string) =>
      fs.rmSync(path, { recursive: true, force: true });
    /** Whether the copy has begun to write content. */
    const isCopying = () => {
      const volumes = join(to, "volumes");
      return fs.existsSync(volumes) && fs.readdirSync(volumes).length > 0;
    };
    const work: [string[], () => void, isAmid?: () => boolean][] = [
      [["verify", "--data", ...repo], () => {}],
      [["repair", ...repo], () => {}],
      [["restore", "latest", "--to", there, ...repo], () => again(there)],
      [["copy", ...repo, "--to", to, "--init"], () => again(to), isCopying],
      [["prune", "--keep-last", "1", "--grace", "0", ...repo], () => {}],
    ];
    for (const [words, clear, isAmid] of work) {
      const [name] = words;
      // How long it takes as a whole is found out where that changes nothing.
      const whole = name === "prune"
        ? 1500
        : (await interrupt(place, words, 3_600_000)).whole;
      const waits: number[] = [];
      const moments: (() => number | (() => boolean))[] = Array(MOMENTS)
        .fill(() => whole * chance());
      if (isAmid !== undefined) moments.push(() => isAmid);
      for (const moment of moments) {
        clear();
        const when = moment();
        const ended = await interrupt(place, words, when);
        if (when === isAmid) {
          assert.equal(ended.code, 130, `${name} ended first: ${ended.err}`);
          assert.match(ended.err, /interrupted; /);
        }
        if (!ended.wasInterrupted) continue;
        waits.push(Math.round(ended.after));
        const told = `${name}: exit ${ended.code} after ${ended.after} ms: ` +
          ended.err;
        assert.ok(ended.after < MOST, told);
        // It may have been done already.
        if (ended.code === 0) continue;
        assert.equal(ended.code, 130, told);
        // One that has only just begun is ended by the system.
        if (ended.err !== "") assert.match(ended.err, /interrupted; /, told);
      }
      const next = place.run(words);
      assert.equal(next.code, 0, `${name}: ${next.err}`);
      t.diagnostic(`${name}: ${waits.join(", ")} ms of ${Math.round(whole)}`);
    }
    const verified = place.run(["verify", "--data", ...repo]);
    assert.equal(verified.code, 0, verified.out);
    const copied = place.run(["verify", "--data", "--repo", to]);
    assert.equal(copied.code, 0, copied.out);
    const large = fs.readFileSync(join(there, "large 0"));
    assert.ok(large.equals(fs.readFileSync(join(place.root, "large 0"))));
  });
});
