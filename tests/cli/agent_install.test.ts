import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import { ConfigText } from "../../cli/agent/config_text.ts";
import { needsPosix, needsSymlinks } from "../support/system.ts";
import { type Place, withPlace } from "./helpers.ts";

const HOSTS = [
  "claude-code",
  "codex",
  "copilot",
  "gemini-cli",
  "cursor",
  "opencode",
];

/** The options for each scope. */
const SCOPES = [[], ["--user"]];

const TEXTS = [
  "",
  "{}",
  '\uFEFF{\r\n\t// mine\r\n\t"a": 1, // one\r\n}\r\n',
  '{"hooks": {"Stop": [{"hooks": []}], "stop": []}}',
  '{\n  "x": {} // local, for tests\n}\n',
  '{\n  "x": 1\n  // "y": {},\n}\n',
  `{\n  "x": 1\n  ${"/".repeat(200)}\n  ${"/**/".repeat(100)}\n}\n`,
];

/**
 * Runs `work` in a place where deltar's own folders are not in the home folder.
 */
function withHome(work: (place: Place) => void): Promise<void> {
  return withPlace((place) => {
    const own = join(place.folder, "own");
    place.env.LOCALAPPDATA = own;
    for (const kind of ["DATA", "CACHE", "STATE"]) {
      place.env[`XDG_${kind}_HOME`] = join(own, kind);
    }
    fs.mkdirSync(join(place.folder, "home"));
    fs.mkdirSync(join(place.folder, "elsewhere"));
    work(place);
  });
}

/**
 * Returns all files in the project, the home folder and the folder elsewhere.
 */
function treeOf({ folder }: Place): Record<string, string> {
  const tree: Record<string, string> = {};
  const visit = (path: string) => {
    const stat = fs.lstatSync(path);
    const content = stat.isSymbolicLink()
      ? fs.readlinkSync(path)
      : stat.isDirectory()
      ? "/"
      : fs.readFileSync(path, "latin1");
    tree[path] = `${stat.mode.toString(8)} ${content}`;
    if (!stat.isDirectory()) return;
    for (const name of fs.readdirSync(path)) visit(join(path, name));
  };
  for (const name of ["root", "home", "elsewhere"]) visit(join(folder, name));
  return tree;
}

/** Returns the paths of the files that `install` would write. */
function filesOf(place: Place, scope: string[], hosts = HOSTS): string[] {
  const plan = place.json(["agent", "install", ...hosts, ...scope]);
  return plan.agents.flatMap(({ files }: { files: { path: string }[] }) =>
    files.map(({ path }) => path)
  );
}

function jsonFilesOf(place: Place, scope: string[], hosts = HOSTS): string[] {
  return filesOf(place, scope, hosts).filter((path) => path.endsWith(".json"));
}

function write(path: string, text: string): void {
  fs.mkdirSync(dirname(path), { recursive: true });
  fs.writeFileSync(path, text);
}

function read(path: string): string {
  return fs.readFileSync(path, "utf8");
}

/**
 * Installs and uninstalls all hosts, and checks that every file is as before.
 */
function checkRoundTrip(place: Place, scope: string[]): void {
  const before = treeOf(place);
  const install = ["agent", "install", ...HOSTS, ...scope, "--yes"];
  const done = place.run(install);
  assert.equal(done.code, 0, done.err);
  const installed = treeOf(place);
  const hooks = Object.values(installed).filter((text) =>
    /hook --host|"hook","--host"/.test(text)
  );
  assert.equal(hooks.length, HOSTS.length);
  const again = place.run(install);
  assert.equal(again.out.match(/already installed/g)?.length, HOSTS.length);
  assert.deepEqual(treeOf(place), installed);
  const taken = place.run(["agent", "uninstall", ...HOSTS, ...scope, "--yes"]);
  assert.equal(taken.code, 0, taken.err);
  assert.deepEqual(treeOf(place), before);
}

test("agent uninstall restores the files of all hosts byte for byte", async () => {
  await withHome((place) => {
    for (const scope of SCOPES) {
      checkRoundTrip(place, scope);
      const files = jsonFilesOf(place, scope);
      assert.equal(files.length, scope.length === 0 ? 9 : 7);
      for (const text of TEXTS) {
        for (const file of files) write(file, text);
        checkRoundTrip(place, scope);
      }
    }
  });
});

