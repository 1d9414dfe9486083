import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { LocalStorage, Repository } from "../../mod.ts";
import { generator } from "../support/faulty_storage.ts";
import { noise } from "../support/noise.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

/** The single binary, if `DELTAR_BINARY` names it. */
const command = process.env.DELTAR_BINARY
  ? [process.env.DELTAR_BINARY]
  : COMMAND;
const ROUNDS = process.env.SLOW ? 100 : 4;

/** Runs the command and kills it after a while, unless it has ended before. */
function runKilled(
  place: Place,
  words: string[],
  after: number,
): Promise<boolean> {
  const [program, ...args] = [...command, ...words];
  const child = spawn(program, args, {
    cwd: place.root,
    env: place.env,
    stdio: "ignore",
  });
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), after);
    child.on("exit", (_, signal) => {
      clearTimeout(timer);
      resolve(signal === "SIGKILL");
    });
  });
}

test("snapshots and prunes that are killed at any time leave an intact repository", async () => {
  await withPlace(async (place) => {
    const chance = generator(Number(process.env.SEED ?? 1));
    const folder = join(place.folder, "repository");
    const repo = ["--repo", folder];
    const text = (seed: number) =>
      Array.from(noise(30_000, seed), (byte) => byte.toString(36)).join("");
    for (let at = 0; at < 10; at++) place.write({ [`${at}`]: text(at + 1) });
    const begun = performance.now();
    place.run(["snapshot", ...repo]);
    const whole = 1.2 * (performance.now() - begun);
    let killed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const seed = 100 + round;
      place.write({ [`${round % 12}`]: text(seed), new: text(seed + 1000) });
      const after = () => whole * chance();
      if (await runKilled(place, ["snapshot", ...repo], after())) killed++;
      const rules = ["--keep-last", "3", "--grace", "0"];
      if (await runKilled(place, ["prune", ...rules, ...repo], after())) {
        killed++;
      }
      const repository = await Repository.open(new LocalStorage(folder));
      const { damage } = await repository.verify({ data: true });
      assert.deepEqual(damage, [], `round ${round}`);
      assert.ok((await repository.snapshots()).length > 0);
    }
    if (process.env.SLOW) assert.ok(killed > ROUNDS / 4, `${killed} killed`);
    // The lease of the killed prune is recognized as abandoned.
    const pruned = place.run(["prune", "--keep-last", "1", ...repo]);
    assert.equal(pruned.code, 0, pruned.err);
    assert.equal(pruned.err, "");
    const last = place.run(["snapshot", ...repo]);
    assert.equal(last.code, 0, last.err);
    const restore = ["restore", "latest", ...repo, "--to", "../back"];
    assert.equal(place.run(restore).code, 0);
  });
});
