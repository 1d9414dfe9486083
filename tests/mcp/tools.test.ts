import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { namesBelow } from "../support/names_below.ts";
import { withPlace } from "../cli/helpers.ts";
import { withServer } from "./server.ts";

const TOOLS = [
  "deltar_diff",
  "deltar_find",
  "deltar_history",
  "deltar_list",
  "deltar_read",
  "deltar_restore",
  "deltar_snapshot",
  "deltar_status",
  "deltar_undo",
];

for (const isLegacy of [false, true]) {
  const era = isLegacy ? "the protocol before 2026" : "the newest protocol";
  test(`the official client calls every tool by ${era}`, async () => {
    await withPlace(async (place) => {
      place.write({
        "a.txt": "one\n",
        "src/b.ts": "let b = 1;\n",
        ".deltarignore": "*.log\n",
        "x.log": "",
      });
      await withServer(place, async (host) => {
        const { tools } = await host.client.listTools();
        assert.deepEqual(tools.map(({ name }) => name).sort(), TOOLS);
        for (const { name, annotations, outputSchema, description } of tools) {
          const writes = /_(?:restore|undo)$/.test(name);
          assert.equal(annotations?.destructiveHint, writes, name);
          assert.equal(
            annotations?.readOnlyHint,
            !writes && name !== "deltar_snapshot",
            name,
          );
          assert.ok(outputSchema, name);
          assert.ok((description ?? "").length > 80, name);
        }

        const none = await host.call("status");
        assert.match(none.text, /has no snapshot/);
        assert.equal(none.data.count, 0);

        const first = await host.call("snapshot", { label: "the first" });
        assert.equal(first.isError, false, first.text);
        assert.equal(first.data.isNew, true);
        const again = await host.call("snapshot");
        assert.equal(again.data.isNew, false);
        assert.equal(again.data.snapshot.id, first.data.snapshot.id);

        place.write({ "a.txt": "one\ntwo\n" });
        fs.renameSync(
          join(place.root, "src/b.ts"),
          join(place.root, "src/c.ts"),
        );
        const diff = await host.call("diff");
        assert.deepEqual(
          diff.data.changes.map(({ path }: { path: string }) => path),
          ["a.txt", "src", "src/c.ts"],
        );
        assert.match(diff.data.patch, /^\+two$/m);
        assert.match(diff.text, /> src\/b\.ts -> src\/c\.ts/);

        const second = await host.call("snapshot");
        assert.equal(second.data.isNew, true);
        const list = await host.call("list");
        assert.deepEqual(
          list.data.snapshots.map(({ id }: { id: string }) => id),
          [second.data.snapshot.id, first.data.snapshot.id],
        );
        assert.equal(list.data.snapshots[1].label, "the first");

        const history = await host.call("history", { path: "src/c.ts" });
        assert.equal(history.data.versions[0].change, "renamed");
        const found = await host.call("find", { pattern: "*.ts" });
        assert.deepEqual(
          found.data.paths.map(({ path }: { path: string }) => path),
          ["src/b.ts", "src/c.ts"],
        );
        const lost = await host.call("find", {
          pattern: "*.ts",
          deleted: true,
        });
        assert.equal(lost.data.paths.length, 1);
        const old = await host.call("read", {
          path: "a.txt",
          snapshot: "latest~1",
        });
        assert.equal(old.data.text, "one\n");

        const status = await host.call("status", { path: "x.log" });
        assert.equal(status.data.count, 2);
        assert.deepEqual(
          status.data.notProtected.map(({ path }: { path: string }) => path),
          ["x.log"],
        );
        assert.equal(status.data.path.isIncluded, false);
        assert.match(status.data.path.why, /\*\.log/);

        const plan = await host.call("restore", {
          snapshot: "the first",
          paths: ["a.txt"],
        });
        assert.equal(plan.data.isDone, false);
        assert.deepEqual(
          plan.data.steps.map(({ path }: { path: string }) => path),
          ["a.txt"],
        );
        const file = join(place.root, "a.txt");
        assert.equal(fs.readFileSync(file, "utf8"), "one\ntwo\n");
        const { token } = plan.data;
        const done = await host.call("restore", { token });
        assert.equal(done.data.isDone, true, done.text);
        assert.equal(fs.readFileSync(file, "utf8"), "one\n");
        assert.ok(fs.existsSync(join(place.root, "src/c.ts")));

        const undo = await host.call("undo");
        assert.equal(undo.data.replace, 1);
        await host.call("undo", { token: undo.data.token });
        assert.equal(fs.readFileSync(file, "utf8"), "one\ntwo\n");
        const redo = await host.call("undo", { direction: "redo" });
        assert.equal(redo.data.replace, 1);
      }, { isLegacy });
    });
  });

  test(`the user is asked before a restore by ${era}`, async () => {
    await withPlace(async (place) => {
      place.write({ "a.txt": "one\n" });
      place.run(["snapshot"]);
      place.write({ "a.txt": "two\n" });
      const file = join(place.root, "a.txt");
      let answer: object = { action: "decline" };
      await withServer(place, async (host) => {
        const plan = async () =>
          (await host.call("restore", { snapshot: "latest" })).data.token;
        const refusals = [
          { action: "decline" },
          { action: "cancel" },
          { action: "accept", content: { confirm: false } },
        ];
        for (const refusal of refusals) {
          answer = refusal;
          const refused = await host.call("restore", { token: await plan() });
          assert.ok(refused.isError);
          assert.match(refused.text, /did not agree\. Nothing was changed/);
          assert.equal(fs.readFileSync(file, "utf8"), "two\n");
        }
        answer = { action: "accept", content: { confirm: true } };
        const done = await host.call("restore", { token: await plan() });
        assert.equal(done.isError, false, done.text);
        assert.equal(fs.readFileSync(file, "utf8"), "one\n");
        assert.equal(host.questions.length, 4);
        assert.match(host.questions[0], /Restore \S+ into .*replace 1/);
      }, { isLegacy, person: () => answer });
    });
  });
}

