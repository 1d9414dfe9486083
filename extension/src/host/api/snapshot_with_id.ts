/** The answer of the tools if there are no snapshots. */
export const NO_SNAPSHOTS =
  "There are no snapshots of this workspace yet. Call deltar_snapshot to take " +
  "one.";

/**
 * Returns the snapshot that a language model asks for.
 *
 * @param snapshots The snapshots of the workspace, the newest first.
 * @param id The beginning of the id, or `latest` for the newest snapshot.
 * @throws {Error} If no snapshot or more than one matches.
 */
export function snapshotWithId<S extends { id: string }>(
  snapshots: readonly S[],
  id: string,
): S {
  if (snapshots.length === 0) throw new Error(NO_SNAPSHOTS);
  const found = id === "latest"
    ? snapshots.slice(0, 1)
    : snapshots.filter((one) => one.id.startsWith(id));
  if (found.length === 1) return found[0];
  throw new Error(
    `${found.length === 0 ? "No" : "More than one"} snapshot has an id ` +
      `that starts with ${JSON.stringify(id)}. Call deltar_list for the ids.`,
  );
}
