import assert from "node:assert/strict";
import * as fs from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import {
  canBePassed,
  mcpArguments,
  offerMcpServers,
} from "../../extension/src/host/api/mcp_servers.ts";
import type { FolderConfig } from "../../extension/src/shared/protocol.ts";
import { Dir, LocalStorage, Repository } from "../../mod.ts";
import { programFile } from "../../shared/program_files.ts";
import { COMMAND, withPlace } from "../cli/helpers.ts";
import { isWindows } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

/** A server that was offered. */
interface Offered {
  label: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
}

interface Folder {
  uri: string;
  hasSnapshots: boolean;
  config: Partial<FolderConfig>;
  snapshots: () => Promise<object[]>;
  keys: { get: () => Promise<unknown> };
}

/** Returns a folder of the workspace. */
function folder(directory: string, more: Partial<Folder> = {}): Folder {
  return {
    uri: `file://${directory}`,
    hasSnapshots: true,
    config: {
      directory,
      repository: `/kept${directory}`,
      excludes: ["!.env*", ".git"],
      gitignore: true,
      excludeCaches: false,
    },
    snapshots: () => Promise.resolve([{}]),
    keys: { get: () => Promise.resolve(undefined) },
    ...more,
  };
}

/** The part of VS Code that `offerMcpServers` uses. */
class FakeEditor {
  readonly log: string[] = [];
  readonly registered: string[] = [];
  readonly settings: Record<string, string> = {};
  isTrusted = true;
  all: Folder[] = [];
  changes = 0;
  listeners = new Map<string, (value?: unknown) => void>();
  provider!: {
    provideMcpServerDefinitions(): Promise<Offered[]>;
    resolveMcpServerDefinition(server: Offered): Offered;
  };

  /** Calls `offerMcpServers`, without some parts of the API. */
  start(...missing: ("lm" | "McpStdioServerDefinition")[]): this {
    const on = (name: string) => (listener: (value?: unknown) => void) => {
      this.listeners.set(name, listener);
      return { dispose: () => {} };
    };
    const fire = () => void this.changes++;
    const editor = {
      Disposable: class {
        static from = () => ({ dispose: () => {} });
        dispose() {}
      },
      EventEmitter: class {
        event = () => {};
        fire = fire;
      },
      McpStdioServerDefinition: class {
        label: string;
        command: string;
        args: string[];
        constructor(label: string, command: string, args: string[]) {
          this.label = label;
          this.command = command;
          this.args = args;
        }
      },
      lm: {
        registerMcpServerDefinitionProvider: (
          id: string,
          provider: FakeEditor["provider"],
        ) => {
          this.registered.push(id);
          this.provider = provider;
        },
      },
      workspace: {
        getConfiguration: () => ({
          get: (name: string, otherwise: string) =>
            this.settings[name] ?? otherwise,
        }),
        onDidChangeConfiguration: on("settings"),
        onDidGrantWorkspaceTrust: on("trust"),
      },
    };
    Object.defineProperty(editor.workspace, "isTrusted", {
      get: () => this.isTrusted,
    });
    for (const name of missing) {
      Object.assign(editor, { [name]: name === "lm" ? {} : undefined });
    }
    const folders = { onDidChange: on("folders") };
    Object.defineProperty(folders, "all", { get: () => this.all });
    offerMcpServers(editor as never, {
      folders: folders as never,
      log: { info: (text: string) => void this.log.push(text) } as never,
    });
    return this;
  }

  offered(): Promise<Offered[]> {
    return this.provider.provideMcpServerDefinitions();
  }
}

/** Runs `work` with a folder in `PATH` that has a program `deltar`. */
async function withDeltar(
  work: (file: string) => Promise<void>,
): Promise<void> {
  await withTemp(async (folder) => {
    const file = join(folder, isWindows ? "deltar.exe" : "deltar");
    fs.writeFileSync(file, "", { mode: 0o755 });
    const { PATH } = process.env;
    process.env.PATH = [folder, PATH].join(delimiter);
    try {
      await work(file);
    } finally {
      process.env.PATH = PATH;
    }
  });
}

test("programFile() finds the program by its name and by its path", () =>
  withDeltar((file) => {
    assert.equal(programFile("deltar"), file);
    assert.equal(programFile(file), file);
    assert.equal(programFile(`${file}-not-there`), undefined);
    const { PATH } = process.env;
    process.env.PATH = "";
    assert.equal(programFile("deltar"), undefined);
    process.env.PATH = PATH;
    return Promise.resolve();
  }));

test("offerMcpServers() offers a server for each folder with snapshots", () =>
  withDeltar(async (file) => {
    const editor = new FakeEditor();
    editor.all = [folder("/a")];
    editor.start();
    assert.deepEqual(editor.registered, ["deltar.servers"]);
    const [one, ...none] = await editor.offered();
    assert.deepEqual(none, []);
    assert.deepEqual({ ...one }, {
      label: "deltar",
      command: file,
      args: [
        "mcp",
        "/a",
        "--repo=/kept/a",
        "--exclude=!.env*",
        "--exclude=.git",
        "--gitignore",
      ],
    });
    editor.all = [
      folder("/a/src"),
      folder("/b/src"),
      folder("/empty", { snapshots: () => Promise.resolve([]) }),
      folder("/locked", { snapshots: () => Promise.reject(new Error("key")) }),
      folder("/keychain", { keys: { get: () => Promise.resolve("a key") } }),
    ];
    const several = await editor.offered();
    assert.deepEqual(several.map(({ label }) => label), [
      "deltar: /a/src",
      "deltar: /b/src",
    ]);
    assert.deepEqual(editor.log, []);
  }));

