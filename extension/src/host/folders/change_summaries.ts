import * as vscode from "vscode";
import type { ChangeSummary, FolderConfig } from "../../shared/protocol.ts";
import type { Caller } from "../engine.ts";

/** The fields of a folder that are needed to read its summaries. */
interface SummarizedFolder {
  /** The URI of the folder. */
  uri: vscode.Uri;
  /** The configuration from the current settings. */
  config: FolderConfig;
  /** The engine that reads the summaries. */
  reader: Caller;
}

/** Two snapshots of a folder, and the part of the folder that is compared. */
export interface Comparison {
  /** The folder. */
  folder: SummarizedFolder;
  /** The id of the old snapshot. If absent, all files are new. */
  before: string | undefined;
  /** The id of the new snapshot. */
  after: string;
  /** The path of a folder; empty for the whole tree. */
  within: string;
}

/**
 * The summaries of the changes between snapshots. A summary is read when its
 * row becomes visible, and is then kept in memory, because snapshots never
 * change.
 */
export class ChangeSummaries implements vscode.Disposable {
  /** Fires when a summary has been read or has changed. */
  readonly onDidChange: vscode.Event<Comparison>;
  readonly #changed = new vscode.EventEmitter<Comparison>();
  readonly #known = new Map<string, ChangeSummary | undefined>();
  /** The last request. Requests run one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor() {
    this.onDidChange = this.#changed.event;
  }

  /** Returns the summary of a comparison, if it is known. */
  of(comparison: Comparison): ChangeSummary | undefined {
    return this.#known.get(keyOf(comparison));
  }

  /**
   * Reads the summary of a comparison, unless the summary is known. Summaries
   * are read in the order of the requests. Errors are ignored.
   */
  request(comparison: Comparison): void {
    const read = async () => {
      if (this.#known.has(keyOf(comparison))) return;
      const { folder, ...compared } = comparison;
      const { config } = folder;
      this.#set(
        comparison,
        await folder.reader.call("summary", { config, ...compared }),
      );
    };
    this.#queue = this.#queue.then(read).catch(() => {});
  }

  /**
   * Updates a summary from the list of the changes that it summarizes. Replaces
   * only the number and the names of the changes.
   */
  add(
    comparison: Comparison,
    listed: Pick<ChangeSummary, "changed" | "first">,
  ): void {
    const known = this.of(comparison);
    if (known?.changed === listed.changed) return;
    this.#set(comparison, { folder: "", ...known, ...listed });
  }

  dispose(): void {
    this.#changed.dispose();
  }

  #set(comparison: Comparison, summary: ChangeSummary | undefined): void {
    this.#known.set(keyOf(comparison), summary);
    if (summary !== undefined) this.#changed.fire(comparison);
  }
}

function keyOf({ folder, before, after, within }: Comparison): string {
  return JSON.stringify([`${folder.uri}`, before, after, within]);
}
