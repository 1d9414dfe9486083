/**
 * Returns the message that the workspace has no folder on a disk.
 *
 * @param virtual The virtual folders of the workspace.
 */
export function noFolderText(virtual: readonly { name: string }[]): string {
  return virtual.length === 0
    ? "Open a folder to take snapshots of it."
    : virtual.map(({ name }) => virtualText(name)).join(" ");
}

/**
 * Returns the message that Deltar takes no snapshots of a virtual folder, such
 * as a folder of the extension GitHub Repositories. If the name is short, the
 * message fits on one line of a notification.
 *
 * @param name The name of the folder.
 */
export function virtualText(name: string): string {
  return `Deltar takes no snapshots of the virtual folder ${name}.`;
}
