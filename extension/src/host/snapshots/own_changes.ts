import { dirname } from "node:path";

/**
 * The time for which a path counts as changed by VS Code after each change, in
 * milliseconds. The file events of the change arrive within this time.
 */
export const OWN_CHANGE_MS = 3000;

/** The paths that VS Code itself has just saved, created, deleted or renamed. */
export class OwnChanges {
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  /** Adds paths that VS Code has changed or is about to change. */
  add(paths: readonly string[]): void {
    for (const path of paths) {
      clearTimeout(this.#timers.get(path));
      const timer = setTimeout(() => this.#timers.delete(path), OWN_CHANGE_MS);
      this.#timers.set(path, timer);
    }
  }

  /** Returns whether VS Code has just changed a path, or a folder above it. */
  has(path: string): boolean {
    if (this.#timers.size === 0) return false;
    for (let at = path;; at = dirname(at)) {
      if (this.#timers.has(at)) return true;
      if (at === dirname(at)) return false;
    }
  }

  /** Forgets all paths. */
  dispose(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
