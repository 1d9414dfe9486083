import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COMMAND, type Place, withPlace } from "../cli/helpers.ts";
import { needs } from "../support/peer.ts";
import { installInspector } from "./inspector.ts";

test("the MCP Inspector calls every tool", needs("npm"), async () => {
  const program = installInspector();
  await withPlace((place) => {
    place.write({ "a.txt": "one\n" });
    const inspect = (...words: string[]) => run(program, place, words);
    const call = (name: string, input: object = {}) =>
      inspect(
        "--method",
        "tools/call",
        "--tool-name",
        `deltar_${name}`,
        ...Object.entries(input).flatMap(([key, value]) => [
          "--tool-arg",
          `${key}=${value}`,
        ]),
      ).structuredContent;

    // With --strict, the Inspector fails if a schema is not portable.
    const { tools } = inspect("--method", "tools/list", "--strict");
    assert.equal(tools.length, 9);

    assert.equal(call("snapshot", { label: "first" }).isNew, true);
    place.write({ "a.txt": "two\n" });
    assert.match(call("diff").patch, /^\+two$/m);
    assert.equal(call("list").count, 1);
    assert.equal(call("history", { path: "a.txt" }).versions.length, 1);
    assert.equal(call("find", { pattern: "*.txt" }).paths.length, 1);
    assert.equal(call("read", { path: "a.txt" }).text, "one\n");
    assert.equal(call("status").count, 1);
    assert.equal(call("restore", { snapshot: "latest" }).replace, 1);
    place.run(["restore", "latest", "--in-place"]);
    assert.equal(call("undo").replace, 1);
    assert.equal(
      fs.readFileSync(join(place.root, "a.txt"), "utf8"),
      "one\n",
    );
  });
});

/** Runs the Inspector with a server, and returns the result. */
// deno-lint-ignore no-explicit-any
function run(program: string, place: Place, words: string[]): any {
  const server = [...COMMAND, "mcp"];
  const file = join(place.folder, "servers.json");
  const [command, ...args] = server;
  fs.writeFileSync(
    file,
    JSON.stringify({
      mcpServers: {
        deltar: { command, args, cwd: place.root, env: place.env },
      },
    }),
  );
  const out = execFileSync(
    program,
    ["--cli", "--config", file, "--server", "deltar", ...words],
    {
      cwd: place.root,
      env: { ...place.env, MCP_INSPECTOR_SECRET_STORE: "memory" },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  return JSON.parse(out);
}
