import assert from "node:assert/strict";
import { StateWriter } from "../../lib/tree/state_writer.ts";
import { TreeState } from "../../lib/tree/tree_state.ts";
import {
  type CompareOptions,
  findUnchangedFolders,
} from "../../lib/tree/unchanged_folders.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { walkTree } from "../../lib/tree/walk_tree.ts";

/** The rules of a walker. */
export type Rules = ConstructorParameters<typeof Walker>[1];

/**
 * Returns the state of a directory, as if it had not changed for a long time.
 */
export function stateOf(
  root: string,
  rules: Rules,
  newest = 2n ** 63n,
): TreeState {
  const writer = new StateWriter(64);
  for (
    const { entry } of walkTree(new Walker(root, rules), {}, { writer, newest })
  ) assert.ok(entry);
  return new TreeState(writer.finish().slice());
}

/** Returns whether everything in a directory is unchanged. */
export async function isUnchanged(
  walker: Walker,
  state: TreeState,
  options?: CompareOptions,
): Promise<boolean> {
  return (await findUnchangedFolders(walker, state, options)).isAll;
}