test(
  "agent install writes through symlinks and keeps them",
  needsSymlinks,
  async () => {
    for (const scope of SCOPES) {
      await withHome((place) => {
        const elsewhere = join(place.folder, "elsewhere");
        const files = filesOf(place, scope);
        // Links to files, some of which do not exist.
        for (const [at, file] of files.entries()) {
          const target = join(elsewhere, `${at}`);
          if (at % 2 === 0 && file.endsWith(".json")) {
            fs.writeFileSync(target, '{ "a": 1 }');
          }
          fs.mkdirSync(dirname(file), { recursive: true });
          fs.symlinkSync(target, file);
        }
        checkRoundTrip(place, scope);
      });
      await withHome((place) => {
        const top = join(place.folder, scope.length === 0 ? "root" : "home");
        for (const file of filesOf(place, scope)) {
          const name = file.slice(top.length + 1).split(/[\\/]/)[0];
          const target = join(place.folder, "elsewhere", name);
          if (dirname(file) === top || fs.existsSync(target)) continue;
          fs.mkdirSync(target);
          fs.symlinkSync(target, join(top, name));
        }
        checkRoundTrip(place, scope);
      });
    }
  },
);

test("agent uninstall removes an entry from an array that begins and ends on one line", () => {
  const addition = { array: ["a"], item: { y: 2 } };
  for (const text of ['{"a": [{"x": 1}]}', '{"a": [{"x": 1},]}', '{"a": []}']) {
    const config = new ConfigText("file", text);
    const before = config.valueOf([]);
    config.add(addition);
    const changed = new ConfigText("file", `${config.text}\n`);
    assert.ok(changed.has(addition));
    changed.remove(addition, 1);
    const rest = new ConfigText("file", changed.text);
    assert.deepEqual(rest.valueOf([]), before);
  }
});

test("agent refuses read-only files before it writes anything", async () => {
  await withHome((place) => {
    for (const scope of SCOPES) {
      const words = [...HOSTS, ...scope, "--yes"];
      // The last file of each host.
      const last = HOSTS.map((host) =>
        jsonFilesOf(place, scope, [host]).at(-1) ?? ""
      );
      for (const file of last) {
        write(file, "{}");
        fs.chmodSync(file, 0o444);
      }
      const before = treeOf(place);
      const refused = place.run(["agent", "install", ...words]);
      assert.equal(refused.code, 1);
      assert.equal(refused.err.match(/read-only/g)?.length, HOSTS.length);
      assert.deepEqual(treeOf(place), before);

      for (const file of last) fs.rmSync(file, { force: true });
      assert.equal(place.run(["agent", "install", ...words]).code, 0);
      for (const file of last) fs.chmodSync(file, 0o444);
      const installed = treeOf(place);
      const kept = place.run(["agent", "uninstall", ...words]);
      assert.equal(kept.code, 1);
      assert.equal(kept.err.match(/read-only/g)?.length, HOSTS.length);
      assert.deepEqual(treeOf(place), installed);
      for (const file of last) fs.chmodSync(file, 0o644);
      assert.equal(place.run(["agent", "uninstall", ...words]).code, 0);
    }
  });
});

test("agent uninstall keeps entries that were changed after the installation", async () => {
  await withHome((place) => {
    for (const scope of SCOPES) {
      const words = [...HOSTS, ...scope, "--yes"];
      const files = jsonFilesOf(place, scope);
      const own = { mcp: {}, mcpServers: {}, servers: {}, hooks: { Stop: [] } };
      for (const file of files) write(file, JSON.stringify(own));
      place.run(["agent", "install", ...words]);
      for (const file of files) {
        const settings = JSON.parse(read(file));
        settings.hooks.mine = [{ command: "deltar hook" }];
        settings.mcp.mine = { command: "deltar", args: ["mcp"] };
        write(file, JSON.stringify(settings, undefined, 4));
      }
      const done = place.run(["agent", "uninstall", ...words]);
      assert.equal(done.code, 0, done.err);
      for (const file of files) {
        const { version: _, ...settings } = JSON.parse(read(file));
        assert.deepEqual(settings, {
          mcp: { mine: { command: "deltar", args: ["mcp"] } },
          mcpServers: {},
          servers: {},
          hooks: { Stop: [], mine: [{ command: "deltar hook" }] },
        }, file);
        fs.rmSync(file);
      }
      // These files were created by `install` and now have other entries.
      place.run(["agent", "install", ...words]);
      for (const file of files) {
        const settings = JSON.parse(read(file));
        write(file, JSON.stringify({ ...settings, mine: 1 }));
      }
      place.run(["agent", "uninstall", ...words]);
      for (const file of files) {
        const { version: _, ...settings } = JSON.parse(read(file));
        assert.deepEqual(settings, { mine: 1 }, file);
        fs.rmSync(file);
      }
    }
  });
});

