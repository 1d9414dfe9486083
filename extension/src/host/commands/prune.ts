import { formatBytes, plural } from "../../../../shared/text.ts";
import { retentionPolicy } from "../settings.ts";
import { removedText } from "../snapshots/retention.ts";
import { showInformation, showWarning } from "../ui/messages.ts";
import { withProgress } from "../ui/notifications.ts";
import type { Context } from "./context.ts";
import { pickFolder, someSnapshots } from "./pick.ts";

/** Removes old snapshots, after the user has confirmed the removal. */
export async function pruneManually({ folders, log }: Context): Promise<void> {
  const folder = await pickFolder(folders);
  if (folder === undefined) return;
  if ((await someSnapshots(folder)).length === 0) return;
  const params = { config: folder.config, policy: retentionPolicy() };
  const { removed, kept, freed, stored, unusual } = await folder.reader.call(
    "previewPrune",
    params,
  );
  if (removed === 0) {
    void showInformation(
      `Nothing to remove: the rules keep ${plural(kept, "snapshot")} of ` +
        `${folder.name}. The repository uses ${formatBytes(stored)}.`,
    );
    return;
  }
  const remove = `Remove ${plural(removed, "Snapshot")}`;
  const answer = await showWarning(
    `Remove ${plural(removed, "old snapshot")} of ${folder.name}?`,
    {
      modal: true,
      detail: `${plural(kept, "snapshot")} will be kept. ` +
        `${formatBytes(freed)} of the repository's ${formatBytes(stored)} ` +
        "will be freed after seven days. Until then, the command " +
        "deltar undelete can bring the removed snapshots back." +
        unusual.map((text) => `\n\nUnusual: ${text}.`).join(""),
    },
    remove,
  );
  if (answer !== remove) return;
  await withProgress("Removing old snapshots", async (signal) => {
    const { removed } = await folder.reader.call("prune", {
      ...params,
      acceptUnusual: unusual.length > 0,
    }, { signal });
    log.info(removedText(folder, removed));
  });
  await folder.refresh();
}
