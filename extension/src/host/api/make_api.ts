import type * as vscode from "vscode";
import type { SnapshotInfo } from "../../shared/protocol.ts";
import type { Context } from "../commands/context.ts";
import { restore } from "../commands/restore.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { versionUri } from "../folders/version_uri.ts";
import type { SnapshotRunner } from "../snapshots/snapshot_runner.ts";
import { virtualText } from "../ui/virtual_text.ts";
import type { Change, DeltarApi, DeltarExports, Snapshot } from "./api.ts";

/** Returns the exports of the extension. */
export function makeExports(api: Api): DeltarExports {
  return {
    getAPI(version) {
      if (version === 1) return api;
      throw new RangeError(
        `unknown API version: ${version}; this extension supports version 1`,
      );
    },
  };
}

/** Implements the API. The tools for language models use this class, too. */
export class Api implements DeltarApi {
  readonly version = 1;
  readonly onDidSnapshot: vscode.Event<Snapshot>;
  readonly #context: Context;
  readonly #runner: SnapshotRunner;

  constructor(context: Context, runner: SnapshotRunner) {
    this.#context = context;
    this.#runner = runner;
    this.onDidSnapshot = (listener, self, disposables) =>
      runner.onDidSnapshot(
        ({ folder, report }) =>
          listener.call(self, snapshotOf(folder, report.snapshot)),
        undefined,
        disposables,
      );
  }

  async snapshot(
    options: { folder?: vscode.Uri; label?: string } = {},
  ): Promise<Snapshot[]> {
    const taken: Snapshot[] = [];
    for (const folder of this.#folders(options.folder)) {
      const { snapshot } = await this.#runner.take(
        folder,
        options.label,
        {},
        "from another extension",
      );
      taken.push(snapshotOf(folder, snapshot));
    }
    return taken;
  }

  async list(options: { folder?: vscode.Uri } = {}): Promise<Snapshot[]> {
    const lists = await Promise.all(
      this.#folders(options.folder).map(async (folder) =>
        (await folder.snapshots()).map((info) => snapshotOf(folder, info))
      ),
    );
    return lists.flat().sort((a, b) => b.time.getTime() - a.time.getTime());
  }

  async diff(before: Snapshot, after: Snapshot): Promise<Change[]> {
    const [folder] = this.#folders(after.folder);
    if (before.folder.toString() !== after.folder.toString()) {
      throw new RangeError("cannot compare snapshots of different folders");
    }
    const changes = await folder.reader.call("compare", {
      config: folder.config,
      before: before.id,
      after: after.id,
    });
    return changes.map(({ path, change, from }) => ({
      path,
      change,
      ...(change !== "created" && {
        before: versionUri(folder, before.id, from ?? path),
      }),
      ...(change !== "deleted" &&
        { after: versionUri(folder, after.id, path) }),
    }));
  }

  async restore(
    snapshot: Snapshot,
    options: { paths?: readonly string[]; deleteOthers?: boolean } = {},
  ): Promise<{
    done: boolean;
    written: number;
    deleted: number;
    failed: { path: string; message: string }[];
  }> {
    const [folder] = this.#folders(snapshot.folder);
    const { paths, deleteOthers } = options;
    const report = await restore(this.#context, folder, {
      id: snapshot.id,
      deleteOthers: deleteOthers ?? false,
      ...(paths && { paths: [...paths] }),
    });
    return report === undefined
      ? { done: false, written: 0, deleted: 0, failed: [] }
      : {
        done: true,
        written: report.written,
        deleted: report.deleted,
        failed: report.failed,
      };
  }

  #folders(folder: vscode.Uri | undefined): readonly ProtectedFolder[] {
    const { folders } = this.#context;
    if (folder === undefined) return folders.all;
    const found = folders.of(folder);
    if (found !== undefined) return [found];
    const virtual = folders.virtualFolderOf(folder);
    throw new RangeError(
      virtual
        ? virtualText(virtual.name)
        : `${folder} is not a folder of this workspace`,
    );
  }
}

function snapshotOf(folder: ProtectedFolder, info: SnapshotInfo): Snapshot {
  const { id, time, label } = info;
  return {
    id,
    folder: folder.uri,
    time: new Date(time),
    ...(label !== undefined && { label }),
  };
}