test("agent uninstall names its own entries that were changed", async () => {
  await withHome((place) => {
    place.run(["agent", "install", "claude-code", "opencode", "--yes"]);
    const settings = join(place.root, ".claude/settings.json");
    const text = read(settings);
    write(settings, text.replace("|Bash", "|Bash|Task"));
    const plugin = join(place.root, ".opencode/plugins/deltar.js");
    fs.appendFileSync(plugin, "// mine\n");
    const before = read(plugin);
    const done = place.run(["agent", "uninstall", "--yes"]);
    assert.equal(done.code, 3);
    assert.match(
      done.out,
      /`hooks\.PreToolUse` differs from what deltar wrote on this machine/,
    );
    assert.match(
      done.err,
      /deltar\.js: the file was changed after the installation/,
    );
    const { hooks } = JSON.parse(read(settings));
    assert.deepEqual(Object.keys(hooks), ["PreToolUse"]);
    assert.equal(read(plugin), before);
    fs.rmSync(plugin);
    assert.equal(place.run(["agent", "uninstall", "--yes"]).code, 0);
    assert.deepEqual(fs.readdirSync(place.root).sort(), [".claude"]);
  });
});

test("agent uninstall forgets files and entries that the user deleted", async () => {
  await withHome((place) => {
    const before = treeOf(place);
    const words = [...HOSTS, "--yes"];
    place.run(["agent", "install", ...words]);
    const files = filesOf(place, []);
    for (const file of files) fs.rmSync(file);
    const done = place.run(["agent", "uninstall", ...words]);
    assert.equal(done.code, 0, done.err);
    assert.deepEqual(treeOf(place), before);

    place.run(["agent", "install", ...words]);
    const settings = join(place.root, ".gemini/settings.json");
    write(settings, '{"mine": 1}');
    place.run(["agent", "uninstall", ...words]);
    assert.equal(read(settings), '{"mine": 1}');
    assert.deepEqual(fs.readdirSync(place.root), [".gemini"]);
  });
});

test("agent install does not change events and servers that were written by hand", async () => {
  await withHome((place) => {
    const command = "cd / && deltar hook";
    const server = { command: "deltar", args: ["mcp", "--max-size", "2G"] };
    place.write({
      ".claude/settings.json": JSON.stringify({
        hooks: { Stop: [{ hooks: [{ type: "command", command }] }] },
      }),
      ".mcp.json": JSON.stringify({ mcpServers: { deltar: server } }),
      ".cursor/hooks.json": JSON.stringify({
        version: 1,
        hooks: { stop: [{ command: "deltar", args: ["hook"] }] },
      }),
    });
    const before = treeOf(place);
    const uninstall = ["agent", "uninstall", "--yes"];
    const none = place.run(uninstall);
    assert.equal(none.code, 0);
    assert.match(none.out, /`cd \/ && deltar hook` in `hooks\.Stop` differs/);
    assert.deepEqual(treeOf(place), before);

    const done = place.run([
      ...["agent", "install", "claude-code", "cursor", "--yes"],
    ]);
    assert.equal(done.code, 0, done.err);
    assert.match(done.out, /`cd \/ && deltar hook` in `hooks\.Stop` stays/);
    assert.match(done.out, /`deltar hook` in `hooks\.stop` stays/);
    assert.match(done.out, /`mcpServers\.deltar` stays/);
    const { hooks } = JSON.parse(
      read(join(place.root, ".claude/settings.json")),
    );
    assert.equal(hooks.Stop.length, 1);
    assert.equal(hooks.PreToolUse.length, 1);
    assert.equal(place.run(uninstall).code, 0);
    assert.deepEqual(treeOf(place), before);
  });
});

