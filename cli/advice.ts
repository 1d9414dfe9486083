import { DeltarError } from "../mod.ts";

/** The advice for an object that is not what was stored. */
export const DAMAGE_ADVICE =
  "`deltar verify --data` tells what that harms, and what to do";

/** Whether an error is of an object that a repository should have. */
export function isOfObject(error: unknown): boolean {
  return error instanceof DeltarError &&
    isHarm(error) &&
    /^(?:snapshots|trees|volumes|signatures)\//.test(error.object ?? "");
}

/** The advice for settings that are lost or damaged. */
export const SETTINGS_ADVICE = "`deltar repair` writes the settings again";

/** Returns advice for an error, if it or its cause is known. */
export function adviceFor(error: unknown): string | undefined {
  return isOfSettings(error) ? SETTINGS_ADVICE : adviceByCause(error);
}

function adviceByCause(error: unknown): string | undefined {
  if (isOfObject(error)) return DAMAGE_ADVICE;
  if (!(error instanceof Error)) return undefined;
  return adviceByCause(error.cause);
}

/** Whether an error is of settings that are damaged, or lost. */
export function isOfSettings(error: unknown): boolean {
  return error instanceof DeltarError && error.object === "deltar.json" &&
    isHarm(error);
}

/** Whether something stored is damaged or lost. */
function isHarm({ code }: DeltarError): boolean {
  return ["corrupt", "truncated", "mismatch", "not-found"].includes(code);
}
