import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { withTemp } from "../support/temp.ts";
import { shellWord } from "../../cli/text.ts";

const CLI = fileURLToPath(new URL("../../cli.ts", import.meta.url));

/**
 * A home folder with `deltar` in `PATH`, without the settings of this machine.
 */
export class Shell {
  /** The home folder. */
  readonly home: string;
  /** A project with two snapshots, which is the current directory. */
  readonly project: string;
  readonly env: Record<string, string>;

  constructor(home: string) {
    this.home = home;
    this.project = join(home, "project");
    const bin = join(home, "bin");
    fs.mkdirSync(bin);
    fs.writeFileSync(
      join(bin, "deltar"),
      `#!/bin/sh\nexec ${shellWord(process.execPath)} ${shellWord(CLI)} "$@"\n`,
      { mode: 0o755 },
    );
    this.env = {
      PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
      HOME: home,
      NODE_COMPILE_CACHE: join(home, "../deltar-test-node-cache"),
    };
    fs.mkdirSync(join(this.project, "src"), { recursive: true });
    this.write("notes.txt", "first\n");
    this.write("src/main.ts", "main();\n");
    this.write("old.bin", "a".repeat(5000));
    this.write("new.bin", "a".repeat(5000) + "b");
    fs.mkdirSync(join(home, ".config/deltar"), { recursive: true });
    fs.writeFileSync(
      join(home, ".config/deltar/config.json"),
      JSON.stringify({
        backups: { project: { directory: "~/project", repo: "~/backups" } },
      }),
    );
    this.type("deltar snapshot");
    this.write("notes.txt", "second\n");
    this.write("src/main.ts", "main(2);\n");
    this.type("deltar snapshot");
  }

  /** Writes a file in the project. */
  write(path: string, content: string): void {
    fs.writeFileSync(join(this.project, path), content);
  }

  /** Adds a program to `PATH` that replaces npm and needs no network. */
  addNpm(): void {
    fs.writeFileSync(
      join(this.home, "bin/npm"),
      "#!/bin/sh\necho {} > package-lock.json\n",
      { mode: 0o755 },
    );
  }

  /** Types a line. If the line fails, so does the test. */
  type(line: string, shell = "sh"): string {
    const { status, stdout, stderr } = spawnSync(shell, ["-c", line], {
      cwd: this.project,
      env: this.env,
      encoding: "utf8",
    });
    if (status !== 0) {
      throw new Error(`${line}\nexit ${status}\n${stdout}${stderr}`);
    }
    return stdout;
  }
}

/** Runs `work` with a new shell. */
export function withShell(work: (shell: Shell) => void): Promise<void> {
  return withTemp((folder) => work(new Shell(fs.realpathSync(folder))));
}
