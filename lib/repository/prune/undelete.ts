import { readIfThere } from "../format/note.ts";
import { recordName } from "../format/names.ts";
import type { Store } from "../store/store.ts";
import { restoreRecord } from "./removed.ts";

/**
 * Brings a removed snapshot back. In an encrypted repository, the manifests
 * then no longer list the snapshot's record as removed, so `verifySealed`
 * reports the record if it is lost later. If the call is interrupted, it can be
 * repeated.
 *
 * @param store The repository.
 * @param id The id of the snapshot.
 * @param signal The signal that ends the work with an error of code `aborted`.
 * @throws {DeltarError} The errors of `restoreRecord`.
 */
export async function undeleteSnapshot(
  store: Store,
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  const { storage, manifests } = store;
  if (manifests === undefined) return await restoreRecord(store, id, signal);
  const name = recordName(id);
  // If another process removes the snapshot at the same time, that process
  // lists the record as removed in another manifest, which must be kept. So
  // only the manifests that exist before the record is stored are replaced.
  const removals = await manifests.removalsOf(
    name,
    async (signer) => await store.trustOfSigner(signer) === "trusted",
  );
  await restoreRecord(store, id, signal);
  await manifests.withdrawRemovals(name, removals);
  if (await readIfThere(storage, name) === undefined) {
    await manifests.removing([name]);
  }
}
