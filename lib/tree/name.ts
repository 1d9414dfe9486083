import { STAGE_PREFIX } from "../storage/temporary.ts";

/** The characters that have a meaning on Windows, and those that it refuses. */
// deno-lint-ignore no-control-regex
const WINDOWS_CHARACTERS = /[\\:<>"|?*\x00-\x1f]/;

/**
 * Names that Windows opens as devices in every folder, in any case, with any
 * extension, and with blanks before the extension.
 */
const WINDOWS_DEVICES =
  /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)/i;

/**
 * The maximum length of a name, in bytes (POSIX) or UTF-16 code units (others).
 */
const MAX_NAME = 255;

/**
 * Characters that HFS+ ignores when it compares names (Apple's Technical Note
 * 1150).
 */
const IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/** Matches names without capital letters and characters beyond ASCII. */
// deno-lint-ignore no-control-regex
const FOLDED = /^[\x00-@[-\x7f]*$/;

/**
 * Returns why a name is not fit as the name of a file on a system: the system
 * refuses it or gives it another meaning.
 *
 * @param name One segment of a path.
 * @param platform The system, as `process.platform` names it.
 * @returns The reason in words, or `undefined` if the name is fit.
 */
export function nameFault(name: string, platform: string): string | undefined {
  if (name === "" || name === "." || name === "..") return "not a valid name";
  if (name.includes("/") || name.includes("\0")) {
    return "the name contains a slash or a NUL";
  }
  if (!name.isWellFormed()) return "the name is not valid Unicode";
  if (name.startsWith(STAGE_PREFIX)) return OWN;
  const isWindows = platform === "win32";
  if ((isWindows || platform === "darwin") && isOwnName(name)) return OWN;
  if (name.length * 3 > MAX_NAME) {
    const length = isWindows || platform === "darwin"
      ? name.length
      : new TextEncoder().encode(name).length;
    if (length > MAX_NAME) return "the name is too long for this system";
  }
  if (!isWindows) return undefined;
  const [character] = WINDOWS_CHARACTERS.exec(name) ?? [];
  if (character !== undefined) {
    return `Windows cannot have ${JSON.stringify(character)} in a name`;
  }
  if (/[. ]$/.test(name)) return "Windows drops the dot or blank at its end";
  if (WINDOWS_DEVICES.test(name)) return "Windows takes its name for a device";
  return undefined;
}

const OWN = "the name is reserved for deltar's temporary files";

/**
 * Returns a text that is equal for all names that some file system treats as
 * one. Such names differ only by case, Unicode normalization or ignored
 * characters. Names with different texts are different on every file system.
 *
 * @param name A name, or a path.
 */
export function foldName(name: string): string {
  if (FOLDED.test(name)) return name;
  // Some letters are equal in only one of the cases (ẞ, ß and ss; K and k).
  return name.normalize("NFKD").replace(IGNORED, "").toLowerCase()
    .toUpperCase().toLowerCase().normalize("NFKD");
}

/** Returns whether a name is deltar's own, ignoring case and normalization. */
export function isOwnName(name: string): boolean {
  return foldName(name).startsWith(STAGE_PREFIX);
}
