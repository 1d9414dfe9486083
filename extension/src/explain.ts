import { EngineError } from "./engine.ts";

/** What one can do about what the system says. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full. Free some space, or choose another place with " +
    "the setting deltar.repository.location.",
  EDQUOT: "The disk quota is used up. Free some space, or choose another " +
    "place with the setting deltar.repository.location.",
  EACCES: "Permission was refused. Check who owns it, or choose another " +
    "place with the setting deltar.repository.location.",
  EPERM: "Permission was refused. Check who owns it, or choose another " +
    "place with the setting deltar.repository.location.",
  EROFS: "The file system is read-only. Choose another place with the " +
    "setting deltar.repository.location.",
};

/** What went wrong, and what to do about it. */
export function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const advice = error instanceof EngineError && error.system !== undefined
    ? ADVICE[error.system]
    : undefined;
  return advice === undefined ? message : `${advice} (${message})`;
}

/** Whether the user wished it to end. */
export function isCancelled(error: unknown): boolean {
  return error instanceof EngineError && error.code === "aborted";
}
