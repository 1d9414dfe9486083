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

/**
 * Returns a text for the message of a view. A zero-width space after each slash
 * and backslash of a long word lets VS Code break the lines of a path. Without
 * these spaces, a long path is cut off, and so are the other lines of the
 * message.
 */
export function breakable(text: string): string {
  return text.replaceAll(
    /\S{30,}/g,
    (word) => word.replaceAll(/[/\\](?=[^/\\])/g, "$&\u200b"),
  );
}

/**
 * Returns a text with a full stop at the end. Adds nothing to a text that ends
 * with another mark, such as `!` or `)`.
 */
export function asSentence(text: string): string {
  return /[.!?)\u2026]$/.test(text) ? text : `${text}.`;
}

/**
 * Returns the text of another program as one line. Each run of control
 * characters, line ends and characters that change the direction of text
 * becomes a space.
 */
export function oneLine(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu,
    " ",
  ).trim();
}
