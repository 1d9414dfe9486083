import { untilAborted } from "../../storage/until_aborted.ts";
import { codeOf, isDamage } from "../../bytes/errors.ts";
import { idOfObject, moveName } from "../format/names.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import type { Store } from "../store/store.ts";
import { readIntents } from "../runs/run.ts";
import type { LayerRecord } from "../format/snapshot_record.ts";
import { runningIds } from "./candidates.ts";
import { canBeUndeleted, type RemovedSnapshot } from "./removed.ts";
import { readRecords, type RepositoryState } from "./repository_state.ts";

/**
 * Finds the objects that became needed after the state was read, because a new
 * record or run refers to them. Intents are read before records, so that a run
 * that ends between the two reads is not missed.
 *
 * @param store The repository.
 * @param found The state of the repository that was read earlier.
 * @param options The runs and expired snapshots in that state, and a signal.
 * @returns A function that takes the name of an object and returns whether the
 * object became needed.
 */
export async function findNewlyNeeded(
  store: Store,
  found: RepositoryState,
  { grounds, expired, signal }: {
    grounds: readonly { id: string }[];
    expired: readonly RemovedSnapshot[];
    signal?: AbortSignal;
  },
): Promise<(name: string) => boolean> {
  const storage = untilAborted(store.storage, signal);
  const intents = await readIntents(storage);
  const { records, removed } = await readRecords(store, signal);
  const gone = new Set(expired.map(({ id }) => id));
  const known = new Set([
    ...found.records.map(({ id }) => id),
    ...found.removed.map(({ id }) => id).filter((id) => !gone.has(id)),
  ]);
  const names = new Set<string>();
  const spareVolume = (volume: string) => {
    // The volumes that replaced this volume are also needed.
    for (let name: string | undefined = volume; name !== undefined;) {
      if (names.has(name)) return;
      const object = moveName(name);
      names.add(name).add(object);
      name = found.moves.get(object)?.to.name;
    }
  };
  const spare = async (layers: readonly LayerRecord[]) => {
    for (const layer of layers) {
      names.add(layer.name);
      for await (const { objects } of new LayerReader(storage, layer).parts()) {
        for (const { name } of objects) spareVolume(name);
      }
    }
  };
  for (const one of removed) {
    if (known.has(one.id) || !canBeUndeleted(one)) continue;
    try {
      await spare(one.record?.layers ?? []);
    } catch (error) {
      // Another prune or a purge deleted the layers before the removed record
      // was stored, so the snapshot can no longer be brought back.
      if (codeOf(error) !== "not-found") throw error;
    }
  }
  for (const { id, layers } of records) {
    if (!known.has(id)) await spare(layers);
  }
  for (const { id, layers } of intents) {
    if (grounds.some((ground) => ground.id === id)) continue;
    try {
      await spare(layers);
    } catch (error) {
      // The layers were deleted because the run's parent was removed before the
      // run checked for the parent. The run will fail with `conflict`.
      if (!isDamage(error)) throw error;
    }
  }
  const running = runningIds(intents);
  return (name) => names.has(name) || running.has(idOfObject(name) ?? "");
}
