import { createHash } from "node:crypto";
import * as vscode from "vscode";
import type { Guard } from "./guard.ts";
import type { Guards } from "./guards.ts";
import type { VersionStat } from "./protocol.ts";

/** The scheme of files as they are in snapshots. */
export const SCHEME = "deltar";
/** In place of a snapshot: a file that is not there, and so empty. */
const NOTHING = "nothing";

/** A folder's name in the addresses of its versions. */
export function repositoryKey(folder: vscode.WorkspaceFolder): string {
  return createHash("sha256").update(folder.uri.toString()).digest("hex")
    .slice(0, 16);
}

/**
 * The address of a file in a snapshot; without a snapshot, of an empty one. Its
 * path is the file's own: editors take different paths for a rename.
 */
export function versionUri(
  guard: Guard,
  id: string | undefined,
  path: string,
): vscode.Uri {
  return vscode.Uri.from({
    scheme: SCHEME,
    authority: repositoryKey(guard.folder),
    path: fileUri(guard, path).path,
    query: id ?? NOTHING,
  });
}

/** The address of a file in the workspace. */
export function fileUri({ folder }: Guard, path: string): vscode.Uri {
  return vscode.Uri.joinPath(folder.uri, path);
}

/** The path of a file below its folder, `/`-separated. */
export function pathIn({ folder }: Guard, uri: vscode.Uri): string {
  return uri.path.slice(folder.uri.path.replace(/\/$/, "").length + 1);
}

/** Files as they are in snapshots, for every kind of editor. */
export class VersionFiles implements vscode.FileSystemProvider {
  readonly onDidChangeFile: vscode.Event<vscode.FileChangeEvent[]> =
    new vscode.EventEmitter<vscode.FileChangeEvent[]>().event;
  readonly #guards: Guards;

  constructor(guards: Guards) {
    this.#guards = guards;
  }

  /** Snapshots never change. */
  watch(): vscode.Disposable {
    return new vscode.Disposable(() => {});
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const permissions = vscode.FilePermission.Readonly;
    if (uri.query === NOTHING) {
      return { type: vscode.FileType.File, size: 0, ctime: 0, mtime: 0 };
    }
    const { place, reader, id, path } = this.#parse(uri);
    if (path === "") {
      return { type: vscode.FileType.Directory, size: 0, ctime: 0, mtime: 0 };
    }
    const stat = await reader.call("stat", { place, id, path });
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
    if (uri.query === NOTHING) return new Uint8Array();
    const { place, reader, id, path } = this.#parse(uri);
    return await reader.call("read", { place, id, path });
  }

  async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    const { place, reader, id, path } = this.#parse(uri);
    const names = await reader.call("children", { place, id, path });
    return names.map(([name, kind]) => [name, typeOf(kind)]);
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
  ): Pick<Guard, "place" | "reader"> & { id: string; path: string } {
    const guard = this.#guards.byKey(uri.authority);
    if (guard === undefined) throw vscode.FileSystemError.FileNotFound(uri);
    const { place, reader } = guard;
    return { place, reader, id: uri.query, path: pathIn(guard, uri) };
  }
}

function typeOf(kind: VersionStat["kind"]): vscode.FileType {
  if (kind === "directory") return vscode.FileType.Directory;
  return kind === "symlink"
    ? vscode.FileType.SymbolicLink
    : vscode.FileType.File;
}
