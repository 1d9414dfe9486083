/** The pattern of a command that runs `deltar hook`. */
const HOOK = /(?:\bdeltar[\w.-]*|\bcli\.ts)["']?\s+hook\b/;

/** Returns the commands that run `deltar hook` anywhere in a JSON value. */
export function hookLines(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(hookLines);
  if (typeof value !== "object" || value === null) return [];
  const { command, args } = value as Record<string, unknown>;
  // Some hosts store a program and its arguments in two properties.
  const isSplit = typeof command === "string" && Array.isArray(args);
  const texts = Object.values(value).filter((one) => typeof one === "string");
  const lines = isSplit ? [[command, ...args].join(" "), ...texts] : texts;
  return [
    ...lines.filter((line) => HOOK.test(line)),
    ...Object.values(value).flatMap(hookLines),
  ];
}

/**
 * Returns the words of a command, without the quotation marks around a word and
 * without a leading `cd / &&` or `&`.
 */
export function wordsOf(line: string): string[] {
  const words = line.replace(/^\s*(?:cd \/ && |& )/, "")
    .match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  return words.map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
}
