import * as vscode from "vscode";
import { plural } from "../../../../shared/text.ts";
import { withoutIcons } from "../ui/plain.ts";
import { formatMoment } from "../ui/text.ts";

/**
 * Returns text about the versions that were not searched or compared, to be
 * appended to a message. The text is empty, or begins with a space.
 *
 * @param unread The number of versions that were too large, and the number of
 * damaged versions.
 * @param verb The verb, such as "search", and its past participle, such as
 * "searched".
 */
export function unreadText(
  { tooLarge, unreadable }: { tooLarge: number; unreadable: number },
  [verb, participle]: readonly [verb: string, participle: string],
): string {
  return [
    ...(tooLarge > 0
      ? [` ${plural(tooLarge, "version")} too large to ${verb}.`]
      : []),
    ...(unreadable > 0
      ? [` ${plural(unreadable, "damaged version")} not ${participle}.`]
      : []),
  ].join("");
}

/** The time and the texts that a list shows for a version. */
interface VersionTexts {
  /** The time of the version, in milliseconds since 1970. */
  time: number;
  /** The parts of the description. `undefined` parts are omitted. */
  parts: readonly (string | undefined)[];
  /** The text that the list shows below the time and the description. */
  line: string;
}

/**
 * Lists versions of a file. Returns the one that the user chooses, or
 * `undefined` if the user closes the list.
 *
 * @param versions The versions.
 * @param textsOf Called with each version. Returns the time and the texts.
 * @param title The title of the list.
 * @param placeHolder The prompt, such as "Choose a version to open".
 */
export async function pickVersion<Version>(
  versions: readonly Version[],
  textsOf: (version: Version) => VersionTexts,
  title: string,
  placeHolder: string,
): Promise<Version | undefined> {
  const now = Date.now();
  const chosen = await vscode.window.showQuickPick(
    versions.map((version) => {
      const { time, parts, line } = textsOf(version);
      return {
        label: formatMoment(time, now),
        description: parts.filter((part) => part !== undefined)
          .map(withoutIcons).join(" \u00b7 "),
        detail: withoutIcons(line),
        version,
      };
    }),
    { title, placeHolder, matchOnDescription: true, matchOnDetail: true },
  );
  return chosen?.version;
}
