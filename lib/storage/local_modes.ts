import { fs } from "../bytes/node.ts";

/**
 * The access that the group of a repository's folder gets: `read`, or `write`
 * for reading and writing.
 */
export type Sharing = "read" | "write";

/**
 * The set-group-ID bit. Files made in a folder with this bit get the folder's
 * group.
 */
const SET_GROUP_ID = 0o2000;
/** The mode of a shared folder, by the access that its group gets. */
const SHARED: Record<Sharing, number> = {
  read: SET_GROUP_ID | 0o750,
  write: SET_GROUP_ID | 0o770,
};
const PRIVATE_MODE = 0o700;

/** The modes of the files and folders in a storage. */
export interface LocalModes {
  /** The mode of new folders. */
  folder: number;
  /** The mode of new files. */
  file: number;
  /** Whether the modes are set regardless of the process's umask. */
  isExact: boolean;
}

/**
 * Returns the modes for files and folders in a storage. The modes are taken
 * from the mode of the storage's folder. If the folder does not exist, only the
 * owner gets access.
 *
 * @param folder The storage's folder, which need not exist.
 */
export function modesIn(folder: string): LocalModes {
  const mode = fs.statSync(folder, { throwIfNoEntry: false })?.mode ??
    PRIVATE_MODE;
  return {
    folder: mode & (SET_GROUP_ID | 0o777),
    file: mode & 0o666,
    isExact: (mode & SET_GROUP_ID) !== 0,
  };
}

/**
 * Returns the mode for the folder of a new storage. `shared` is the access that
 * the folder's group gets. If `shared` is `undefined`, only the owner gets
 * access.
 */
export function modeOf(shared: Sharing | undefined): number {
  return shared === undefined ? PRIVATE_MODE : SHARED[shared];
}

/**
 * Returns whether the access of other users should be removed when a storage is
 * made in an existing folder. The access should be removed if users outside the
 * folder's group have access, which is the default on most systems, and the
 * folder has no set-group-ID bit. A folder with this bit was shared with its
 * group on purpose, and keeps its mode.
 *
 * @param mode The folder's mode.
 */
export function isOpenToAll(mode: number): boolean {
  return (mode & SET_GROUP_ID) === 0 && (mode & 0o007) !== 0;
}
