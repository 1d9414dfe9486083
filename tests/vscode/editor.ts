import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import manifest from "../../extension/package.json" with { type: "json" };

/** Options for starting an editor. */
export interface EditorOptions {
  /** The folder of code-server. */
  editor: string;
  /**
   * The folder for the data of the editor, and for everything that belongs to
   * it.
   */
  folder: string;
  /** Packages to install. */
  packages: string[];
  /** Whether the editor asks if a folder is trusted. */
  asksForTrust?: boolean;
  /** The user's settings, and those of the machine. */
  settings?: Record<string, unknown>;
}

/**
 * The settings of every editor in tests, which prevent distracting messages and
 * delays.
 */
const QUIET = {
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "telemetry.telemetryLevel": "off",
  "files.autoSave": "off",
  // The git extension writes to `.git`, whose files the tests compare.
  "git.enabled": false,
  "extensions.ignoreRecommendations": true,
  "files.simpleDialog.enable": true,
  "window.dialogStyle": "custom",
  "deltar.snapshot.onOpen": false,
  "deltar.snapshot.onExternalChange": false,
};

/** The names of the settings that VS Code reads from the machine's settings. */
const MACHINE_SETTINGS = new Set(
  manifest.contributes.configuration
    .flatMap(({ properties }) => Object.entries(properties))
    .filter(([, { scope }]) => scope.startsWith("machine"))
    .map(([name]) => name),
);

/** The keys that close all notifications, as a browser names them. */
export const CLEAR_NOTIFICATIONS = "Control+Alt+F10";

/**
 * The keys of the user. The command palette would take most of a second for a
 * command that tests run more than a hundred times.
 */
const KEYS = [{ key: "ctrl+alt+f10", command: "notifications.clearAll" }];

/** A separate VS Code server. */
export class Editor {
  readonly url: string;
  readonly folder: string;
  readonly #group: number;
  #asked = 0;
  readonly #stop: () => Promise<void>;

  private constructor(
    url: string,
    folder: string,
    group: number,
    stop: () => Promise<void>,
  ) {
    this.url = url;
    this.folder = folder;
    this.#group = group;
    this.#stop = stop;
  }

