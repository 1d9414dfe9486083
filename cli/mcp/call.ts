import { DeltarError, type FindOptions } from "../../mod.ts";
import { belowOf } from "../../lib/repository/mod.ts";
import type { Begun } from "../begin.ts";
import type { Context } from "../context.ts";
import { openRepository } from "../open_repository.ts";
import type { Named } from "../suggest.ts";
import type { Source } from "../take_snapshot.ts";
import { showPath, showText } from "../text.ts";
import { Messages } from "./messages.ts";
import { pathInside } from "./served_directories.ts";

/**
 * The maximum length of a name in an error, in UTF-16 code units. The rest of a
 * longer name is omitted.
 */
const MAX_REPEATED_LENGTH = 200;

/** One call of a tool, with the served directory and its repository. */
export class Call {
  /** The context of the call, for code that tools share with commands. */
  readonly context: Context;
  /** The served directory. */
  readonly source: Source;
  /** The messages for the answer. */
  readonly messages: Messages;
  readonly #repo: string | undefined;

  /**
   * Begins a call. Only `Session.begin` calls this constructor.
   *
   * @param context The context of the call, for code that tools share with
   * commands.
   * @param source The served directory.
   * @param repo The location of the repository, if the user named one.
   */
  constructor(context: Context, source: Source, repo: string | undefined) {
    this.context = context;
    this.source = source;
    this.#repo = repo;
    this.messages = new Messages(context);
  }

  /** The path of the served directory. */
  get place(): string {
    return this.source.place;
  }

  /** The signal that fires when the client cancels the call. */
  get signal(): AbortSignal {
    return this.context.signal;
  }

  /**
   * Opens the repository of the directory.
   *
   * @throws {DeltarError} The errors of `openRepository`, such as `not-found`
   * if there is no repository yet.
   */
  async open(): Promise<Begun> {
    const { place } = this;
    const repository = await openRepository(this.context, this.#repo, place);
    return { out: this.messages, repository, place };
  }

  /**
   * Finds a snapshot of the served directory by the name that a model gives.
   *
   * @param begun The opened repository.
   * @param name The name of the snapshot.
   * @param onDamage Called with the error of each record that cannot be read.
   * By default, the error is thrown.
   * @throws {DeltarError} `not-found` if no snapshot of the directory has the
   * name.
   */
  async find(
    { repository }: Begun,
    name: string,
    onDamage?: FindOptions["onDamage"],
  ): Promise<Named> {
    const { place, signal } = this;
    const options = { directory: place, onDamage, signal };
    let why = "no snapshot of this directory has this name";
    try {
      const record = await repository.find(name, options);
      const below = belowOf(record, place);
      if (below !== undefined) return { record, folder: "", below };
    } catch (error) {
      const isNone = error instanceof DeltarError && error.code === "not-found";
      if (!isNone) throw error;
      // A message that names other directories is replaced, because the server
      // may not serve these directories.
      const isOfOthers = error.message.includes("other directories");
      if (!isOfOthers) why = error.message;
    }
    throw new DeltarError(
      "not-found",
      `${
        showText(name.slice(0, MAX_REPEATED_LENGTH))
      }: ${why}. Call deltar_list to ` +
        `see the ids of the snapshots of ${showPath(place)}; \`latest\` is ` +
        "the newest.",
    );
  }

  /**
   * Converts paths that a model names into paths in a snapshot. Without paths,
   * returns the path of the served directory in the snapshot: `""`, unless the
   * snapshot is of a directory that contains the served directory.
   */
  pathsIn({ below }: Named, words: readonly string[] = []): string[] {
    if (words.length === 0) return [below];
    return words.map((word) => pathInside(this.place, below, word));
  }
}
