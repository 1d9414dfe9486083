import { nodePath } from "../bytes/node.ts";
import { collect } from "../bytes/source.ts";
import { LocalStorage } from "../storage/local.ts";
import type { Storage } from "../storage/storage.ts";
import { indexName } from "./tar_volume_writer.ts";

/** The name under which an archive's one volume is stored. */
export const ARCHIVE = "archive";

/**
 * A storage for a single archive: its volume becomes the file, which appears
 * whole and replaces one of that name; an index is not kept.
 *
 * @param file A path of the operating system.
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
