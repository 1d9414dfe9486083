import * as vscode from "vscode";
import type { ChangeSummary, FolderConfig } from "../../shared/protocol.ts";
import type { Caller } from "../engine.ts";

/** The fields of a folder that are needed to read summaries of its changes. */
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
  /** The id of the old snapshot. If `undefined`, all files count as created. */
  before: string | undefined;
  /** The id of the new snapshot. */
  after: string;
  /**
   * The path of the compared part, relative to the workspace folder. Empty if
   * the whole workspace folder is compared.
   */
  within: string;
}

/**
 * The summaries of the changes between snapshots. A summary is read when the
 * row that shows the summary becomes visible. It is kept in memory and never
 * read again, because snapshots do not change.
 */
export class ChangeSummaries implements vscode.Disposable {
  /** Fires with a comparison after its summary has been read or updated. */
  readonly onDidChange: vscode.Event<Comparison>;
  readonly #changed = new vscode.EventEmitter<Comparison>();
  readonly #known = new Map<string, ChangeSummary | undefined>();
  /** The promise of the last request. Requests run one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor() {
    this.onDidChange = this.#changed.event;
  }

  /** Returns the summary of a comparison, if the summary is in memory. */
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
   * Replaces the number of changes and the first changes in the summary of a
   * comparison, after the changes themselves have been listed. Adds a summary
   * if there is none.
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
