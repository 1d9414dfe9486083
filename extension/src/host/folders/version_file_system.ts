import * as vscode from "vscode";
import type { VersionStat } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "./protected_folder.ts";
import type { ProtectedFolders } from "./protected_folders.ts";
import { EMPTY, pathIn } from "./version_uri.ts";

/** The read-only file system with which VS Code opens files in snapshots. */
export class VersionFileSystem implements vscode.FileSystemProvider {
  readonly onDidChangeFile: vscode.Event<vscode.FileChangeEvent[]> =
    new vscode.EventEmitter<vscode.FileChangeEvent[]>().event;
  readonly #folders: ProtectedFolders;

  constructor(folders: ProtectedFolders) {
    this.#folders = folders;
  }

  /** Does nothing, because snapshots never change. */
  watch(): vscode.Disposable {
    return new vscode.Disposable(() => {});
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const permissions = vscode.FilePermission.Readonly;
    if (uri.query === EMPTY) {
      return { type: vscode.FileType.File, size: 0, ctime: 0, mtime: 0 };
    }
    const { config, reader, id, path } = this.#parse(uri);
    if (path === "") {
      return { type: vscode.FileType.Directory, size: 0, ctime: 0, mtime: 0 };
    }
    const stat = await reader.call("stat", { config, id, path });
    if (stat === undefined) throw vscode.FileSystemError.FileNotFound(uri);
    return {
      type: typeOf(stat.kind),
      size: stat.size,
      mtime: stat.mtime,
      ctime: stat.mtime,
      permissions,
    };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    if (uri.query === EMPTY) return new Uint8Array();
    const { config, reader, id, path } = this.#parse(uri);
    return await reader.call("read", { config, id, path });
  }

  async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    const { config, reader, id, path } = this.#parse(uri);
    const children = await reader.call("children", { config, id, path });
    return children.map(({ name, kind }) => [name, typeOf(kind)]);
  }

  createDirectory(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  writeFile(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  delete(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  rename(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  #parse(
    uri: vscode.Uri,
  ): Pick<ProtectedFolder, "config" | "reader"> & { id: string; path: string } {
    const folder = this.#folders.byKey(uri.authority);
    if (folder === undefined) throw vscode.FileSystemError.FileNotFound(uri);
    const { config, reader } = folder;
    return { config, reader, id: uri.query, path: pathIn(folder, uri) };
  }
}

function typeOf(kind: VersionStat["kind"]): vscode.FileType {
  if (kind === "directory") return vscode.FileType.Directory;
  // An editor shows a text in place of a symlink, a named pipe or a device, so
  // VS Code must treat each of them as a file.
  return kind === "symlink"
    ? vscode.FileType.SymbolicLink | vscode.FileType.File
    : vscode.FileType.File;
}
