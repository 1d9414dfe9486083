import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withPlace } from "./helpers.ts";

test("doctor reports no fault, or names each fault", async () => {
  await withPlace((place) => {
    const states = (): Record<string, unknown> => {
      const { code, findings } = place.json(["doctor", "--repo", "../backups"]);
      const found = findings.map(({ check, state }: Record<string, string>) =>
        [check, state] as const
      );
      return { code, ...Object.fromEntries(found) };
    };
    assert.equal(states().repository, "failed");
    place.write({ a: "a" });
    place.run(["snapshot", "--repo", "../backups"]);
    const well = states();
    assert.equal(well.code, 0);
    assert.equal(well.compression, "ok");
    assert.equal(well.repository, "ok");
    assert.equal(well["conditional write"], "ok");
    const shown = place.run(["doctor", "--repo", "../backups"]);
    assert.match(shown.out, /^ok +repository +1 snapshot in \S+backups$/m);

    const folder = join(place.folder, "backups/snapshots");
    const [record] = fs.readdirSync(folder);
    fs.appendFileSync(join(folder, record), "x");
    const ill = states();
    assert.equal(ill.code, 1);
    assert.equal(ill.repository, "failed");

    // Nothing can be stored in this home folder.
    const home = join(place.folder, "file");
    fs.writeFileSync(home, "");
    const env = {
      LOCALAPPDATA: home,
      XDG_DATA_HOME: home,
      XDG_CACHE_HOME: home,
    };
    const { code, out } = place.run(["doctor"], { env });
    assert.equal(code, 1);
    assert.match(out, /^failed +data folder +cannot write to \S+:/m);
  });
});
