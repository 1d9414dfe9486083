import { DeltarError } from "../mod.ts";
import { codeOf } from "../shared/error_code.ts";

/** The advice for an object that is damaged or missing. */
export const DAMAGE_ADVICE =
  "`deltar verify --data` shows which files are affected, and what to do";

/**
 * Returns whether an error reports a damaged or missing object of a repository:
 * a record, layer, volume or signature.
 */
export function isOfObject(error: unknown): boolean {
  return error instanceof DeltarError &&
    isHarm(error) &&
    /^(?:snapshots|trees|volumes|signatures)\//.test(error.object ?? "");
}

/** The advice for settings that are missing or damaged. */
export const SETTINGS_ADVICE = "`deltar repair` writes the settings again";

/** The advice for a key that is missing or wrong. */
const KEY_ADVICE = "`deltar help key` explains where keys come from";

/** The advice for a damaged key file. */
const KEY_FILE_ADVICE =
  "open the repository with another key, or with the identity on the " +
  "recovery sheet; then add your key again under another name";

/**
 * Returns the advice for an error, or for the damaged or missing object that
 * caused the error. Returns `undefined` if there is no advice.
 */
export function adviceFor(error: unknown): string | undefined {
  if (codeOf(error) === "key") return KEY_ADVICE;
  if (isOfKeyFile(error)) return KEY_FILE_ADVICE;
  return isOfSettings(error) ? SETTINGS_ADVICE : adviceByCause(error);
}

function adviceByCause(error: unknown): string | undefined {
  if (isOfObject(error)) return DAMAGE_ADVICE;
  if (!(error instanceof Error)) return undefined;
  return adviceByCause(error.cause);
}

/** Returns whether an error reports damaged or missing settings. */
export function isOfSettings(error: unknown): boolean {
  return error instanceof DeltarError && error.object === "deltar.json" &&
    isHarm(error);
}

/** Returns whether an error reports a damaged key file. */
function isOfKeyFile(error: unknown): boolean {
  return error instanceof DeltarError && error.code !== "not-found" &&
    isHarm(error) && error.object?.startsWith("keys/") === true;
}

/** Returns whether an error's code means a damaged or missing object. */
function isHarm({ code }: DeltarError): boolean {
  return ["corrupt", "truncated", "mismatch", "not-found"].includes(code);
}
