import { fs } from "../bytes/node.ts";

/**
 * The access that the group of a repository's folder gets: `read`, or `write`
 * for reading and writing.
 */
export type Sharing = "read" | "write";

/** The set-group-id bit: what is made in a folder gets the folder's group. */
const OF_GROUP = 0o2000;
/** The folder's mode, by who else may use it. */
const SHARED: Record<Sharing, number> = {
  read: OF_GROUP | 0o750,
  write: OF_GROUP | 0o770,
};
const CLOSED = 0o700;

/** The modes of what is stored in a folder. */
export interface LocalModes {
  /** The mode of folders. */
  folder: number;
  /** The mode of files. */
  file: number;
  /** Whether they are set whatever the process's umask is. */
  isExact: boolean;
}

/**
 * The modes of what is stored: those of the storage's folder, which so tells
 * who may use it; without one, only its owner.
 *
 * @param folder The storage's folder, which need not be there.
 */
export function modesIn(folder: string): LocalModes {
  const mode = fs.statSync(folder, { throwIfNoEntry: false })?.mode ?? CLOSED;
  return {
    folder: mode & (OF_GROUP | 0o777),
    file: mode & 0o666,
    isExact: (mode & OF_GROUP) !== 0,
  };
}

/** The mode of the folder of a new storage. */
export function modeOf(shared: Sharing | undefined): number {
  return shared === undefined ? CLOSED : SHARED[shared];
}

/**
 * Returns whether a folder that was there before a storage in it is to be closed: one
 * that everybody may look into, as the system makes folders. Who gave it to a
 * group, or made it narrower, is heeded.
 *
 * @param mode The folder's mode.
 */
export function isOpenToAll(mode: number): boolean {
  return (mode & OF_GROUP) === 0 && (mode & 0o007) !== 0;
}
