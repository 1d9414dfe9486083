import { EngineError } from "../engine.ts";

/** The advice for errors of the system. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full. Free some space, or choose another place with " +
    "the setting deltar.repository.location.",
  EDQUOT: "The disk quota is used up. Free some space, or choose another " +
    "place with the setting deltar.repository.location.",
  EACCES: "Permission was refused. Check who owns it, or choose another " +
    "place with the setting deltar.repository.location.",
  EPERM: "Permission was refused. Check who owns it, or choose another " +
    "place with the setting deltar.repository.location.",
  ENOTDIR: "A file is in the way. Choose another place with the setting " +
    "deltar.repository.location.",
  EROFS: "The file system is read-only. Choose another place with the " +
    "setting deltar.repository.location.",
};

/** The command that asks for S3 credentials. */
export const SET_CREDENTIALS = "Deltar: Set S3 Credentials";

/** The names that users of the extension know, by environment variable. */
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
  const advice = error instanceof EngineError && error.system !== undefined
    ? ADVICE[error.system]
    : undefined;
  return advice === undefined ? message : `${advice} (${message})`;
}

/** Returns whether an error is of work that the user cancelled. */
export function isCancelled(error: unknown): boolean {
  return error instanceof EngineError && error.code === "aborted";
}
