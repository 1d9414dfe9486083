import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { withPlace } from "./helpers.ts";

/** Replaces the settings with those of another repository. */
function changeSettings(
  repo: string,
  change: (header: Record<string, unknown>) => Record<string, unknown>,
): void {
  const file = join(repo, "deltar.json");
  const [line] = fs.readFileSync(file, "utf8").split("\n");
  const text = `${JSON.stringify(change(JSON.parse(line)))}\n`;
  const sha256 = createHash("sha256").update(text).digest("hex");
  fs.writeFileSync(file, `${text}${JSON.stringify({ sha256 })}\n`);
}

test("an encrypted repository is not replaced without the user's knowledge", async () => {
  await withPlace((place) => {
    const repo = join(place.folder, "repo");
    const good = join(place.folder, "good");
    const words = ["--repo", repo];
    place.write({ a: "secret text" });
    place.run(["snapshot", "--encrypt", ...words]);
    fs.cpSync(repo, good, { recursive: true });
    const back = () => {
      fs.rmSync(repo, { recursive: true, force: true });
      fs.cpSync(good, repo, { recursive: true });
    };
    const refused = (pattern: RegExp) => {
      for (const command of ["snapshot", "list"]) {
        const before = fs.readdirSync(repo, { recursive: true }).length;
        const { code, err } = place.run([command, ...words]);
        assert.equal(code, 1, command);
        assert.match(err, pattern, command);
        const after = fs.readdirSync(repo, { recursive: true }).length;
        assert.equal(after, before, `${command} stored something`);
      }
    };
    changeSettings(repo, ({ encryption: _, ...header }) => ({
      ...header,
      version: 1,
    }));
    refused(
      /was encrypted when it was first opened, and is not encrypted now.*delete \S+pins/s,
    );
    back();
    changeSettings(repo, (header) => ({ ...header, id: "another" }));
    refused(/key file is \S+, but the id in deltar\.json is another/);
    back();
    // The operator of the storage knows the user's recipient.
    const other = join(place.folder, "other");
    place.run(["init", "--encrypt", "--repo", other]);
    fs.rmSync(repo, { recursive: true });
    fs.cpSync(other, repo, { recursive: true });
    refused(/for a different recipient than when it was first opened/);
    back();
    assert.equal(place.run(["list", ...words]).code, 0);
    // A deleted repository is created again with encryption.
    fs.rmSync(repo, { recursive: true });
    assert.equal(place.run(["snapshot", ...words]).code, 0);
    const all = fs.readdirSync(repo, { recursive: true, encoding: "utf8" })
      .map((name) => join(repo, name))
      .filter((file) => fs.statSync(file).isFile());
    assert.ok(all.length > 3);
    for (const file of all) {
      assert.ok(!fs.readFileSync(file).includes("secret text"));
      assert.match(file, /\.age$|deltar\.json$|\/manifests\//);
    }
    assert.equal(place.run(["list", ...words]).code, 0);
  });
});

test("pin() replaces a pin atomically, even while it is read", async () => {
  const { pin, pinFile, pinnedAt } = await import("../../shared/pins.ts");
  await withPlace(({ folder }) => {
    const before = process.env.XDG_STATE_HOME;
    process.env.XDG_STATE_HOME = folder;
    try {
      const one = { recipient: "a".repeat(64), admin: "b", id: "c" };
      const two = { recipient: "d".repeat(64), admin: "e", id: "f" };
      pin("place", one);
      const open = fs.openSync(pinFile("place"), "r");
      pin("place", two);
      // A process that opened the file earlier reads the earlier pin.
      assert.match(fs.readFileSync(open, "utf8"), /^a{64}\nb\nc\n$/);
      fs.closeSync(open);
      assert.deepEqual(pinnedAt("place"), two);
      assert.deepEqual(fs.readdirSync(join(pinFile("place"), "..")), ["place"]);
    } finally {
      if (before === undefined) delete process.env.XDG_STATE_HOME;
      else process.env.XDG_STATE_HOME = before;
    }
  });
});
