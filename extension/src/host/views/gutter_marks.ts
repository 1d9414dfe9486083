import * as vscode from "vscode";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { pathIn, versionUri } from "../folders/version_uri.ts";
import { type GutterBase, gutterBase } from "../settings.ts";
import { isTooLarge } from "./large_files.ts";

/** The marks next to the line numbers of the files of a folder. */
interface Marks {
  /** The id of the snapshot that files are compared with. */
  id: string;
  control: vscode.SourceControl;
}

/**
 * Marks the lines that differ from a snapshot, next to the line numbers, if the
 * user has chosen a snapshot in the settings. VS Code shows such marks only for
 * files of a source control provider, so this class registers a source control
 * provider for each folder. The provider lists no changes.
 */
export class GutterMarks implements vscode.Disposable {
  readonly #folders: ProtectedFolders;
  readonly #marks = new Map<ProtectedFolder, Marks>();
  readonly #watches: vscode.Disposable[];

  constructor(folders: ProtectedFolders) {
    this.#folders = folders;
    const update = () => this.#update();
    this.#watches = [
      folders.onDidChange(update),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("deltar.gutter")) update();
      }),
    ];
    update();
  }

  dispose(): void {
    for (const watch of this.#watches) watch.dispose();
    for (const { control } of this.#marks.values()) control.dispose();
    this.#marks.clear();
  }

  #update(): void {
    const { all } = this.#folders;
    const base = gutterBase();
    for (const folder of new Set([...this.#marks.keys(), ...all])) {
      const id = all.includes(folder) ? snapshotId(folder, base) : undefined;
      const marks = this.#marks.get(folder);
      if (marks?.id === id) continue;
      // VS Code asks a provider only once for the old content of an open file,
      // so a comparison with another snapshot needs a new provider.
      marks?.control.dispose();
      this.#marks.delete(folder);
      if (id !== undefined) {
        this.#marks.set(folder, { id, control: this.#compare(folder, id) });
      }
    }
  }

  #compare(folder: ProtectedFolder, id: string): vscode.SourceControl {
    const control = vscode.scm.createSourceControl(
      "deltar",
      "Deltar",
      folder.uri,
    );
    control.inputBox.visible = false;
    control.quickDiffProvider = {
      provideOriginalResource: async (uri) => {
        if (uri.scheme !== "file" || this.#folders.of(uri) !== folder) return;
        const path = pathIn(folder, uri);
        const { config } = folder;
        const stat = await folder.reader.call("stat", { config, id, path });
        return stat?.kind === "file" && !isTooLarge(stat.size)
          ? versionUri(folder, id, path)
          : undefined;
      },
    };
    return control;
  }
}

/**
 * Returns the id of the snapshot that a value of the setting selects in a
 * folder, or `undefined` if there is no such snapshot.
 */
function snapshotId(
  folder: ProtectedFolder,
  base: GutterBase,
): string | undefined {
  if (base === "nothing") return undefined;
  return base === "lastSnapshot"
    ? folder.last?.id
    : folder.listed.find(({ label }) => label !== undefined)?.id;
}
