import { mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { Command, InvalidArgumentError, Option } from "commander";
import { DeltarError } from "../mod.ts";
import { configFile, readConfig } from "./config.ts";
import { Console } from "./console.ts";
import type { Context, MakeProgram } from "./context.ts";
import { ownCommand } from "./invocation.ts";
import { type Every, SYSTEMS } from "./schedule_files.ts";
import { showPath } from "./text.ts";

interface Options {
  every: Every;
  at: { hour: number; minute: number };
  config?: string;
  system: string;
  print?: boolean;
}

/** When a backup runs if no time is named. */
const NOON = "12:30";

/** `deltar schedule`. */
export function scheduleCommand(
  context: Context,
  program: MakeProgram,
): Command {
  return new Command("schedule")
    .argument("<name>", "a backup of the configuration")
    .addOption(
      new Option("--every <period>", "how often").choices(["hour", "day"])
        .default("day"),
    )
    .addOption(
      new Option(
        "--at <time>",
        "the time of day, HH:MM; of each hour its minutes count",
      ).argParser(parseTime).default(parseTime(NOON), NOON),
    )
    .option("--config <file>", "the configuration")
    .addOption(
      new Option("--system <system>", "for which system")
        .choices(Object.keys(SYSTEMS)).default(process.platform, "this one"),
    )
    .option("--print", "print it, and write nothing")
    .action(async (name: string, options: Options) => {
      const config = resolve(options.config ?? configFile());
      const backups = await readConfig(config, program);
      if (!backups.some((backup) => backup.name === name)) {
        throw new DeltarError(
          "not-found",
          `there is no backup ${JSON.stringify(name)}`,
          { object: config },
        );
      }
      const system = SYSTEMS[options.system];
      if (system === undefined) {
        throw new DeltarError(
          "unsupported",
          `deltar knows no scheduler of ${options.system}; have yours run ` +
            `\`deltar backup ${name}\``,
        );
      }
      const { files, next } = system({
        name,
        command: [...ownCommand(), "backup", name, "--config", config],
        every: options.every,
        ...options.at,
        home: homedir(),
      });
      const out = new Console(context, false);
      for (const [path, text] of Object.entries(files)) {
        if (options.print) out.line(`# ${showPath(path)}\n${text}`);
        else {
          mkdirSync(dirname(path), { recursive: true });
          writeFileSync(path, text);
          out.line(`Wrote ${showPath(path)}`);
        }
      }
      out.line(`Switch it on with:\n  ${next}`);
    });
}

function parseTime(text: string): { hour: number; minute: number } {
  const [, hour, minute] = /^(\d{1,2}):(\d\d)$/.exec(text)?.map(Number) ?? [];
  if (!(hour < 24 && minute < 60)) {
    throw new InvalidArgumentError("Write a time of day as HH:MM.");
  }
  return { hour, minute };
}
