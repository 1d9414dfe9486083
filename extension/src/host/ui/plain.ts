/**
 * Returns a text for a quick pick. VS Code shows `$(name)` in the text as it is,
 * and not as an icon.
 */
export function withoutIcons(text: string): string {
  return text.replaceAll(/\$\([a-z\d-]+(?:~[a-z]+)?\)/gi, "\\$&");
}

/**
 * Returns a text for a notification. VS Code shows `[text](command:name)` in the
 * text as it is, and not as a link, because the brackets are separated by a
 * character of no width.
 */
export function withoutLinks(text: string): string {
  return text.replaceAll(/\]\((?=https?:|command:|file:)/gi, "]\u2060(");
}
