import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { withPlace } from "./helpers.ts";

/** Skips on Windows, which has no such modes. */
const POSIX = { skip: process.platform === "win32" && "needs POSIX" };

function modeOf(place: string): string {
  return (fs.statSync(place).mode & 0o7777).toString(8);
}

test(
  "snapshot creates a closed repository, or a shared one if requested [A3]",
  POSIX,
  async () => {
    await withPlace((place) => {
      place.write({ a: "content" });
      const cases = {
        "closed": { words: [], folder: "700", file: "600" },
        "read": { words: ["--shared"], folder: "2750", file: "640" },
        "written": { words: ["--shared-write"], folder: "2770", file: "660" },
      };
      for (const [name, { words, folder, file }] of Object.entries(cases)) {
        const repo = join(place.folder, name);
        const { code, err } = place.run(
          ["snapshot", "--repo", repo, ...words],
          {
            cwd: place.root,
          },
        );
        assert.equal(code, 0, err);
        assert.equal(modeOf(repo), folder);
        assert.equal(modeOf(join(repo, "snapshots")), folder);
        assert.equal(modeOf(join(repo, "deltar.json")), file);
        const copy = join(place.folder, `copy-${name}`);
        const copied = place
          .run(["copy", "--repo", repo, "--to", copy, ...words]);
        assert.equal(copied.code, 0, copied.err);
        assert.equal(modeOf(join(copy, "volumes")), folder);
      }
      const { code, err } = place
        .run(["snapshot", place.root, "--repo", "s3://x/y", "--shared"]);
      assert.notEqual(code, 0, err);
    });
  },
);

test(
  "the default repository and the remembered state are closed [A3]",
  POSIX,
  async () => {
    await withPlace((place) => {
      place.write({ a: "content" });
      assert.equal(place.run(["snapshot"], { cwd: place.root }).code, 0);
      const cache = join(place.env.XDG_CACHE_HOME, "deltar");
      const names = fs.readdirSync(cache, { recursive: true }) as string[];
      const states = names.filter((name) => name.endsWith(".state"));
      assert.equal(states.length, 1);
      assert.equal(modeOf(join(cache, states[0])), "600");
      const data = join(place.env.XDG_DATA_HOME, "deltar");
      const settings = (fs.readdirSync(data, { recursive: true }) as string[])
        .filter((name) => name.endsWith("deltar.json"));
      assert.equal(settings.length, 1);
      assert.equal(modeOf(join(data, settings[0])), "600");
      assert.equal(modeOf(join(data, settings[0], "..")), "700");
    });
  },
);
