import { isName } from "./names.ts";

/**
 * The maximum length of a link's tag in characters, and the number of
 * characters at the start of a page that are searched for a title.
 */
const MAX_TAG_LENGTH = 8192;
/** The pattern of the titles that servers give to their folder listings. */
const TITLE =
  /<(?:title|h1)\b[^>]{0,1000}>\s*(?:index of|directory (?:listing|of)|listing (?:of|for)|files within)\b/i;
const HREF = /\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/i;

/** The contents of a folder, as listed on a web server's page. */
export interface FolderPage {
  /**
   * Whether the page lists the folder: it links to a name in the folder or to
   * the parent folder, or has a title such as "Index of".
   */
  listsFolder: boolean;
  /**
   * The names of the objects and folders directly in the folder. Each name
   * begins with the name of the folder. The names of folders end in `/`.
   */
  names: Set<string>;
}

/**
 * Parses a page on which a web server lists a folder.
 *
 * @param page The HTML of the page.
 * @param place The URL of the folder, which ends in `/`.
 * @param folder The name of the folder in the storage: empty for the storage's
 *   own folder, otherwise ending in `/`.
 */
export function readFolderPage(
  page: string,
  place: URL,
  folder: string,
): FolderPage {
  const names = new Set<string>();
  const above = new URL("../", place).href;
  let listsFolder = TITLE.test(page.slice(0, MAX_TAG_LENGTH));
  for (let at = page.indexOf("<"); at >= 0; at = page.indexOf("<", at)) {
    const end = page.indexOf(">", at);
    if (end < 0) break;
    // A tag that is not closed before the next tag begins is skipped.
    const start = page.lastIndexOf("<", end);
    at = end + 1;
    if (end - start > MAX_TAG_LENGTH) continue;
    if (!/^a\s/i.test(page.slice(start + 1, start + 3))) continue;
    const [, ...quoted] = HREF.exec(page.slice(start, end)) ?? [];
    const url = urlOf(quoted.find((text) => text !== undefined), place);
    if (url === undefined) continue;
    if (place.pathname !== "/" && url.origin + url.pathname === above) {
      listsFolder = true;
    }
    const name = nameOf(url, place, folder);
    if (name !== undefined) names.add(name);
  }
  return { listsFolder: listsFolder || names.size > 0, names };
}

function urlOf(quoted: string | undefined, place: URL): URL | undefined {
  const text = quoted?.replaceAll("&amp;", "&");
  return text !== undefined && URL.canParse(text, place.href)
    ? new URL(text, place)
    : undefined;
}

/**
 * Returns the name of the object or folder that a link points to. The name of a
 * folder ends in `/`. Returns `undefined` if the link points to something that
 * is not directly in `folder`, or if the name is not valid.
 */
function nameOf(url: URL, place: URL, folder: string): string | undefined {
  if (
    url.origin !== place.origin || !url.pathname.startsWith(place.pathname)
  ) return undefined;
  let rest: string;
  try {
    rest = decodeURIComponent(url.pathname.slice(place.pathname.length));
  } catch {
    return undefined;
  }
  const isOne = /^[^/]+\/?$/.test(rest);
  return isOne && isName(folder + rest.replace(/\/$/, ""))
    ? folder + rest
    : undefined;
}
