import type * as vscode from "vscode";
import type { Change, DeltarApi, DeltarExports, Snapshot } from "./api.ts";
import type { Context } from "./context.ts";
import type { Guard } from "./guard.ts";
import type { SnapshotInfo } from "./protocol.ts";
import { restore } from "./restore.ts";
import type { Taker } from "./take.ts";
import { versionUri } from "./versions.ts";

/** Returns the exports of the extension. */
export function makeExports(api: Api): DeltarExports {
  return {
    getAPI(version) {
      if (version === 1) return api;
      throw new RangeError(`deltar has API version 1, not ${version}`);
    },
  };
}

/** The API, which the language model tools use too. */
export class Api implements DeltarApi {
  readonly version = 1;
  readonly onDidSnapshot: vscode.Event<Snapshot>;
  readonly #context: Context;
  readonly #taker: Taker;

  constructor(context: Context, taker: Taker) {
    this.#context = context;
    this.#taker = taker;
    this.onDidSnapshot = (listener, self, disposables) =>
      taker.onDidSnapshot(
        ({ guard, report }) =>
          listener.call(self, snapshotOf(guard, report.snapshot)),
        undefined,
        disposables,
      );
  }

  async snapshot(
    options: { folder?: vscode.Uri; label?: string } = {},
  ): Promise<Snapshot[]> {
    const taken: Snapshot[] = [];
    for (const guard of this.#guards(options.folder)) {
      const { snapshot } = await this.#taker.take(
        guard,
        options.label,
        {},
        "by another extension",
      );
      taken.push(snapshotOf(guard, snapshot));
    }
    return taken;
  }

  async list(options: { folder?: vscode.Uri } = {}): Promise<Snapshot[]> {
    const lists = await Promise.all(
      this.#guards(options.folder).map(async (guard) =>
        (await guard.snapshots()).map((info) => snapshotOf(guard, info))
      ),
    );
    return lists.flat().sort((a, b) => b.time.getTime() - a.time.getTime());
  }

  async diff(before: Snapshot, after: Snapshot): Promise<Change[]> {
    const [guard] = this.#guards(after.folder);
    if (before.folder.toString() !== after.folder.toString()) {
      throw new RangeError("these are snapshots of two folders");
    }
    const changes = await guard.reader.call("compare", {
      place: guard.place,
      before: before.id,
      after: after.id,
    });
    return changes.map(({ path, change, from }) => ({
      path,
      change,
      ...(change !== "created" && {
        before: versionUri(guard, before.id, from ?? path),
      }),
      ...(change !== "deleted" && { after: versionUri(guard, after.id, path) }),
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
    const [guard] = this.#guards(snapshot.folder);
    const { paths, deleteOthers } = options;
    const report = await restore(this.#context, guard, {
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

  #guards(folder: vscode.Uri | undefined): readonly Guard[] {
    const { guards } = this.#context;
    if (folder === undefined) return guards.all;
    const guard = guards.of(folder);
    if (guard === undefined) {
      throw new RangeError(`${folder} is not a folder of this workspace`);
    }
    return [guard];
  }
}

function snapshotOf(guard: Guard, info: SnapshotInfo): Snapshot {
  const { id, time, label } = info;
  return {
    id,
    folder: guard.folder.uri,
    time: new Date(time),
    ...(label !== undefined && { label }),
  };
}
