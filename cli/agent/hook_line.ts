/** The pattern of a command that runs `deltar hook`. */
const HOOK = /(?:\bdeltar[\w.-]*|\bcli\.ts)["']?\s+hook\b/;

/** Returns the commands in a JSON value that run `deltar hook`. */
export function hookLines(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(hookLines);
  if (typeof value !== "object" || value === null) return [];
  const { command, args } = value as Record<string, unknown>;
  // Some hosts store the program and its arguments separately.
  const isSplit = typeof command === "string" && Array.isArray(args);
  const texts = Object.values(value).filter((one) => typeof one === "string");
  const lines = isSplit ? [[command, ...args].join(" "), ...texts] : texts;
  return [
    ...lines.filter((line) => HOOK.test(line)),
    ...Object.values(value).flatMap(hookLines),
  ];
}

/** Returns the words of a command, without a leading `cd / &&` or `&`. */
export function wordsOf(line: string): string[] {
  const words = line.replace(/^\s*(?:cd \/ && |& )/, "")
    .match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  return words.map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
}