test("offerMcpServers() adds credentials only when a server starts", () =>
  withDeltar(async () => {
    const env = { AWS_SECRET_ACCESS_KEY: "secret" };
    const editor = new FakeEditor();
    const { config, ...rest } = folder("/a");
    editor.all = [{ ...rest, config: { ...config, env } }];
    const [offered] = await editor.start().offered();
    assert.doesNotMatch(JSON.stringify(offered), /secret/);
    const started = editor.provider.resolveMcpServerDefinition(offered);
    assert.deepEqual(started.env, env);
  }));

test("offerMcpServers() offers nothing in Restricted Mode", () =>
  withDeltar(async () => {
    const editor = new FakeEditor();
    editor.all = [folder("/a")];
    editor.isTrusted = false;
    assert.deepEqual(await editor.start().offered(), []);
    assert.deepEqual(editor.log, []);
    editor.isTrusted = true;
    editor.listeners.get("trust")!();
    assert.equal(editor.changes, 1);
    assert.equal((await editor.offered()).length, 1);
  }));

test("offerMcpServers() logs once that the program is missing", () =>
  withDeltar(async (file) => {
    const editor = new FakeEditor();
    editor.all = [folder("/a")];
    editor.settings.command = `${file}-not-there`;
    editor.start();
    assert.deepEqual(editor.log, []);
    assert.deepEqual(await editor.offered(), []);
    assert.deepEqual(await editor.offered(), []);
    assert.equal(editor.log.length, 1);
    assert.match(editor.log[0], /-not-there was not found; .*deltar\.command/);
    editor.settings.command = " ";
    assert.equal((await editor.offered())[0].command, file);
    assert.equal(editor.log.length, 1);
  }));

test("offerMcpServers() notifies VS Code when the folders with snapshots change", () => {
  const editor = new FakeEditor();
  editor.all = [folder("/a", { hasSnapshots: false })];
  editor.start();
  const change = editor.listeners.get("folders")!;
  change();
  assert.equal(editor.changes, 0);
  editor.all[0].hasSnapshots = true;
  change();
  change();
  assert.equal(editor.changes, 1);
  editor.listeners.get("settings")!({ affectsConfiguration: () => false });
  assert.equal(editor.changes, 1);
  editor.listeners.get("settings")!({ affectsConfiguration: () => true });
  assert.equal(editor.changes, 2);
});

test("offerMcpServers() does nothing if VS Code has no MCP servers", () => {
  for (const missing of ["lm", "McpStdioServerDefinition"] as const) {
    const editor = new FakeEditor().start(missing);
    assert.deepEqual(editor.registered, []);
  }
});

test("the offered server uses the extension's snapshots and rules", () =>
  withPlace(async (place) => {
    place.write({
      "notes.txt": "one",
      ".gitignore": "*.log\n.env\n",
      ".env": "kept",
      "a.log": "ignored",
      ".git/HEAD": "x",
      "big.bin": "x".repeat(1500),
    });
    const config: Partial<FolderConfig> = {
      directory: place.root,
      repository: join(place.folder, "kept"),
      excludes: ["!.env*", ".git"],
      gitignore: true,
      excludeCaches: true,
      excludeLargerThan: 1000,
    };
    const repository = await Repository.create(
      new LocalStorage(config.repository!),
    );
    const { record } = await repository.snapshot(new Dir(place.root, config));
    const [command, ...args] = COMMAND;
    const client = new Client({ name: "test", version: "1" });
    await client.connect(
      new StdioClientTransport({
        command,
        args: [...args, ...mcpArguments(config as FolderConfig)],
        env: place.env,
        stderr: "ignore",
      }),
    );
    try {
      const call = async (name: string, input = {}) => {
        const done = await client.callTool({ name, arguments: input });
        assert.ok(!done.isError, JSON.stringify(done.content));
        return JSON.stringify(done.structuredContent);
      };
      assert.ok((await call("deltar_list")).includes(record.id));
      fs.appendFileSync(join(place.root, "notes.txt"), "two");
      await call("deltar_snapshot");
    } finally {
      await client.close();
    }
    const records = await repository.snapshots();
    assert.equal(records.length, 2);
    assert.equal(records[1].parent, record.id);
    const { created, updated, deleted } = records[1].counts;
    assert.deepEqual({ created, updated, deleted }, {
      created: 0,
      updated: 1,
      deleted: 0,
    });
  }));

test("canBePassed() refuses characters that a shell interprets for a batch file", () => {
  const args = ["mcp", String.raw`c:\src\a b`, "--exclude=!.env*"];
  assert.ok(canBePassed(String.raw`C:\bin\deltar.cmd`, args));
  for (const word of ["a&calc", "%PATH%", 'a"b', "a|b", "a^b", "a>b"]) {
    assert.ok(!canBePassed("deltar.CMD", [...args, word]), word);
    assert.ok(canBePassed("deltar.exe", [...args, word]), word);
  }
});
