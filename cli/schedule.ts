import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { Command, InvalidArgumentError, Option } from "commander";
import { DeltarError } from "../mod.ts";
import { configFile, readConfig } from "./config.ts";
import { Console } from "./console.ts";
import type { Context, MakeProgram } from "./context.ts";
import { ownCommand } from "./invocation.ts";
import {
  type Every,
  SYSTEMS,
  type WrittenSchedule,
  writtenSchedules,
} from "./schedule_files.ts";
import { showPath } from "./text.ts";

interface Options {
  every: Every;
  at: { hour: number; minute: number };
  config?: string;
  system: string;
  print?: boolean;
}

/** The default time of day of a backup, in local time. */
const DEFAULT_TIME = "12:30";

/** Makes the command `deltar schedule`. */
export function scheduleCommand(
  context: Context,
  program: MakeProgram,
): Command {
  return new Command("schedule")
    .description(
      "Write a timer or task that runs a backup regularly, or list, run or " +
        "remove schedules",
    )
    .argument("<name>", "The name of a backup in the configuration")
    .addOption(
      new Option("--every <period>", "Run the backup every hour or every day")
        .choices(["hour", "day"]).default("day"),
    )
    .addOption(
      new Option(
        "--at <time>",
        "Run at this time of day, HH:MM; with `--every hour`, only MM is used",
      ).argParser(parseTime).default(parseTime(DEFAULT_TIME), DEFAULT_TIME),
    )
    .option("--config <file>", "Use this configuration")
    .addOption(
      new Option(
        "--system <system>",
        "Write files for the named operating system",
      ).choices(Object.keys(SYSTEMS))
        .default(process.platform, "the current one"),
    )
    .option("--print", "Print the files without writing them")
    .action(async (name: string, options: Options) => {
      const config = resolve(options.config ?? configFile());
      const backups = await readConfig(config, program);
      if (!backups.some((backup) => backup.name === name)) {
        throw new DeltarError(
          "not-found",
          `no backup is named ${JSON.stringify(name)}; ` +
            "`deltar backup --list` lists the backups",
          { object: config },
        );
      }
      const system = SYSTEMS[options.system];
      if (system === undefined) {
        throw new DeltarError(
          "unsupported",
          `deltar supports no scheduler on ${options.system}. Run ` +
            `\`deltar backup ${name}\` from a scheduler of your choice.`,
        );
      }
      const { files, next } = system.write({
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
      out.line(`Enable the schedule with:\n  ${next}`);
    })
    .addCommand(listSchedulesCommand(context))
    .addCommand(runScheduledCommand(program))
    .addCommand(removeScheduleCommand(context));
}

function listSchedulesCommand(context: Context): Command {
  return new Command("list")
    .description("List the schedules of this user")
    .option("--json", "Print the result as JSON")
    .action((_, command: Command) => {
      const { json = false, system } = command.optsWithGlobals();
      const out = new Console(context, json);
      const schedules = schedulesOf(system);
      if (json) {
        out.object("schedules", {
          schedules: schedules.map(({ name, file, when, isEnabled }) => ({
            name,
            file,
            when,
            isEnabled,
          })),
        });
        return;
      }
      if (schedules.length === 0) {
        out.line("No schedules. `deltar schedule NAME` writes one.");
      }
      for (const { name, file, when, isEnabled } of schedules) {
        const state = isEnabled === undefined
          ? ""
          : isEnabled
          ? "  enabled"
          : "  not enabled";
        out.line(`${name}  ${when}${state}  ${showPath(file)}`);
      }
    });
}

function runScheduledCommand(program: MakeProgram): Command {
  return new Command("run")
    .description("Run a backup now, as its schedule does")
    .argument("<name>", "The name of a backup in the configuration")
    .action(async (name: string, _, command: Command) => {
      const { config } = command.optsWithGlobals<Options>();
      const words = ["backup", name, ...config ? ["--config", config] : []];
      const line = await program(["backup"]);
      await line.parseAsync(words, { from: "user" });
    });
}

function removeScheduleCommand(context: Context): Command {
  return new Command("remove")
    .description("Delete the files of a schedule; the configuration stays")
    .argument("<name>", "The name of a backup")
    .action((name: string, _, command: Command) => {
      const { system } = command.optsWithGlobals<Options>();
      const schedules = schedulesOf(system);
      const found = schedules.find((one) => one.name === name);
      if (found === undefined) {
        const names = schedules.map((one) => one.name).join(", ") || "none";
        throw new DeltarError(
          "not-found",
          `no schedule is named ${JSON.stringify(name)}; the schedules are: ` +
            names,
        );
      }
      const out = new Console(context, false);
      for (const file of found.files) {
        rmSync(file, { force: true });
        out.line(`Deleted ${showPath(file)}`);
      }
      out.line(`Stop the schedule with:\n  ${found.forget}`);
    });
}

/**
 * Returns the schedules that the user has for an operating system, or an empty
 * array if deltar supports no scheduler on this system.
 */
function schedulesOf(system: string): WrittenSchedule[] {
  return SYSTEMS[system] === undefined
    ? []
    : writtenSchedules(system, homedir());
}

function parseTime(text: string): { hour: number; minute: number } {
  const [, hour, minute] = /^(\d{1,2}):(\d\d)$/.exec(text)?.map(Number) ?? [];
  if (!(hour < 24 && minute < 60)) {
    throw new InvalidArgumentError("Write a time of day as HH:MM.");
  }
  return { hour, minute };
}
