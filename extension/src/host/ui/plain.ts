/**
 * Returns a text for a quick pick, in which VS Code shows `$(name)` literally
 * and not as an icon.
 */
export function withoutIcons(text: string): string {
  return text.replaceAll(/\$\([a-z\d-]+(?:~[a-z]+)?\)/gi, "\\$&");
}

/**
 * Returns a text for a notification, in which VS Code shows
 * `[text](command:name)` literally and not as a link. A zero-width character
 * separates the brackets from the parentheses.
 */
export function withoutLinks(text: string): string {
  return text.replaceAll(/\]\((?=https?:|command:|file:)/gi, "]\u2060(");
}
