import * as vscode from "vscode";
import { formatBytes, formatCount, plural } from "../../../../shared/text.ts";
import type { ChangedRanges, VersionPath } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { EMPTY, pathIn, SCHEME } from "../folders/version_uri.ts";
import { explain } from "../ui/explain.ts";

/**
 * The scheme of the URIs of descriptions of files that are too large to show.
 */
const LARGE_SCHEME = "deltar-large";

/**
 * The URIs of the old and the new state of a file, in this order. A URI is
 * `undefined` if the state does not exist.
 */
export type Sides = [vscode.Uri | undefined, vscode.Uri | undefined];

/**
 * Returns whether a file is too large to show: larger than the setting
 * `diffEditor.maxFileSize` of VS Code allows.
 *
 * @param size The size of the file in bytes.
 */
export function isTooLarge(size: number): boolean {
  const limit = vscode.workspace.getConfiguration("diffEditor")
    .get("maxFileSize", 50);
  return limit > 0 && size > limit * 2 ** 20;
}

/** Returns whether at least one side is a file that is too large to show. */
export async function areTooLarge(sides: Sides): Promise<boolean> {
  const sizes = await Promise.all(sides.map(sizeOf));
  return isTooLarge(Math.max(...sizes));
}

/**
 * Returns the URI of a description of the two sides of a large file. If a side
 * is a file on the disk, the URI contains the file's modification time, so that
 * a changed file gets a new description.
 */
export async function largeUri(sides: Sides): Promise<vscode.Uri> {
  const { path } = sides[1] ?? sides[0] ?? vscode.Uri.file("");
  const file = sides.find((uri) => uri !== undefined && uri.scheme !== SCHEME);
  const stat = await statOf(file);
  const [left, right] = sides.map((uri) =>
    uri === undefined || isEmpty(uri) ? null : uri.toString()
  );
  const query: Query = [left, right, stat?.mtime ?? null];
  return vscode.Uri.from({
    scheme: LARGE_SCHEME,
    // The suffix keeps VS Code from treating the description of a `.json` file
    // as JSON.
    path: `${path} (too large to show)`,
    query: JSON.stringify(query),
  });
}

/**
 * The URIs of the two sides, `null` for a side that does not exist; and the
 * modification time, in milliseconds since 1970, of the side that is a file on
 * the disk, or `null` if there is no such file.
 */
type Query = [string | null, string | null, number | null];

/** Returns the two sides that the URI of a description contains. */
function sidesOf({ query }: vscode.Uri): Sides {
  const [left, right]: Query = JSON.parse(query);
  const side = (text: string | null) =>
    text === null ? undefined : vscode.Uri.parse(text);
  return [side(left), side(right)];
}

/**
 * Returns the URI of the file that a description is about: its new state or, if
 * the file was deleted, its old state. Returns all other URIs unchanged.
 */
export function describedUri(uri: vscode.Uri): vscode.Uri {
  if (uri.scheme !== LARGE_SCHEME) return uri;
  const [left, right] = sidesOf(uri);
  return right ?? left ?? uri;
}

/**
 * Provides descriptions of files that are too large to show. A description
 * first has the sizes of the two sides, and later also the byte ranges that
 * differ.
 */
