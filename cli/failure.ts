import process from "node:process";
import { DeltarError } from "../mod.ts";
import { adviceFor } from "./advice.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { messageOf, refusalOf, repositoryOf } from "./refusal.ts";
import { paint } from "./terminal.ts";
import { showText, toJson } from "./text.ts";

/**
 * Prints why a command failed.
 *
 * @param error The error that the command threw.
 * @param json Whether to print JSON.
 * @param context The state of the run.
 * @returns The exit code.
 */
export function fail(
  error: unknown,
  json: boolean,
  { interrupted, opened, terminal }: Context,
): number {
  const isOurs = error instanceof DeltarError;
  const code = isOurs ? error.code : "unexpected";
  const message = code === "aborted"
    ? ["interrupted", interrupted].filter(Boolean).join("; ")
    : messageOf(error, opened);
  const refusal = refusalOf(error, opened);
  const repository = refusal ? undefined : repositoryOf(error, opened);
  const next = refusal?.next ?? adviceFor(error);
  terminal.clear();
  if (json) {
    const type = "error";
    const fields = { version: 1, type, code, message, repository, next };
    terminal.write(2, `${toJson(fields)}\n`);
  } else if (refusal !== undefined) {
    const name = paint("red", "deltar:", process.stderr);
    const text = `${refusal.message}. ${refusal.next}`;
    terminal.tellPainted(2, `${name} ${showText(text)}\n`);
  } else if (isOurs || isOfSystem(error)) {
    const name = paint("red", "deltar:", process.stderr);
    terminal.tellPainted(2, `${name} ${showText(message)}\n`);
    if (repository) {
      terminal.tell(2, `  in the repository ${showText(repository)}\n`);
    }
    if (next) terminal.tell(2, `  ${next}\n`);
  } else terminal.tell(2, `deltar: ${(error as Error)?.stack ?? message}\n`);
  return code === "aborted" ? EXIT.interrupted : EXIT.failed;
}

/** Returns whether an error is a system error with a path. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && "path" in error;
}
