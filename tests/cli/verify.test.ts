import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withPlace } from "./helpers.ts";

test("verify names the damage, its effects and what was not read, and exits with 1 [T6]", async () => {
  await withPlace((place) => {
    const repo = join(place.folder, "repo");
    const words = ["--repo", repo];
    place.write({ "a.txt": "first", "sub/b.txt": "second" });
    place.run(["snapshot", ...words]);
    place.write({ "c.txt": "third" });
    const second = place.json(["snapshot", ...words]);

    const whole = place.run(["verify", "--data", ...words]);
    assert.equal(whole.code, 0, whole.err);
    assert.match(whole.out, /Verified 2 snapshots with 3 files/);
    assert.match(whole.out, /Found no damage\./);

    const volumes = join(repo, "volumes");
    const name = fs.readdirSync(volumes).sort().at(-1)!;
    const bytes = fs.readFileSync(join(volumes, name));
    bytes[30] ^= 1;
    fs.writeFileSync(join(volumes, name), bytes);
    assert.equal(place.json(["verify", ...words]).code, 0);
    const names = place.run(["verify", ...words]);
    assert.match(
      names.out,
      /\nFound no damage\. To check contents too, use --data\.\n$/,
    );
    const harmed = place.json(["verify", "--data", ...words]);
    assert.equal(harmed.code, 1);
    assert.deepEqual(harmed.damage, [{
      object: `volumes/${name}`,
      kind: "content",
      message: "the object's SHA-256 differs from the recorded one",
      unreadable: false,
      lost: [],
      needing: [second.id],
      files: [{ path: "c.txt", snapshots: [second.id] }],
    }]);
    const told = place.run(["verify", "--data", ...words]);
    assert.equal(told.code, 1);
    assert.match(told.out, /c\.txt {2}in 2/);
    assert.match(
      told.out,
      /next: `deltar repair` .*; then take a snapshot/,
    );
    const partly = place.run([
      "restore",
      "latest",
      "--to",
      "../part",
      ...words,
    ]);
    assert.equal(partly.code, 3);
    assert.match(
      partly.err,
      /^deltar: c\.txt was not .*\ndeltar: `deltar verify/,
    );
    const unread = place.run(["cat", "latest", "c.txt", ...words]);
    assert.match(
      unread.err,
      /^deltar: volumes\/.*\n {2}in .*\/repo\n {2}`deltar verify --data` shows/,
    );

    const planned = place.json(["repair", "--dry-run", ...words]);
    assert.equal(planned.code, 3);
    assert.deepEqual(planned.replaced[0].lost, ["c.txt"]);
    assert.equal(place.json(["verify", "--data", ...words]).code, 1);
    const repaired = place.run(["repair", ...words]);
    assert.equal(repaired.code, 3, repaired.err);
    assert.match(repaired.out, /lost: c\.txt/);
    assert.equal(place.json(["verify", "--data", ...words]).code, 0);
    const healed = place.json(["snapshot", ...words]);
    assert.equal(healed.counts.created, 1);
    assert.match(place.run(["repair", ...words]).out, /Nothing is damaged/);

    // Everything can still be restored without the settings.
    fs.rmSync(join(repo, "deltar.json"));
    assert.equal(place.json(["verify", ...words]).code, 1);
    const restored = place.run(
      ["restore", "latest~2", "--to", join(place.folder, "to"), ...words],
    );
    assert.equal(restored.code, 0, restored.err);
    assert.match(restored.err, /deltar repair/);
    const refused = place.run(["snapshot", ...words]);
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      /^deltar: deltar\.json: the object does not exist\n {2}in the/,
    );
    assert.match(refused.err, /`deltar repair` writes the settings again\n$/);
    assert.equal(
      fs.readFileSync(join(place.folder, "to/sub/b.txt"), "utf8"),
      "second",
    );
  });
});

test("verify names a lost record, and a copy brings it back", async () => {
  await withPlace((place) => {
    const [repo, other] = ["repo", "other"].map((name) =>
      join(place.folder, name)
    );
    const words = ["--repo", repo];
    place.write({ "a.txt": "first" });
    place.run(["snapshot", ...words]);
    place.write({ "b.txt": "second" });
    const { id } = place.json(["snapshot", ...words]);
    place.run(["copy", ...words, "--to", other]);
    fs.rmSync(join(repo, `snapshots/${id}.json`));
    const cut = place.run(["verify", ...words]);
    assert.equal(cut.code, 0);
    assert.match(cut.out, new RegExp(`^snapshots/${id}\\.json: missing, but `));
    assert.match(cut.out, /interrupted .* or the record was lost/);
    assert.match(cut.out, /next: .*`deltar copy`/);
    assert.doesNotMatch(cut.out, /no snapshot needs/);
    // Now a note shows that the record existed.
    fs.mkdirSync(join(repo, "labels"), { recursive: true });
    fs.writeFileSync(join(repo, `labels/${id}.${id}.json`), "");
    const lost = place.run(["verify", ...words]);
    assert.equal(lost.code, 1);
    assert.match(lost.out, /so the snapshot cannot be read/);
    fs.rmSync(join(repo, `labels/${id}.${id}.json`));
    place.run(["copy", "--repo", other, "--to", repo]);
    const back = place.run(["verify", "--data", ...words]);
    assert.equal(back.code, 0, back.out);
    assert.match(
      back.out,
      /Verified 2 snapshots .*\nFound no damage\.\n$/,
    );
  });
});
