import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Attacked } from "../support/attacker.ts";
import { makeBinary } from "../support/binary.ts";
import { needs } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const ROUNDS = process.env.SLOW ? 200 : 12;

/** The single binary, which works in a folder that an attacker changes. */
class Victim {
  readonly attacked: Attacked;
  readonly #binary: string;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#binary = makeBinary(folder);
    this.attacked = new Attacked(folder);
  }

  /**
   * Runs a command, which may fail, but must not crash or reveal anything from
   * outside the folder.
   *
   * @returns The printed JSON, or `undefined` if the command failed.
   */
  // deno-lint-ignore no-explicit-any
  run(...words: string[]): any {
    const { status, signal, stdout, stderr } = spawnSync(
      this.#binary,
      [...words, "--repo", join(this.#folder, "repository"), "--json"],
      {
        cwd: this.attacked.root,
        env: { HOME: join(this.#folder, "home"), PATH: "/nowhere" },
        encoding: "utf8",
        timeout: 60_000,
      },
    );
    const said = `${words} exited with ${status ?? signal}: ${stdout}${stderr}`;
    assert.ok(status !== null && [0, 1, 3].includes(status), said);
    assert.doesNotMatch(stderr, /^ +at /m);
    Attacked.assertUntold(said);
    return status === 1 ? undefined : JSON.parse(stdout);
  }

  /**
   * Asserts that a snapshot has nothing from outside the folder. Returns its
   * paths.
   */
  check(id: string): string[] {
    const { entries } = this.run("files", id);
    Attacked.assertInside(entries);
    this.run("files", id, "--skipped");
    return entries.map(({ path }: { path: string }) => path);
  }
}

test(
  "snapshots of the binary contain nothing from outside while folders and files are replaced with links [A4] [A5]",
  needs("perl"),
  async () => {
    await withTemp(async (folder) => {
      const victim = new Victim(folder);
      const seen = new Set<string>();
      let taken = 0;
      await victim.attacked.begin();
      try {
        for (let round = 0; round < ROUNDS; round++) {
          // The label makes a snapshot even if nothing has changed.
          const done = victim.run("snapshot", "--label", `${round}`);
          if (done === undefined) continue;
          taken++;
          victim.check(done.id).forEach((path) => seen.add(path));
        }
      } finally {
        await victim.attacked.end();
      }
      // The attack took place.
      assert.ok(taken > ROUNDS / 2, `${taken} of ${ROUNDS} snapshots`);
      assert.ok(seen.has("other/4") && seen.has("dir/below/5"));
    });
  },
);

test(
  "restores and undos of the binary change nothing outside while folders, files and temporary files are replaced with links [A2]",
  needs("perl"),
  async () => {
    await withTemp(async (folder) => {
      const victim = new Victim(folder);
      const { attacked } = victim;
      for (const name of ["dir/1", "other/3"]) {
        fs.chmodSync(join(attacked.root, name), 0o4755);
      }
      const { id } = victim.run("snapshot");
      const outside = attacked.outsideState();
      const restore = ["restore", id, "--in-place"];
      let restored = 0;
      await attacked.begin(true);
      try {
        for (let round = 0; round < ROUNDS; round++) {
          const more = round % 2 === 0 ? ["--delete"] : [];
          const done = victim.run(...restore, ...more);
          assert.deepEqual(attacked.outsideState(), outside);
          restored += done?.files ?? 0;
          if (done?.safety !== undefined) victim.check(done.safety);
          if (round % 4 !== 3) continue;
          const undone = victim.run("undo");
          assert.deepEqual(attacked.outsideState(), outside);
          if (undone?.safety !== undefined) victim.check(undone.safety);
        }
      } finally {
        await attacked.end();
      }
      assert.ok(restored > ROUNDS, `${restored} files were restored`);
      for (const name of fs.readdirSync(attacked.root)) {
        const place = join(attacked.root, name);
        fs.rmSync(place, { recursive: true, force: true });
      }
      assert.deepEqual(victim.run(...restore).failed, []);
      assert.deepEqual(attacked.outsideState(), outside);
      victim.run("snapshot", "--label", "restored");
      assert.deepEqual(victim.check("restored"), victim.check(id));
    });
  },
);
