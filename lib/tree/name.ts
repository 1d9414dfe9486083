import { STAGE_PREFIX } from "../storage/temporary.ts";

/** The characters with a meaning to Windows, and those that it refuses. */
// deno-lint-ignore no-control-regex
const WINDOWS_CHARACTERS = /[\\:<>"|?*\x00-\x1f]/;

/**
 * Names that Windows opens as devices in every folder, whatever extension
 * follows, in any case, also with blanks before the extension.
 */
const WINDOWS_DEVICES =
  /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)/i;

/** The most bytes (POSIX) or UTF-16 code units (others) of a name. */
const MAX_NAME = 255;

/**
 * Characters that HFS+ ignores when it compares names (Apple's Technical Note
 * 1150).
 */
const IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/** Neither a capital letter nor anything beyond ASCII. */
// deno-lint-ignore no-control-regex
const FOLDED = /^[\x00-@[-\x7f]*$/;

/**
 * Why a system would read something else in a name than a file of this name,
 * or cannot have it.
 *
 * @param name One segment of a path.
 * @param platform The system, as `process.platform` names it.
 * @returns The reason in words, or `undefined` if the name is fit.
 */
export function nameFault(name: string, platform: string): string | undefined {
  if (name === "" || name === "." || name === "..") return "it is not a name";
  if (name.includes("/") || name.includes("\0")) {
    return "its name has a slash or a NUL in it";
  }
  if (!name.isWellFormed()) return "its name is not valid Unicode";
  if (name.startsWith(STAGE_PREFIX)) return OWN;
  const isWindows = platform === "win32";
  if ((isWindows || platform === "darwin") && isOwnName(name)) return OWN;
  if (name.length * 3 > MAX_NAME) {
    const length = isWindows || platform === "darwin"
      ? name.length
      : new TextEncoder().encode(name).length;
    if (length > MAX_NAME) return "its name is too long for this system";
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

const OWN = "its name is one that deltar gives to its own temporary files";

/**
 * A text that two names share if any file system may take them for one:
 * those that differ by case, by Unicode normalization or by characters that
 * are ignored. Names with different texts are different everywhere.
 *
 * @param name A name, or a path.
 */
export function foldName(name: string): string {
  if (FOLDED.test(name)) return name;
  // Some letters are only alike in one of the cases (ẞ, ß and ss; K and k).
  return name.normalize("NFKD").replace(IGNORED, "").toLowerCase()
    .toUpperCase().toLowerCase().normalize("NFKD");
}

/** Whether a name is deltar's own where case and normalization do not count. */
export function isOwnName(name: string): boolean {
  return foldName(name).startsWith(STAGE_PREFIX);
}
