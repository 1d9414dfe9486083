import process from "node:process";
import { DeltarError } from "../../mod.ts";
import { adviceFor } from "../advice.ts";
import { messageOf, refusalOf, repositoryOf } from "../refusal.ts";
import { redact, showText } from "../text.ts";
import type { Call } from "./call.ts";

/** The advice for errors that have no advice of their own, by error code. */
const ADVICE: Readonly<Record<string, string>> = {
  "not-found": "Check the name. deltar_list shows snapshots, and deltar_find " +
    "finds paths in all snapshots.",
  conflict: "Call the tool again.",
  exists: "Wait until the other work is finished, and call the tool again.",
  aborted: "Call the tool again if the work is still needed.",
};

/**
 * The maximum length of an error's message, in UTF-16 code units. In a longer
 * message, such as one with a long path, `…` replaces the middle.
 */
const MAX_MESSAGE_LENGTH = 1500;

/**
 * Returns the text of an error for a model: what happened, and what to do.
 * Prints the stack of an unexpected error to standard error.
 *
 * @param error The error.
 * @param call The call that failed, if it began.
 */
export function errorText(error: unknown, call: Call | undefined): string {
  if (!(error instanceof DeltarError) && !isOfSystem(error)) {
    // The stack is for the log of the host. The model gets only the message.
    const text = (error as Error)?.stack ?? String(error);
    process.stderr.write(`deltar: ${showText(text)}\n`);
  }
  const opened = call?.context.opened;
  const refusal = opened && refusalOf(error, opened);
  const what = shortened(
    opened ? messageOf(error, opened) : (error as Error).message,
  );
  const repository = opened && refusal === undefined
    ? repositoryOf(error, opened)
    : undefined;
  const code = error instanceof DeltarError ? error.code : "";
  const next = refusal?.next ?? adviceFor(error) ??
    (/\.\s/.test(what) ? undefined : ADVICE[code]);
  const sentence = /[.!?]$/.test(what) ? what : `${what}.`;
  const text = [
    sentence,
    ...repository === undefined ? [] : [`Repository: ${repository}.`],
    ...next === undefined ? [] : [/[.!?]$/.test(next) ? next : `${next}.`],
  ].join(" ");
  return showText(redact(text));
}

function shortened(text: string): string {
  if (text.length <= MAX_MESSAGE_LENGTH) return text;
  const half = MAX_MESSAGE_LENGTH / 2;
  return `${text.slice(0, half)} … ${text.slice(-half)}`;
}

/** Returns whether an error comes from the operating system. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}
