import {
  SYSTEM_ERRORS,
  type SystemErrorText,
} from "../../../../shared/system_errors.ts";
import { EngineError } from "../engine.ts";

/** The title of the command that asks for S3 credentials. */
export const SET_CREDENTIALS = "Deltar: Set S3 Credentials";

/** The title of the command that asks for the key of a repository. */
export const ENTER_KEY = "Deltar: Enter Key";

/** The title of the command that creates an encrypted repository. */
export const CREATE_ENCRYPTED = "Deltar: Create Encrypted Repository";

/** The titles of the commands that fix the causes of errors, by error code. */
const REMEDIES: Readonly<Record<string, string>> = {
  key: ENTER_KEY,
  uncreated: CREATE_ENCRYPTED,
};

/** The texts that replace the names of environment variables in messages. */
const NAMES: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: "the access key ID",
  AWS_SECRET_ACCESS_KEY: "the secret access key",
  AWS_ENDPOINT_URL: "the setting deltar.repository.endpoint",
  AWS_REGION: "the setting deltar.repository.region",
};

/** Returns the message of an error, with advice if there is any. */
export function explain(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  const message =
    said.replaceAll(/AWS_[A-Z_]+/g, (name) => NAMES[name] ?? name) +
    (/AWS_(?:ACCESS|SECRET)/.test(said) ? `. Run ${SET_CREDENTIALS}.` : "");
  if (!(error instanceof EngineError)) return message;
  const remedy = REMEDIES[error.code ?? ""];
  if (remedy !== undefined) {
    return `${message.replace(/\.$/, "")}. Run ${remedy}.`;
  }
  const advice = adviceFor(error);
  if (advice === undefined) return message;
  // The message is put in parentheses, so a comma replaces the parentheses
  // around its error code.
  return `${advice} (${message.replace(/ \((E[A-Z]+)\)$/, ", $1")})`;
}

/**
 * Returns sentences with the reason for a system error and with advice, or
 * `undefined` if the error is not a known system error.
 */
function adviceFor({ system, isOfFolder }: EngineError): string | undefined {
  const known: Readonly<Record<string, SystemErrorText>> = SYSTEM_ERRORS;
  if (system === undefined || !Object.hasOwn(known, system)) return undefined;
  const { reason, remedy } = known[system];
  const sentence = `${reason[0].toUpperCase()}${reason.slice(1)}.`;
  // If the error is about the workspace folder, another repository does not
  // help.
  if (isOfFolder) return remedy ? `${sentence} ${remedy}.` : sentence;
  return `${sentence} ` +
    `${remedy ? `${remedy}, or choose` : "Choose"} another repository with ` +
    "the setting deltar.repository.location.";
}

/** Returns whether an error means that the user cancelled the work. */
export function isCancelled(error: unknown): boolean {
  return error instanceof EngineError && error.code === "aborted";
}
