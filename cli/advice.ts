import { DeltarError } from "../mod.ts";

/** The advice for an object that is damaged or missing. */
export const DAMAGE_ADVICE =
  "`deltar verify --data` shows which files are affected, and what to do";

/**
 * Returns whether an error is that of a damaged or missing snapshot record,
 * tree, volume or signature of a repository.
 */
export function isOfObject(error: unknown): boolean {
  return error instanceof DeltarError &&
    isHarm(error) &&
    /^(?:snapshots|trees|volumes|signatures)\//.test(error.object ?? "");
}

/** The advice for settings that are missing or damaged. */
export const SETTINGS_ADVICE = "`deltar repair` writes the settings again";

/** Returns the advice for an error or its cause, if there is any. */
export function adviceFor(error: unknown): string | undefined {
  return isOfSettings(error) ? SETTINGS_ADVICE : adviceByCause(error);
}

function adviceByCause(error: unknown): string | undefined {
  if (isOfObject(error)) return DAMAGE_ADVICE;
  if (!(error instanceof Error)) return undefined;
  return adviceByCause(error.cause);
}

/** Returns whether an error is that of damaged or missing settings. */
export function isOfSettings(error: unknown): boolean {
  return error instanceof DeltarError && error.object === "deltar.json" &&
    isHarm(error);
}

/** Returns whether an error is that of a damaged or missing object. */
function isHarm({ code }: DeltarError): boolean {
  return ["corrupt", "truncated", "mismatch", "not-found"].includes(code);
}
