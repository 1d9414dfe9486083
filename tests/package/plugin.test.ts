/**
 * The files through which agents find deltar: the plugin in Claude Code's
 * format, the list of plugins, and the entry for the MCP registry.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandLine } from "../../cli/agent/command_line.ts";
import { type Addition, HOSTS } from "../../cli/agent/hosts.ts";
import { COMMAND, withPlace } from "../cli/helpers.ts";
import { needsPosix } from "../support/system.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

// deno-lint-ignore no-explicit-any
const json = (path: string): any =>
  JSON.parse(fs.readFileSync(join(ROOT, path), "utf8"));

const { version } = json("deno.json");
const own = json("package.json");

/** Returns what `agent install claude-code` adds to the files of a project. */
function installed(): Addition[] {
  const host = HOSTS.find(({ id }) => id === "claude-code")!;
  // Other programs also read the plugin, so the hook names no host.
  const hook = commandLine(["deltar"], ["hook"]);
  const server = commandLine(["deltar"], ["mcp"]);
  return host.files("project", "/root", {
    // The plugin is the same on all systems, and some shells of Windows do not
    // know `&&`.
    hook: { ...hook, posix: hook.windows },
    server,
  }).flatMap((file) => "additions" in file ? file.additions : []);
}

test("the plugin has the hooks and the server of agent install", () => {
  const hooks: Record<string, object[]> = {};
  const servers: Record<string, unknown> = {};
  for (const addition of installed()) {
    if ("array" in addition) {
      const [top, event] = addition.array;
      assert.equal(top, "hooks");
      (hooks[event] ??= []).push(addition.item);
    } else {
      const [top, name] = addition.property;
      assert.equal(top, "mcpServers");
      servers[name] = addition.value;
    }
  }
  assert.equal(Object.keys(hooks).length, 4);
  assert.deepEqual(json("plugin/hooks/hooks.json"), { hooks });
  assert.deepEqual(json("plugin/.mcp.json"), { mcpServers: servers });
});

test("the manifest of the plugin has the version of the package", () => {
  const plugin = json("plugin/.claude-plugin/plugin.json");
  assert.equal(plugin.version, version);
  assert.equal(plugin.license, own.license);
  assert.match(plugin.name, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
  const { name, owner, plugins } = json(".claude-plugin/marketplace.json");
  assert.equal(name, "deltar");
  assert.equal(typeof owner.name, "string");
  assert.deepEqual(
    // deno-lint-ignore no-explicit-any
    plugins.map(({ name, source }: any) => ({ name, source })),
    [{ name: plugin.name, source: "./plugin" }],
  );
});

test(
  "the hooks of the plugin take a snapshot",
  needsPosix("sh"),
  () =>
    withPlace((place) => {
      place.write({ "notes.txt": "mine" });
      fs.writeFileSync(
        join(place.folder, "deltar"),
        `#!/bin/sh\nexec ${
          COMMAND.map((word) => `'${word}'`).join(" ")
        } "$@"\n`,
        { mode: 0o755 },
      );
      const [{ hooks: [{ command }] }] =
        json("plugin/hooks/hooks.json").hooks.UserPromptSubmit;
      const done = spawnSync("sh", ["-c", command], {
        cwd: place.root,
        env: {
          ...place.env,
          PATH: [place.folder, place.env.PATH].join(delimiter),
        },
        encoding: "utf8",
        input: JSON.stringify({
          cwd: place.root,
          session_id: "one",
          hook_event_name: "UserPromptSubmit",
          prompt: "Sort the imports",
        }),
      });
      assert.equal(done.status, 0, done.stderr);
      const { turns } = place.json(["list", "--turns"]);
      assert.equal(turns[0].prompt, "Sort the imports");
    }),
);

test("server.json fits the schema and the package", () => {
  const { $schema, packages, ...server } = json("server.json");
  // The lengths and the pattern are those of the schema that is named here.
  assert.equal(
    $schema,
    "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
  );
  assert.deepEqual(
    Object.keys(server).sort(),
    ["description", "name", "title", "version"],
  );
  assert.match(server.name, /^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/);
  assert.ok(server.name.length >= 3 && server.name.length <= 200);
  assert.ok(server.description.length <= 100);
  assert.ok(server.title.length <= 100);
  assert.equal(server.version, version);
  const [entry, ...others] = packages;
  assert.deepEqual(others, []);
  const { packageArguments, ...rest } = entry;
  assert.deepEqual(rest, {
    registryType: "npm",
    identifier: own.name,
    version,
    runtimeHint: "npx",
    transport: { type: "stdio" },
  });
  const [command, directory, ...more] = packageArguments;
  assert.deepEqual(more, []);
  assert.deepEqual(command, { type: "positional", value: "mcp" });
  assert.equal(directory.type, "positional");
  assert.equal(directory.valueHint, "directory");
});
