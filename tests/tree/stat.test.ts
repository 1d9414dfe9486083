import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { needs, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const host = globalThis as { Deno?: unknown; Bun?: unknown };
const exact = process.platform === "linux" &&
  (host.Deno !== undefined || host.Bun !== undefined);

const TIMES = [
  0n,
  1n,
  -1n,
  -1_000_000_000n,
  -1_500_000_000n,
  -2_000_000_001n,
  1_234_567_890_123_456_789n,
  1_700_000_000_999_999_999n,
  4_294_967_296_000_000_001n,
];

test("times are set and read to the nanosecond", needs("stat"), async () => {
  await withTemp((folder) => {
    const names = ["file", "dir", "link", "d\u00e9j\u00e0 \u{1f600}"];
    fs.writeFileSync(join(folder, "file"), "");
    fs.mkdirSync(join(folder, "dir"));
    fs.symlinkSync("nowhere", join(folder, "link"));
    fs.writeFileSync(join(folder, names[3]), "");
    for (const name of names) {
      const place = join(folder, name);
      for (const time of TIMES) {
        setTimes(place, time);
        const { mtime } = lstat(place);
        const off = mtime > time ? mtime - time : time - mtime;
        assert.ok(off <= (exact ? 0n : 1000n), `${name}: ${time} as ${mtime}`);
        const [shown] = runText("stat", ["-c", "%.9Y", place]).split("\n");
        assert.equal(mtime, nanoseconds(shown), name);
      }
    }
    assert.throws(() => setTimes(join(folder, "absent"), 0n), {
      code: "ENOENT",
    });
    assert.throws(() => lstat(join(folder, "absent")), { code: "ENOENT" });
  });
});

/** Returns a number that `stat` printed. */
function nanoseconds(text: string): bigint {
  const [seconds, rest] = text.replace("-", "").split(".");
  const time = BigInt(seconds + rest);
  return text.startsWith("-") ? -time : time;
}

test(
  "the fields of a state agree with those of stat",
  needs("stat"),
  async () => {
    await withTemp((folder) => {
      const place = join(folder, "file");
      fs.writeFileSync(place, "12345");
      fs.chmodSync(place, 0o4751);
      fs.linkSync(place, join(folder, "other"));
      const stat = lstat(place);
      const [shown] = runText("stat", [
        "-c",
        "%a %s %u %g %i %h %.9Y %.9Z",
        place,
      ]).split("\n");
      const { mode, size, uid, gid, inode, links, mtime, ctime } = stat;
      const [modeShown, ...numbers] = shown.split(" ");
      assert.equal(mode.toString(8), modeShown);
      assert.deepEqual(
        numbers.slice(0, 5),
        [size, uid, gid, inode, links].map(String),
      );
      assert.deepEqual(numbers.slice(5).map(nanoseconds), [mtime, ctime]);
      assert.equal(stat.kind, "file");
    });
  },
);

test("long paths and unusual names have a state", async () => {
  await withTemp((folder) => {
    let place = folder;
    while (place.length < 3700) {
      place = join(place, "n".repeat(200));
      fs.mkdirSync(place);
    }
    assert.equal(lstat(place).kind, "directory");
    setTimes(place, 5n);
    for (const bad of ["x".repeat(5000), `${folder}/a\0b`]) {
      assert.throws(() => lstat(bad));
      assert.throws(() => setTimes(bad, 0n));
    }
  });
});
