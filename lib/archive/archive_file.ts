import { nodePath } from "../bytes/node.ts";
import { collect } from "../bytes/source.ts";
import { LocalStorage } from "../storage/local.ts";
import type { Storage } from "../storage/storage.ts";
import { indexName } from "./tar_volume_writer.ts";

/** The object name of an archive's only volume. */
export const ARCHIVE = "archive";

/**
 * Returns a storage that holds a single archive of one volume as a file. The
 * file appears only when it is complete, and replaces an existing file. The
 * storage discards the index of the archive.
 *
 * @param file The path of the file, in the form of the operating system.
 */
export function archiveFile(file: string): Storage {
  const place = nodePath.resolve(file);
  const folder = new LocalStorage(nodePath.dirname(place));
  const name = nodePath.basename(place);
  return {
    location: place,
    get: (_, options) => folder.get(name, options),
    put: async (object, source, options) => {
      if (object === indexName(ARCHIVE)) await collect(source);
      else await folder.put(name, source, { ...options, ifAbsent: false });
    },
    list: () => folder.list(name),
    delete: () => folder.delete(name),
  };
}
