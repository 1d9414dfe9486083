import { Context } from "../context.ts";
import { KeptRepositories } from "../kept_repositories.ts";
import type { TakeOptions } from "../take_snapshot.ts";
import { Call } from "./call.ts";
import { PendingPlans } from "./pending_plans.ts";
import type { ServedDirectories } from "./served_directories.ts";

/** The state that a server keeps between calls to it. */
export class Session {
  /** The served directories. */
  readonly directories: ServedDirectories;
  /** The options for snapshots, such as the location of the repository. */
  readonly options: TakeOptions;
  /** The plans that were shown to a model and have not been carried out yet. */
  readonly plans: PendingPlans = new PendingPlans();
  readonly #kept = new KeptRepositories();
  #last: Promise<unknown> = Promise.resolve();

  /** Begins a session. */
  constructor(directories: ServedDirectories, options: TakeOptions) {
    this.directories = directories;
    this.options = options;
  }

  /**
   * Begins a call.
   *
   * @param directory The directory that the model names, if it names one.
   * @param signal The signal that stops the work of the call.
   * @throws {DeltarError} `unsafe` if the server does not serve the directory.
   */
  begin(directory: string | undefined, signal: AbortSignal): Call {
    const context = new Context(() => signal);
    context.kept = this.#kept;
    const source = this.directories.find(directory);
    return new Call(context, source, this.options.repo);
  }

  /** Closes the repositories, so that the next call opens them again. */
  close(): void {
    this.#kept.clear();
  }

  /**
   * Runs work that changes the directory or the repository, and returns its
   * result. The work begins after the work of all earlier calls of this method
   * has ended. For example, two snapshots that are requested at the same time
   * are taken one after the other.
   */
  async inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return await turn;
  }
}