test("a token carries out its own plan once, and only if nothing has changed", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one", "b.txt": "one", "dir/c.txt": "one" });
    place.run(["snapshot"]);
    place.write({ "a.txt": "two", "b.txt": "two" });
    await withServer(place, async (host) => {
      const plan = async (input: object = {}) =>
        (await host.call("restore", { snapshot: "latest", ...input })).data
          .token as string;
      const refuse = async (tool: string, input: object, why: RegExp) => {
        const before = namesBelow(place.root);
        const refused = await host.call(tool, input);
        assert.ok(refused.isError, refused.text);
        assert.match(refused.text, why);
        assert.match(refused.text, /Nothing was changed/);
        assert.deepEqual(namesBelow(place.root), before);
        assert.equal(read("a.txt"), "two");
      };
      const read = (path: string) =>
        fs.readFileSync(join(place.root, path), "utf8");

      await refuse("restore", { token: "0".repeat(32) }, /names no plan/);
      await refuse("undo", { token: await plan() }, /names no plan/);
      const one = await plan({ paths: ["b.txt"] });
      await refuse(
        "restore",
        { token: one, paths: ["a.txt"] },
        /paths cannot be given/,
      );
      await refuse(
        "restore",
        { token: one, snapshot: "latest" },
        /snapshot cannot be given/,
      );

      // The change does not affect the steps of the plan.
      const same = await plan({ paths: ["b.txt"] });
      place.write({ "b.txt": "new" });
      await refuse("restore", { token: same }, /files or snapshots changed/);
      assert.equal(read("b.txt"), "new");
      // The change adds a step.
      const less = await plan();
      fs.rmSync(join(place.root, "dir/c.txt"));
      await refuse("restore", { token: less }, /files or snapshots changed/);

      const paths = await plan({ paths: ["b.txt"] });
      const done = await host.call("restore", { token: paths });
      assert.equal(done.data.written, 1, done.text);
      assert.equal(read("b.txt"), "one");
      assert.equal(read("a.txt"), "two");
      await refuse("restore", { token: paths }, /names no plan/);

      // Another server does not know the plans of this one.
      const other = await plan();
      await withServer(place, async (second) => {
        const refused = await second.call("restore", { token: other });
        assert.match(refused.text, /names no plan/);
      });
    });
  });
});

test("a restore with delete removes only the paths in its plan", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one", ".deltarignore": "*.log\n" });
    place.run(["snapshot"]);
    place.write({ "b.txt": "b", "x.log": "log" });
    await withServer(place, async (host) => {
      const input = { snapshot: "latest", delete: true };
      const stale = await host.call("restore", input);
      assert.equal(stale.data.delete, 1, stale.text);
      place.write({ "new/deep/c.txt": "c" });
      const refused = await host.call("restore", { token: stale.data.token });
      assert.match(refused.text, /files or snapshots changed/);
      const deep = await host.call("restore", input);
      assert.equal(deep.data.delete, 4);
      // A folder that the plan deletes gets another file.
      place.write({ "new/deep/d.txt": "d" });
      const again = await host.call("restore", { token: deep.data.token });
      assert.match(again.text, /files or snapshots changed/);
      assert.ok(fs.existsSync(join(place.root, "new/deep/d.txt")));
      const plan = await host.call("restore", input);
      await host.call("restore", { token: plan.data.token });
      assert.deepEqual(fs.readdirSync(place.root).sort(), [
        ".deltarignore",
        "a.txt",
        "x.log",
      ]);
    });
  });
});
