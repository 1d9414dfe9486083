import { Command } from "commander";
import { DeltarError } from "../mod.ts";
import { configFile, readConfig } from "./config.ts";
import { Console } from "./console.ts";
import type { Context, MakeProgram } from "./context.ts";
import { EXIT } from "./exit.ts";
import { fail } from "./failure.ts";
import { OpenedRepositories } from "./opened.ts";
import { shellWord, showPath, showText } from "./text.ts";

interface Options {
  config?: string;
  list?: boolean;
  dryRun?: boolean;
}

const HELP = `
The configuration (--config, or else config.json in your configuration folder):

  {
    "backups": {
      "project": {
        "directory": "~/project",
        "repo": "/mnt/backup/project",
        "snapshot": { "exclude": ["*.iso"], "gitignore": true },
        "prune": { "keepDaily": 7, "keepWeekly": 8 }
      }
    }
  }

The keys in "snapshot" and "prune" are the options of these commands, in camel
case: keepDaily stands for --keep-daily. Without "prune", the backup only takes
a snapshot.`;

/**
 * Makes the command `deltar backup`, which takes the snapshots and runs the
 * prunes that a configuration lists.
 *
 * @param context The context, which receives the exit code.
 * @param program Called with the names of commands that the configuration uses.
 * Makes the command line with these commands.
 */
export function backupCommand(
  context: Context,
  program: MakeProgram,
): Command {
  return new Command("backup")
    .argument("[name...]", "The names of backups (default: all)")
    .option("--config <file>", "Use this configuration")
    .option("--list", "Print the names of the backups")
    .option("--dry-run", "Print the commands without running them")
    .addHelpText("after", HELP)
    .action(async (names: string[], options: Options) => {
      const place = names.find((name) => /[\\/]|^\.{1,2}$/.test(name));
      if (place !== undefined) {
        throw new DeltarError(
          "not-found",
          `${
            showPath(place)
          }: not the name of a backup. To take a snapshot of ` +
            `a directory, use \`deltar snapshot ${shellWord(place)}\`.`,
        );
      }
      const file = options.config ?? configFile();
      const backups = await readConfig(file, program);
      const unknown = names.find((name) =>
        !backups.some((backup) => backup.name === name)
      );
      if (unknown !== undefined) {
        const all = backups.map(({ name }) => name).join(", ") || "none";
        throw new DeltarError(
          "not-found",
          `no backup is named ${JSON.stringify(unknown)}; the backups are: ` +
            all,
          { object: file },
        );
      }
      const out = new Console(context, false);
      for (const { name, lines } of backups) {
        if (names.length > 0 && !names.includes(name)) continue;
        if (options.list) out.line(showText(name));
        else await runLines(context, program, out, lines, options.dryRun);
      }
    });
}

/**
 * Runs the command lines of one backup, or prints them for a dry run. The first
 * line that fails ends this backup but not the others. An interrupt, or an
 * error other than a `DeltarError`, ends all backups. Otherwise, the worst exit
 * code of all lines becomes the exit code of the process.
 */
async function runLines(
  context: Context,
  program: MakeProgram,
  out: Console,
  lines: readonly string[][],
  dryRun = false,
): Promise<void> {
  for (const words of lines) {
    const line = showText(["deltar", ...words].map(shellWord).join(" "));
    out.line(dryRun ? line : `# ${line}`);
    if (dryRun) continue;
    const { code: before, verbosity } = context;
    try {
      context.opened = new OpenedRepositories();
      context.code = EXIT.done;
      const line = await program([words[0]]);
      await line.parseAsync(words, { from: "user" });
    } catch (error) {
      if (!(error instanceof DeltarError) || error.code === "aborted") {
        throw error;
      }
      context.code = fail(error, false, context);
      return;
    } finally {
      context.code = worse(before, context.code);
      // An option such as `--quiet` in one line must not apply to the next one.
      context.verbosity = verbosity;
    }
  }
}

function worse(one: number, other: number): number {
  const rank = [EXIT.done, EXIT.partial, EXIT.failed] as number[];
  return rank.indexOf(one) > rank.indexOf(other) ? one : other;
}