  /** Starts a server. */
  static async start(options: EditorOptions): Promise<Editor> {
    const { editor, folder, packages } = options;
    const user = join(folder, "user");
    // In a window of a server, VS Code reads the settings of the scope `machine`
    // from a file of their own. It ignores them in the user's settings as soon
    // as a setting of the user changes.
    const settings = Object.entries({ ...QUIET, ...options.settings });
    const isOfMachine = ([name]: [string, unknown]) =>
      MACHINE_SETTINGS.has(name);
    const files: [folder: string, settings: [string, unknown][]][] = [
      ["User", settings.filter((one) => !isOfMachine(one))],
      ["Machine", settings.filter(isOfMachine)],
    ];
    for (const [name, settings] of files) {
      fs.mkdirSync(join(user, name), { recursive: true });
      fs.writeFileSync(
        join(user, name, "settings.json"),
        JSON.stringify(Object.fromEntries(settings), null, 2),
      );
    }
    fs.writeFileSync(
      join(user, "User", "keybindings.json"),
      JSON.stringify(KEYS),
    );
    const words = [
      join(editor, "out", "node", "entry.js"),
      "--user-data-dir",
      user,
      "--extensions-dir",
      join(folder, "extensions"),
      "--config",
      join(folder, "config.yaml"),
    ];
    const env = {
      ...process.env,
      VSCODE_IPC_HOOK_CLI: "",
      PORT: "",
      // The pins and the identity of the user who runs the tests are not used.
      DELTAR_IDENTITY: "",
      XDG_CONFIG_HOME: join(folder, "config"),
      XDG_STATE_HOME: join(folder, "state"),
    };
    execFileSync(
      process.execPath,
      [
        ...words,
        ...packages.flatMap((file) => ["--install-extension", file]),
        "--force",
      ],
      { env, stdio: ["ignore", "ignore", "pipe"] },
    );
    const port = await freePort();
    const child = spawn(process.execPath, [
      ...words,
      "--auth",
      "none",
      "--bind-addr",
      `127.0.0.1:${port}`,
      "--disable-telemetry",
      "--disable-update-check",
      "--disable-getting-started-override",
      ...options.asksForTrust ? [] : ["--disable-workspace-trust"],
    ], {
      env,
      stdio: ["ignore", fs.openSync(join(folder, "log"), "a"), "ignore"],
      detached: true,
    });
    const url = `http://127.0.0.1:${port}`;
    const stop = async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const end = new Promise((resolve) => child.once("exit", resolve));
      // The server leads a process group, so this also kills the processes that
      // it started.
      process.kill(-child.pid!, "SIGKILL");
      await end;
    };
    const started = new Editor(url, folder, child.pid!, stop);
    for (let tries = 0;; tries++) {
      try {
        const answer = await fetch(`${url}/healthz`);
        if (answer.ok) return started;
      } catch (error) {
        if (tries === 300) throw error;
      }
      await sleep(100);
    }
  }

  /** Changes settings of the user through an open window. */
  async set(settings: Record<string, unknown>): Promise<void> {
    await this.ask(
      `for (const [key, value] of Object.entries(${JSON.stringify(settings)})) {
        const all = vscode.workspace.getConfiguration();
        const { Global } = vscode.ConfigurationTarget;
        await all.update(key, value ?? undefined, Global);
      }`,
    );
  }

  /** Returns the log of the extension, of all windows so far. */
  log(): string {
    const folder = join(this.folder, "user");
    return fs.readdirSync(folder, { encoding: "utf8", recursive: true })
      .filter((path) => path.endsWith("/Deltar.log")).sort()
      .map((path) => fs.readFileSync(join(folder, path), "utf8")).join("");
  }

  /** The storage folder of the extension. */
  get storage(): string {
    return join(this.folder, "user", "User", "globalStorage", "deltar.deltar");
  }

  /**
   * Runs code in the extension host, as another extension would.
   *
   * @param code The body of an asynchronous function with the variables
   * `vscode` and `require`.
   */
  async ask<Result>(code: string): Promise<Result> {
    const name = `${++this.#asked}.js`;
    const questions = join(this.folder, "questions");
    fs.mkdirSync(questions, { recursive: true });
    fs.writeFileSync(
      join(questions, `${name}.tmp`),
      `return (async () => {${code}})();`,
    );
    fs.renameSync(join(questions, `${name}.tmp`), join(questions, name));
    const answer = join(questions, `${name}.json`);
    for (let tries = 0; tries < 1200; tries++) {
      if (fs.existsSync(answer)) {
        const { result, error } = JSON.parse(fs.readFileSync(answer, "utf8"));
        if (error !== undefined) throw new Error(error);
        return result;
      }
      await sleep(100);
    }
    throw new Error(`no answer to ${code}`);
  }

  /**
   * Shortens all later timers with a certain wait in the extension host, so that
   * a test does not take minutes.
   *
   * @param from The wait of the timers in milliseconds.
   * @param to The new wait in milliseconds.
   */
  async shortenTimers(from: number, to: number): Promise<void> {
    await this.ask(
      `const { setTimeout } = globalThis;
      globalThis.setTimeout = (work, wait, ...rest) =>
        setTimeout(work, wait === ${from} ? ${to} : wait, ...rest);`,
    );
  }

  /** Returns the ids of the extension host processes. */
  extensionHosts(): number[] {
    return this.#processes("--type=extensionHost");
  }

  /** Returns the ids of the processes in which the extension runs the library. */
  libraries(): number[] {
    return this.#processes("/dist/process.cjs");
  }

  /** Returns the ids of the editor's processes whose command line has a text. */
  #processes(text: string): number[] {
    return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))
      .map(Number).filter((pid) => {
        try {
          const line = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8");
          const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
          const [, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
          return Number(group) === this.#group && line.includes(text);
        } catch {
          return false;
        }
      });
  }

  /** Ends the server and all processes that it started. */
  async stop(): Promise<void> {
    await this.#stop();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