export class LargeFiles
  implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly onDidChange: vscode.Event<vscode.Uri>;
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #folders: ProtectedFolders;
  /** The comparisons that have begun, by the URIs of their descriptions. */
  readonly #begun = new Map<string, Comparison>();
  readonly #disposables: vscode.Disposable[];

  constructor(folders: ProtectedFolders) {
    this.#folders = folders;
    this.onDidChange = this.#changed.event;
    this.#disposables = [
      this.#changed,
      vscode.workspace.registerTextDocumentContentProvider(LARGE_SCHEME, this),
      // VS Code ignores the change event of a document that is not open yet, so
      // the event is fired after the document was opened. When the user changes
      // the language mode, VS Code closes the document and opens it again, so
      // the comparison begins again.
      vscode.workspace.onDidOpenTextDocument(async ({ uri }) => {
        if (uri.scheme !== LARGE_SCHEME) return;
        const comparison = this.#comparison(uri);
        await comparison?.end;
        if (comparison !== undefined) this.#changed.fire(uri);
      }),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => {
        this.#begun.get(uri.toString())?.controller.abort();
        this.#begun.delete(uri.toString());
      }),
    ];
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const sides = sidesOf(uri);
    const [left, right] = sides;
    const name = pathName(right ?? left);
    const [old, now] = await Promise.all(sides.map(sizeOf));
    const lines = [`${name} is too large to show.`, ""];
    const comparison = this.#comparison(uri);
    if (comparison === undefined) {
      lines.push(formatBytes(left === undefined ? now : old));
    } else {
      const { result, failure } = comparison;
      lines.push(...differenceLines(result ?? { before: old, after: now }));
      if (failure !== undefined) lines.push("", failure);
    }
    return `${lines.join("\n")}\n`;
  }

  dispose(): void {
    for (const { controller } of this.#begun.values()) controller.abort();
    for (const one of this.#disposables) one.dispose();
  }

  /**
   * Returns the comparison for a description. The first call for a description
   * begins the comparison. Returns `undefined` if the file has only one side.
   */
  #comparison(uri: vscode.Uri): Comparison | undefined {
    const [left, right] = sidesOf(uri);
    if (left === undefined || right === undefined) return undefined;
    const key = uri.toString();
    const begun = this.#begun.get(key);
    if (begun !== undefined) return begun;
    const controller = new AbortController();
    const { signal } = controller;
    const folder = this.#folders.of(left) ?? this.#folders.of(right);
    const compared = folder === undefined
      ? Promise.reject(
        new Error("the folder of the file is not in the workspace"),
      )
      : folder.reader.call("ranges", {
        config: folder.config,
        before: versionOf(folder, left),
        after: versionOf(folder, right),
      }, { signal });
    const end = compared.then((result) => {
      comparison.result = result;
    }, (error) => {
      comparison.failure = `The contents cannot be compared: ${explain(error)}`;
    });
    const comparison: Comparison = { controller, end };
    this.#begun.set(key, comparison);
    return comparison;
  }
}

interface Comparison {
  controller: AbortController;
  /** The promise that resolves when the result or the failure is known. */
  end: Promise<void>;
  result?: ChangedRanges;
  failure?: string;
}

/**
 * Returns the lines of a description: the sizes of the two sides and, if they
 * are known, the byte ranges that differ.
 */
function differenceLines(
  { before, after, count, ranges = [] }:
    & Pick<ChangedRanges, "before" | "after">
    & Partial<ChangedRanges>,
): string[] {
  const state = count === undefined
    ? "comparing\u2026"
    : count === 0
    ? "no differences"
    : `${plural(count, "range")} ${count === 1 ? "differs" : "differ"}`;
  const head = `${formatBytes(before)} \u2192 ${formatBytes(after)}, ${state}`;
  if (ranges.length === 0) return [head];
  const rows = [
    ["Offset (bytes)", "Old length", "New length"],
    ...ranges.map(({ offset, before, after }) => [
      formatCount(offset),
      formatBytes(before),
      formatBytes(after),
    ]),
  ];
  const widths = [0, 1, 2].map((column) =>
    Math.max(...rows.map((row) => row[column].length))
  );
  const more = (count ?? 0) - ranges.length;
  return [
    head,
    "",
    ...rows.map((row) =>
      row.map((cell, column) => cell.padStart(widths[column])).join("   ")
    ),
    ...(more > 0 ? [`and ${plural(more, "more range")}`] : []),
  ];
}

/** Returns the size of a file in bytes, or 0 if the size cannot be read. */
async function sizeOf(uri: vscode.Uri | undefined): Promise<number> {
  return (await statOf(uri))?.size ?? 0;
}

/**
 * Returns the size and time of a file, or `undefined` if the file does not
 * exist or cannot be read.
 */
async function statOf(
  uri: vscode.Uri | undefined,
): Promise<vscode.FileStat | undefined> {
  if (uri === undefined || isEmpty(uri)) return undefined;
  try {
    return await vscode.workspace.fs.stat(uri);
  } catch {
    // The editor that opens the file shows the error.
    return undefined;
  }
}

/** Returns whether a URI stands for a missing file. */
function isEmpty({ scheme, query }: vscode.Uri): boolean {
  return scheme === SCHEME && query === EMPTY;
}

function versionOf(folder: ProtectedFolder, uri: vscode.Uri): VersionPath {
  const path = pathIn(folder, uri);
  return uri.scheme === SCHEME ? { id: uri.query, path } : { path };
}

function pathName(uri: vscode.Uri | undefined): string {
  return uri?.path.slice(uri.path.lastIndexOf("/") + 1) ?? "";
}