test(
  "agent install reverts the first file if writing the second fails",
  needsSymlinks,
  async () => {
    await withHome((place) => {
      // The name of the temporary file next to the target is too long.
      fs.symlinkSync("x".repeat(255), join(place.root, ".mcp.json"));
      const install = ["agent", "install", "claude-code", "--yes"];
      for (const text of [undefined, '{ "a": 1 }']) {
        if (text !== undefined) place.write({ ".claude/settings.json": text });
        const before = treeOf(place);
        const done = place.run(install);
        assert.equal(done.code, 1);
        assert.match(done.err, /x: the name or path is too long/);
        assert.deepEqual(treeOf(place), before);
      }
      // There is no record of the failed installation.
      fs.rmSync(join(place.root, ".mcp.json"));
      checkRoundTrip(place, []);
    });
  },
);

test("agent install changes nothing without --yes, or in an invalid file", async () => {
  await withHome((place) => {
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
  "the installed command answers, and agent status shows that it ran",
  needsPosix("sh"),
  async () => {
    await withHome((place) => {
      place.run(["agent", "install", "gemini-cli", "--yes"]);
      const warning = /the hook of Gemini CLI is installed, but has never run/;
      assert.match(place.run(["doctor"]).out, warning);
      const file = join(place.root, ".gemini/settings.json");
      const { hooks } = JSON.parse(read(file));
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
      assert.equal(agents[0].hooks[0].scope, "project");
      assert.ok(agents[0].fired > 0);
      assert.doesNotMatch(place.run(["doctor"]).out, warning);
    });
  },
);

test(
  "agent uninstall keeps what the user wrote between two installs",
  needsPosix("sh"),
  async () => {
    await withHome((place) => {
      const program = join(place.folder, "bin/deltar");
      write(program, "#!/bin/sh\n");
      fs.chmodSync(program, 0o755);
      const PATH = [dirname(program), place.env.PATH].join(delimiter);
      const install = ["agent", "install", ...HOSTS, "--yes"];
      for (const edit of ["change", "replace"]) {
        place.run(install);
        const files = jsonFilesOf(place, []);
        for (const file of files) {
          const settings = edit === "change" ? JSON.parse(read(file)) : {};
          write(file, JSON.stringify({ mine: 1, ...settings }));
        }
        const done = place.run(install, { env: { PATH } });
        assert.equal(done.code, 0, done.err);
        for (const file of files) {
          assert.doesNotMatch(read(file), /cli\.ts/);
          assert.match(read(file), /deltar/);
        }
        place.run(["agent", "uninstall", ...HOSTS, "--yes"]);
        for (const file of files) {
          const { version: _, ...settings } = JSON.parse(read(file));
          assert.deepEqual(settings, { mine: 1 });
          fs.rmSync(file);
        }
      }
    });
  },
);

test(
  "agent status and doctor name a missing program, and install replaces it",
  needsPosix("sh"),
  async () => {
    await withHome((place) => {
      // `doctor` creates deltar's own files.
      place.run(["doctor"]);
      const before = treeOf(place);
      const program = join(place.folder, "bin/deltar");
      write(program, "#!/bin/sh\n");
      fs.chmodSync(program, 0o755);
      const PATH = [dirname(program), place.env.PATH].join(delimiter);
      const install = ["agent", "install", ...HOSTS, "--user", "--yes"];
      assert.equal(place.run(install, { env: { PATH } }).code, 0);
      const { agents } = place.json(["agent", "status"]);
      for (const { name, hooks } of agents) {
        const words = [program, "hook", "--host", name];
        assert.deepEqual(hooks, [{ scope: "user", words }]);
      }
      const status = place.run(["agent", "status"]).out;
      assert.ok(status.includes(`${program} hook --host opencode\n`), status);

      fs.rmSync(program);
      const gone = `${program} does not exist`;
      assert.ok(place.run(["agent", "status"]).out.includes(gone));
      const { findings } = place.json(["doctor"]);
      const details = findings
        .map(({ detail }: { detail: string }) => detail)
        .filter((detail: string) => detail.includes(program));
      assert.equal(details.length, HOSTS.length);
      assert.match(details[0], /Run `deltar agent install claude-code --user`/);

      assert.equal(place.run(install).code, 0);
      assert.ok(!place.run(["agent", "status"]).out.includes(program));
      place.run(["agent", "uninstall", "--user", "--yes"]);
      assert.deepEqual(treeOf(place), before);
    });
  },
);
