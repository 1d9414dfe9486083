/**
 * Escapes text for a quick pick, so that VS Code shows `$(name)` literally and
 * not as an icon.
 */
export function withoutIcons(text: string): string {
  return text.replaceAll(/\$\([a-z\d-]+(?:~[a-z]+)?\)/gi, "\\$&");
}

/**
 * Changes text for a notification so that VS Code shows `[text](command:name)`
 * literally and not as a link. A zero-width character separates the brackets
 * from the parentheses.
 */
export function withoutLinks(text: string): string {
  return text.replaceAll(/\]\((?=https?:|command:|file:)/gi, "]\u2060(");
}

/**
 * Changes text for the message of a view so that VS Code can break a long path
 * into several lines: adds a zero-width space after each slash and backslash in
 * the path. Without these spaces, VS Code cuts off the path, and also the other
 * lines of the message.
 */
export function breakable(text: string): string {
  return text.replaceAll(
    /\S{30,}/g,
    (word) => word.replaceAll(/[/\\](?=[^/\\])/g, "$&\u200b"),
  );
}

/**
 * Adds a full stop to text, unless the text already ends with a mark such as
 * `.`, `!` or `)`.
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
