import { STAGE_PREFIX } from "../storage/temporary.ts";
import { encodeName, isDecodedName } from "./raw_name.ts";

/**
 * The pattern of the characters that have a special meaning in a path on
 * Windows, and of those that Windows refuses in a name.
 */
// deno-lint-ignore no-control-regex
const WINDOWS_CHARACTERS = /[\\:<>"|?*\x00-\x1f]/;

/**
 * The pattern of the names that Windows opens as devices in every folder, in
 * upper or lower case. Spaces, an extension or both may follow the name of the
 * device.
 */
const WINDOWS_DEVICES =
  /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)/i;

/**
 * The maximum length of a name: on Windows and macOS in UTF-16 code units, and
 * on other systems in bytes.
 */
const MAX_NAME_LENGTH = 255;

/**
 * The pattern of the characters that HFS+ ignores when it compares names
 * (Apple's Technical Note 1150).
 */
const IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/**
 * The pattern of names that consist of ASCII characters other than capital
 * letters.
 */
// deno-lint-ignore no-control-regex
const FOLDED = /^[\x00-@[-\x7f]*$/;

/**
 * Returns why a file cannot have a name on a system: the system refuses the
 * name or gives it another meaning, or the name is reserved for deltar.
 *
 * @param name One segment of a path.
 * @param platform The system, as `process.platform` names it.
 * @param takesBytes Whether the system and the runtime accept a name that is
 * not valid UTF-8; see `decodeName`. Default: `false`.
 * @returns The reason in words, or `undefined` if the name can be used.
 */
export function nameFault(
  name: string,
  platform: string,
  takesBytes = false,
): string | undefined {
  if (name === "" || name === "." || name === "..") {
    return "the name is empty, `.` or `..`";
  }
  if (name.includes("/") || name.includes("\0")) {
    return "the name contains a slash or a NUL";
  }
  if (!name.isWellFormed()) {
    if (!isDecodedName(name)) return "the name is not valid Unicode";
    if (!takesBytes) {
      return "the name is not valid UTF-8, which this system or runtime does " +
        "not support; use Linux with Node, Bun or Deno";
    }
  }
  if (name.startsWith(STAGE_PREFIX)) return OWN;
  const isWindows = platform === "win32";
  if ((isWindows || platform === "darwin") && isOwnName(name)) return OWN;
  if (name.length * 3 > MAX_NAME_LENGTH) {
    const length = isWindows || platform === "darwin"
      ? name.length
      : encodeName(name).length;
    if (length > MAX_NAME_LENGTH) {
      const unit = isWindows || platform === "darwin" ? "characters" : "bytes";
      return `the name is too long: ${length} ${unit}, at most ${MAX_NAME_LENGTH}`;
    }
  }
  if (!isWindows) return undefined;
  const [character] = WINDOWS_CHARACTERS.exec(name) ?? [];
  if (character !== undefined) {
    return `Windows does not allow ${JSON.stringify(character)} in a name`;
  }
  if (/[. ]$/.test(name)) {
    return "Windows removes a dot or space at the end of a name";
  }
  if (WINDOWS_DEVICES.test(name)) {
    return "the name is reserved for a device on Windows";
  }
  return undefined;
}

const OWN = "the name is reserved for deltar's temporary files";

/**
 * Returns the same text for all names that some common file system treats as
 * one name. Such names differ only in case, Unicode normalization or ignored
 * characters.
 *
 * @param name A name, or a path.
 */
export function foldName(name: string): string {
  if (FOLDED.test(name)) return name;
  // Some letters are equal only in upper case or only in lower case (ẞ, ß and
  // ss; the Kelvin sign and k).
  return name.normalize("NFKD").replace(IGNORED, "").toLowerCase()
    .toUpperCase().toLowerCase().normalize("NFKD");
}

/**
 * Returns whether a name has the prefix of deltar's temporary files, ignoring
 * case, normalization and the characters that some file systems ignore.
 */
export function isOwnName(name: string): boolean {
  return foldName(name).startsWith(STAGE_PREFIX);
}
