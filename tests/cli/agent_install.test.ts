import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needsPosix } from "../support/system.ts";
import { withPlace } from "./helpers.ts";

const FILES: Record<string, string> = {
  "claude-code": ".claude/settings.json",
  "codex": ".codex/hooks.json",
  "gemini-cli": ".gemini/settings.json",
  "cursor": ".cursor/hooks.json",
};

const TEXTS = [
  "",
  "{}",
  '\uFEFF{\r\n\t// mine\r\n\t"a": 1, // one\r\n}\r\n',
  '{"hooks": {"Stop": [{"hooks": []}], "stop": []}}',
];

test("agent uninstall brings files back byte for byte", async () => {
  await withPlace((place) => {
    for (const text of [undefined, ...TEXTS]) {
      for (const [name, path] of Object.entries(FILES)) {
        if (text !== undefined) place.write({ [path]: text });
        const file = join(place.root, path);
        const read = () =>
          fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined;
        const done = place.run(["agent", "install", name, "--yes"]);
        assert.equal(done.code, 0, done.err);
        const installed = read();
        assert.match(installed ?? "", /hook --host/);
        const again = place.run(["agent", "install", name, "--yes"]);
        assert.match(again.out, /already installed/);
        assert.equal(read(), installed);
        assert.equal(
          place.run(["agent", "uninstall", name, "--yes"]).code,
          0,
        );
        assert.equal(read(), text);
        if (text !== undefined) fs.rmSync(file);
      }
    }
  });
});

test("agent install changes nothing without --yes, or in a broken file", async () => {
  await withPlace((place) => {
    const none = place.run(["agent", "install", "cursor"]);
    assert.equal(none.code, 1);
    assert.deepEqual(fs.readdirSync(place.root), []);
    place.write({ ".codex/hooks.json": "{ broken" });
    const some = place.run(["agent", "install", "codex", "cursor", "--yes"]);
    assert.equal(some.code, 3);
    assert.match(some.err, /hooks\.json/);
    assert.ok(fs.existsSync(join(place.root, ".cursor/hooks.json")));
  });
});

test(
  "the installed command answers, and status shows that it ran",
  needsPosix("sh"),
  async () => {
    await withPlace((place) => {
      place.run(["agent", "install", "gemini-cli", "--yes"]);
      const file = join(place.root, ".gemini/settings.json");
      const { hooks } = JSON.parse(fs.readFileSync(file, "utf8"));
      const { command } = hooks.BeforeTool[0].hooks[0];
      const input = JSON.stringify({
        hook_event_name: "BeforeTool",
        tool_name: "write_file",
        cwd: place.root,
      });
      const done = spawnSync("sh", ["-c", command], {
        input,
        env: place.env,
        encoding: "utf8",
      });
      assert.equal(done.stdout, "{}\n", done.stderr);
      const { agents } = place.json(["agent", "status", "gemini-cli"]);
      assert.equal(agents[0].project, true);
      assert.ok(agents[0].fired > 0);
    });
  },
);
