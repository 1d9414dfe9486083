import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withPlace } from "./helpers.ts";

test("backup runs the named backups with their options", async () => {
  await withPlace((place) => {
    place.write({ "a.txt": "a", "b.iso": "b" });
    const config = join(place.folder, "config.json");
    const write = (value: unknown) =>
      fs.writeFileSync(config, JSON.stringify(value));
    const run = (...words: string[]) =>
      place.run(["backup", "--config", config, ...words]);
    write({
      backups: {
        gone: { directory: "nowhere" },
        root: {
          directory: "root",
          repo: "backups",
          snapshot: { exclude: ["*.iso"], label: "nightly" },
        },
      },
    });
    assert.equal(run("--list").out, "gone\nroot\n");
    const dry = run("root", "--dry-run");
    assert.equal(dry.code, 0, dry.err);
    assert.match(
      dry.out,
      /^deltar snapshot \S+root'? '?--repo=\S+backups'? '--excl/,
    );
    assert.ok(!fs.existsSync(join(place.folder, "backups")));
    // A failed backup is reported, and the other backups still run.
    const all = run();
    assert.equal(all.code, 1);
    assert.match(all.err, /nowhere: no such directory/);
    const { snapshots } = place.json(["list", "--repo", "../backups"]);
    assert.equal(snapshots.length, 1);
    assert.equal(snapshots[0].label, "nightly");
    const files = place.run(["files", "latest", "--repo", "../backups"]);
    assert.match(files.out, /a\.txt/);
    assert.doesNotMatch(files.out, /b\.iso/);
  });
});

test("backup does not apply --quiet of one command to later commands", async () => {
  await withPlace((place) => {
    place.write({ "a.txt": "a" });
    const config = join(place.folder, "config.json");
    const backup = (repo: string, quiet: boolean) => ({
      directory: "root",
      repo,
      snapshot: { quiet },
    });
    fs.writeFileSync(
      config,
      JSON.stringify({
        backups: { one: backup("1", true), two: backup("2", false) },
      }),
    );
    const { code, out, err } = place.run(["backup", "--config", config]);
    assert.equal(code, 0, err);
    assert.equal(out.match(/^ {2}found /gm)?.length, 1, out);
  });
});

test("backup names the location of an error in the configuration", async () => {
  await withPlace((place) => {
    const config = join(place.folder, "config.json");
    const cases: [string, RegExp][] = [
      ["{", /not JSON/],
      ["[]", /not a JSON object/],
      ["{}", /missing object "backups"/],
      [
        '{"backups": {"a b": {}}}',
        /backup "a b": the name may have only letters/,
      ],
      [
        '{"backups": {"a": {}}}',
        /backup "a": "directory" must be a non-empty string/,
      ],
      [
        '{"backups": {"a": {"directory": ""}}}',
        /"directory" must be a non-empty string/,
      ],
      [
        '{"backups": {"a": {"directory": ".", "repo": ""}}}',
        /"repo" must be a non-empty string: ""/,
      ],
      [
        '{"backups": {"a": {"directory": ".", "exclude": []}}}',
        /unknown key "exclude"; the keys are directory, repo, snapshot, prune/,
      ],
      [
        '{"backups": {"a": {"directory": ".", "snapshot": {"labl": "x"}}}}',
        /"snapshot" has no option "labl" in a configuration; the options are .*label/,
      ],
      [
        '{"backups": {"a": {"directory": ".", "snapshot": {"label": true}}}}',
        /"snapshot\.label" cannot be true/,
      ],
      ['{"backups": {}}', /"backups" is empty/],
      // Otherwise, these errors would appear only during the scheduled run at
      // night.
      [
        '{"backups": {"a": {"directory": ".", "snapshot": {"maxSize": 20}}}}',
        /"snapshot\.maxSize" cannot be 20: Use a size such as 500M/,
      ],
      [
        '{"backups": {"a": {"directory": ".", "prune": {"keepWithin": "7"}}}}',
        /"prune\.keepWithin" cannot be "7": Use a duration such as 12h/,
      ],
    ];
    for (const [text, message] of cases) {
      fs.writeFileSync(config, text);
      const { code, err } = place.run(["backup", "--config", config]);
      assert.equal(code, 1, text);
      assert.match(err, message);
      assert.ok(err.includes(config));
    }
    const none = place.run(["backup", "--config", join(place.folder, "none")]);
    assert.equal(none.code, 1);
    assert.match(none.err, /missing configuration; write one/);
  });
});
