import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withPlace } from "../cli/helpers.ts";
import { withServer } from "./server.ts";

test("a server notices the changes of other commands to its repository", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one" });
    await withServer(place, async (host) => {
      await host.call("snapshot");
      place.write({ "a.txt": "two" });
      place.run(["snapshot", "--label", "by hand"]);
      const list = await host.call("list");
      assert.equal(list.data.count, 2);
      assert.equal(list.data.snapshots[0].label, "by hand");
      place.run(["forget", "latest~1"]);
      assert.equal((await host.call("list")).data.count, 1);
      place.write({ "a.txt": "three" });
      assert.equal((await host.call("snapshot")).data.isNew, true);

      fs.rmSync(place.data, { recursive: true });
      const status = await host.call("status");
      assert.match(status.text, /has no snapshot/);
      const first = await host.call("snapshot");
      assert.equal(first.data.isNew, true);
      assert.equal(first.data.snapshot.created, 1);
    });
    assert.equal(place.run(["verify", "--data"]).code, 0);
  });
});

test("the status names the repository of --repo before the first snapshot", async () => {
  await withPlace(async (place) => {
    const repository = join(place.folder, "elsewhere");
    await withServer(place, async (host) => {
      const { data } = await host.call("status");
      assert.equal(data.count, 0);
      assert.equal(data.repository, repository);
    }, { words: ["--repo", repository] });
  });
});

test("a server opens an encrypted repository again after its key changed", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one" });
    place.run(["snapshot", "--encrypt"]);
    await withServer(place, async (host) => {
      assert.equal((await host.call("status")).data.isEncrypted, true);
      assert.equal(place.run(["key", "rotate"]).code, 0);
      place.write({ "a.txt": "two" });
      place.run(["snapshot"]);
      assert.equal((await host.call("list")).data.count, 2);
      const { data } = await host.call("read", { path: "a.txt" });
      assert.equal(data.text, "two");
      place.write({ "a.txt": "three" });
      assert.equal((await host.call("snapshot")).data.isNew, true);
    });
    assert.equal(place.run(["verify", "--data"]).code, 0);
  });
});

test("several servers of one directory work at the same time", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one" });
    await withServer(place, async (one) => {
      await withServer(place, async (two) => {
        for (let at = 0; at < 3; at++) {
          place.write({ [`${at}.txt`]: `${at}` });
          const taken = await Promise.all(
            [one, two].map((host) => host.call("snapshot")),
          );
          for (const { isError, text } of taken) assert.ok(!isError, text);
        }
        const [first, second] = await Promise.all(
          [one, two].map((host) => host.call("list")),
        );
        assert.deepEqual(first.data, second.data);
      });
    });
    assert.equal(place.run(["verify", "--data"]).code, 0);
    assert.ok(fs.existsSync(join(place.root, "2.txt")));
  });
});

test("a server serves several directories by their names", async () => {
  await withPlace(async (place) => {
    const [a, b] = ["a", "b"].map((name) => join(place.root, name));
    place.write({ "a/x.txt": "a", "b/x.txt": "b" });
    await withServer(place, async (host) => {
      await host.call("snapshot");
      await host.call("snapshot", { directory: b });
      const one = await host.call("read", { path: "x.txt" });
      assert.equal(one.data.text, "a");
      const two = await host.call("read", { path: "x.txt", directory: b });
      assert.equal(two.data.text, "b");
      // A plan of one directory is not valid for the other.
      place.write({ "a/x.txt": "new", "b/x.txt": "new" });
      const plan = await host.call("restore", {
        directory: b,
        snapshot: "latest",
      });
      const { token } = plan.data;
      const refused = await host.call("restore", { token });
      assert.match(refused.text, /names no plan/);
      await host.call("restore", { token, directory: b });
      assert.equal(fs.readFileSync(join(b, "x.txt"), "utf8"), "b");
      assert.equal(fs.readFileSync(join(a, "x.txt"), "utf8"), "new");
    }, { words: [a, b] });
  });
});

test("deltar_status names snapshots that cannot be read", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one" });
    place.run(["snapshot"]);
    place.write({ "a.txt": "two" });
    const { id } = place.json(["snapshot"]);
    const name = fs.readdirSync(place.data, { recursive: true }).map(String)
      .find((name) => /[\\/]snapshots[\\/]/.test(name) && name.includes(id));
    fs.truncateSync(join(place.data, name ?? ""), 10);
    await withServer(place, async (host) => {
      const { data, text } = await host.call("status");
      assert.equal(data.count, 1, text);
      assert.notEqual(data.latest.id, id);
      assert.equal(data.messages.length, 1, text);
      assert.match(data.messages[0], new RegExp(id));
      assert.match(text, /^Warning: .*deltar verify --data/m);
    });
  });
});
