/**
 * Writes the manual page `dist/deltar.1` from the help of the command.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { EXAMPLES } from "../cli/examples.ts";
import { Context } from "../cli/context.ts";
import { createProgram } from "../cli/program.ts";

/**
 * Escapes the characters that have a special meaning in roff: backslashes and
 * hyphens, and dots and single quotes at the beginning of a line.
 */
function plain(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll(
    /^([.'])/gm,
    "\\&$1",
  );
}

function section(command: Command, name: string): string[] {
  const help = command.createHelp();
  const lines = [
    `.SS ${name}`,
    `.B ${plain(help.commandUsage(command).trim())}`,
    ".PP",
    plain(help.commandDescription(command)) + ".",
  ];
  for (const argument of help.visibleArguments(command)) {
    lines.push(".TP", `.I ${plain(help.argumentTerm(argument))}`);
    lines.push(plain(help.argumentDescription(argument)));
  }
  for (const option of help.visibleOptions(command)) {
    lines.push(".TP", `.B ${plain(help.optionTerm(option))}`);
    lines.push(plain(help.optionDescription(option)));
  }
  const examples = EXAMPLES[name.replace("deltar ", "")] ?? [];
  if (examples.length > 0) {
    lines.push(".PP", "Examples:");
    for (const [line, what] of examples) {
      lines.push(".TP", `.B ${plain(line)}`, plain(what));
    }
  }
  const below = help.visibleCommands(command)
    .filter((child) => child.name() !== "help");
  return [
    ...lines,
    ...below.flatMap((child) => section(child, `${name} ${child.name()}`)),
  ];
}

/** Returns the manual page, in roff with the man macros. */
export function manualPage(program: Command): string {
  const help = program.createHelp();
  const commands = help.visibleCommands(program)
    .filter((command) => command.name() !== "help");
  return [
    `.TH DELTAR 1 "" "deltar ${plain(program.version()!)}" "User Commands"`,
    ".SH NAME",
    `deltar \\- ${plain(program.description().toLowerCase())}`,
    ".SH SYNOPSIS",
    ".B deltar",
    "[\\fIoptions\\fR] \\fIcommand\\fR [\\fIargument\\fR ...]",
    ".SH COMMANDS",
    ...commands.flatMap((child) => section(child, `deltar ${child.name()}`)),
    ".SH EXIT STATUS",
    ...[
      ["0", "done"],
      ["1", "failed, or a fault was found by verify, drill or doctor"],
      ["2", "wrong usage"],
      ["3", "done except for what the output names"],
      ["130", "interrupted"],
      ["others", "for deltar run, the exit code of the command that it ran"],
    ].flatMap(([code, what]) => [".TP", `.B ${code}`, `${what}.`]),
    ".SH ENVIRONMENT",
    ".TP",
    ".B DELTAR_REPOSITORY",
    "The location of the repository, unless \\fB\\-\\-repo\\fR is given.",
    ".TP",
    ".B DELTAR_IDENTITY, DELTAR_PASSPHRASE_FILE, DELTAR_PASSPHRASE_COMMAND",
    "Your key for encrypted repositories, as \\fBdeltar help key\\fR describes.",
    ".TP",
    ".B AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, " +
    "AWS_REGION, AWS_ENDPOINT_URL",
    "The credentials, region and endpoint for repositories at s3://bucket/prefix.",
    ".TP",
    ".B NO_COLOR",
    "Any value that is not empty turns off colors.",
    ".SH SEE ALSO",
    "tar(1), rdiff(1), jq(1), gitignore(5)",
    "",
  ].join("\n");
}

if (import.meta.main) {
  mkdirSync("dist", { recursive: true });
  const context = new Context(() => new AbortController().signal);
  writeFileSync("dist/deltar.1", manualPage(await createProgram(context)));
}
