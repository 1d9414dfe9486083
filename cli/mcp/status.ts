import { join } from "node:path";
import { z } from "zod";
import { DeltarError, type Skipped } from "../../mod.ts";
import { belowOf } from "../../lib/repository/mod.ts";
import { isFault } from "../../lib/tree/mod.ts";
import { plural } from "../../shared/text.ts";
import { DAMAGE_ADVICE } from "../advice.ts";
import { locateFrom } from "../location.ts";
import type { TakeOptions } from "../take_snapshot.ts";
import { showPath, showText } from "../text.ts";
import { checkPresent, fateWords, whyNext } from "../why.ts";
import type { Call } from "./call.ts";
import { pageInput, pageOf, pageOutput } from "./page.ts";
import { pathInside, servedPath } from "./served_directories.ts";
import {
  snapshotFields,
  snapshotLine,
  snapshotOutput,
} from "./snapshot_fields.ts";
import {
  type Answer,
  inputOf,
  messagesOutput,
  pathName,
  READS,
  type Tool,
} from "./tool.ts";

const input = inputOf({
  ...pageInput,
  path: pathName.optional().describe(
    "A file or folder. The answer shows whether the next snapshot " +
      "includes it and, if not, why.",
  ),
});

/** The tool that shows what is protected. */
export const statusTool: Tool<z.infer<typeof input>> = {
  name: "deltar_status",
  title: "Show what is protected",
  description:
    "Shows when the latest snapshot of the directory was taken, which paths " +
    "this snapshot does not include, and why. A path that is not in a " +
    "snapshot cannot be restored. Call this tool before you delete or " +
    "overwrite files.",
  input,
  output: z.object({
    directory: z.string(),
    repository: z.string().optional(),
    isEncrypted: z.boolean().optional(),
    count: z.int().describe(
      "The number of snapshots of the directory, except safety snapshots.",
    ),
    latest: snapshotOutput.optional(),
    path: z.object({
      path: z.string(),
      isIncluded: z.boolean(),
      why: z.string().optional(),
    }).optional().describe("Whether the next snapshot will include the path."),
    notProtected: z.array(z.object({
      path: z.string(),
      reason: z.string(),
      detail: z.string().optional(),
    })).describe("The paths that the latest snapshot skipped or excluded."),
    ...pageOutput,
    ...messagesOutput,
  }),
  annotations: READS,
  async run(call, { path, ...words }, { session }) {
    const { place, messages, signal } = call;
    const { repo } = session.options;
    const onDamage = ({ message }: DeltarError) =>
      messages.warn(`${message}; ${DAMAGE_ADVICE}`);
    const asked = path === undefined
      ? undefined
      : await fateOf(call, path, session.options);
    const begun = await openIfAny(call);
    const found = await begun?.repository.lastAt(place, { signal, onDamage });
    if (begun === undefined || found === undefined) {
      return withoutSnapshot(locateFrom(repo, place).location, place, asked);
    }
    const { repository } = begun;
    const { record, below } = found;
    const records = await repository.snapshots({ signal, onDamage });
    const count =
      records.filter((one) => !one.safety && belowOf(one, place) !== undefined)
        .length;
    const { skipped } = await repository.tree(record, { signal });
    const missing = skipped
      .flatMap((skip) => {
        const path = servedPath(below, skip.path);
        return path === undefined || !isMissing(skip)
          ? []
          : [{ ...skip, path: path || "." }];
      })
      // Paths that could not be read come before excluded paths.
      .sort((a, b) => Number(isFault(b)) - Number(isFault(a)));
    const limits = { normal: 50, most: 500 };
    const page = await pageOf(missing, words, limits, skippedFields);
    const { location } = repository.storage;
    const isEncrypted = repository.keys !== undefined;
    return {
      text: [
        `${showPath(place)} has ${plural(count, "snapshot")} in ${
          showPath(location)
        }` +
        `${isEncrypted ? ", encrypted" : ""}. The latest:`,
        snapshotLine(record),
        ...asked === undefined ? [] : [asked.words],
        missing.length === 0
          ? "The snapshot skipped or excluded no paths."
          : `The snapshot skipped or excluded ${
            plural(missing.length, "path")
          }:`,
        ...page.results.map(skippedLine),
        ...page.notes,
        "Changes since the latest snapshot are not protected. Call " +
        "deltar_diff to see them, and deltar_snapshot to protect them.",
      ].join("\n"),
      data: {
        directory: place,
        repository: location,
        isEncrypted,
        count,
        latest: snapshotFields(record),
        path: asked?.fields,
        notProtected: page.items,
        nextOffset: page.nextOffset,
      },
    };
  },
};

/** Whether the next snapshot will include a path and, if not, why. */
interface Asked {
  words: string;
  fields: object;
}

async function fateOf(
  { context, place }: Call,
  word: string,
  options: TakeOptions,
): Promise<Asked> {
  const path = pathInside(place, "", word);
  const { kept, why } = await whyNext(context, join(place, path), {
    ...options,
    dir: place,
  });
  if (kept) checkPresent(place, path);
  const words = fateWords({ kept, why }, " in the next snapshot");
  const name = path || ".";
  return {
    words: `${showPath(name)} ${words}.`,
    fields: { path: name, isIncluded: kept, ...!kept && { why } },
  };
}

/** Opens the repository, or returns `undefined` if there is none. */
async function openIfAny(call: Call) {
  try {
    return await call.open();
  } catch (error) {
    const isNone = error instanceof DeltarError && error.code === "not-found";
    if (isNone) return undefined;
    throw error;
  }
}

function withoutSnapshot(
  repository: string,
  place: string,
  asked: Asked | undefined,
): Answer {
  return {
    text: [
      `${showPath(place)} has no snapshot, so nothing in it is protected. ` +
      "Call deltar_snapshot to take the first one.",
      ...asked === undefined ? [] : [asked.words],
    ].join("\n"),
    data: {
      directory: place,
      repository,
      count: 0,
      path: asked?.fields,
      notProtected: [],
    },
  };
}

/**
 * Returns whether a skipped path is missing from the snapshot. A path that
 * changed while it was read is in the snapshot, although it is listed as
 * skipped.
 */
function isMissing({ reason }: Skipped): boolean {
  return reason !== "changed";
}

function skippedFields({ path, reason, detail }: Skipped): object {
  return { path, reason, ...detail !== undefined && { detail } };
}

function skippedLine({ path, reason, detail }: Skipped): string {
  return `${showPath(path)}: ${reason}` +
    (detail === undefined ? "" : `: ${showText(detail)}`);
}
