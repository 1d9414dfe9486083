import type * as vscode from "vscode";
import type { Guard } from "./guard.ts";
import type { Guards } from "./guards.ts";

/** Logs where the snapshots of each folder are, and if they cannot be seen. */
export class Journal implements vscode.Disposable {
  readonly #guards: Guards;
  readonly #log: vscode.LogOutputChannel;
  readonly #places = new WeakMap<Guard, string>();
  readonly #faults = new WeakMap<Guard, string | undefined>();
  readonly #watch: vscode.Disposable;

  constructor(guards: Guards, log: vscode.LogOutputChannel, version: string) {
    this.#guards = guards;
    this.#log = log;
    log.info(`Deltar ${version}`);
    this.#watch = guards.onDidChange(() => this.#look());
    this.#look();
  }

  dispose(): void {
    this.#watch.dispose();
  }

  #look(): void {
    for (const guard of this.#guards.all) {
      const { name } = guard.folder;
      const { directory, repository } = guard.place;
      if (this.#places.get(guard) !== repository) {
        this.#places.set(guard, repository);
        this.#log.info(
          `${name}: snapshots of ${directory} are kept in ${repository}`,
        );
      }
      if (this.#faults.get(guard) !== guard.unseen) {
        this.#faults.set(guard, guard.unseen);
        if (guard.unseen !== undefined) {
          this.#log.warn(`${name}: no list of snapshots: ${guard.unseen}`);
        }
      }
    }
  }
}
