import process from "node:process";

/** The last command of a line, up to the cursor, split into words. */
export interface ShellLine {
  /** The complete words of the command, unquoted, beginning with its name. */
  words: string[];
  /** The word at the cursor, unquoted; empty after a blank or an operator. */
  current: string;
  /** Whether the word at the cursor is the file of a redirection. */
  isRedirection: boolean;
}

/**
 * Splits the last command of a line into words, as a POSIX shell does, but
 * without running anything. Expands only `~/` and exported variables that are
 * not empty; other expansions are kept as written.
 *
 * @param line The line up to the cursor.
 */
export function parseLine(line: string): ShellLine {
  const lexer = new Lexer(line);
  let words: string[] = [];
  let isRedirection = false;
  for (;;) {
    const token = lexer.next();
    if (token.kind === "end") {
      return { words, current: token.text, isRedirection };
    }
    if (token.kind === "separator") [words, isRedirection] = [[], false];
    else if (token.kind === "redirection") isRedirection = true;
    else if (isRedirection) isRedirection = false;
    else if (words.length > 0 || !/^\w+=/.test(token.text)) {
      words.push(token.text);
    }
  }
}

/**
 * Returns a word without its quotes, with the values of exported variables in
 * place of `$NAME` and `${NAME}`. Keeps a variable that is unset or empty.
 */
export function unquote(word: string): string {
  return new Lexer(word, false).next().text;
}

interface Token {
  /** The kind of the token. `end` is the word at the cursor. */
  kind: "word" | "separator" | "redirection" | "end";
  text: string;
}

class Lexer {
  readonly #line: string;
  readonly #splits: boolean;
  #at = 0;

  /**
   * Creates a lexer for the words of a line, or for the whole line as one word
   * if `splits` is false.
   */
  constructor(line: string, splits = true) {
    this.#line = line;
    this.#splits = splits;
  }

  next(): Token {
    if (this.#splits) {
      while (/[ \t]/.test(this.#line[this.#at] ?? "")) this.#at++;
      const operator = this.#take(/(?:\d*(?:[<>]+[&|]?|&>>?)|[|;&\n()]+)/y);
      if (operator !== "") {
        const kind = /[<>]/.test(operator) ? "redirection" : "separator";
        return { kind, text: operator };
      }
    }
    const text = this.#word();
    return { kind: this.#at < this.#line.length ? "word" : "end", text };
  }

  #word(): string {
    let text = this.#home();
    for (;;) {
      const plain = this.#splits
        ? this.#take(/[^\s\\'"`$|;&()<>]+/y)
        : this.#take(/[^\\'"`$]+/y);
      if (plain !== "") {
        text += plain;
        continue;
      }
      switch (this.#line[this.#at]) {
        case "\\":
          text += this.#line[this.#at + 1] ?? "";
          this.#at += 2;
          break;
        case "'":
          text += this.#take(/'[^']*(?:'|$)/y).replace(/^'|'$/g, "");
          break;
        case '"':
          this.#at++;
          text += this.#quoted();
          break;
        case "`":
          text += this.#take(/`[^`]*(?:`|$)/y);
          break;
        case "$":
          text += this.#variable();
          break;
        default:
          return text;
      }
    }
  }

  /**
   * Reads text in double quotes, up to the closing quote or the end of the
   * line.
   */
  #quoted(): string {
    for (let text = "";;) {
      text += this.#take(/[^"\\$]+/y);
      const char = this.#line[this.#at];
      if (char === "$") text += this.#variable();
      else if (char === "\\") {
        text += this.#take(/\\[^]?/y).replace(/^\\(?=["\\$`])/, "");
      } else {
        this.#at++;
        return text;
      }
    }
  }

  #home(): string {
    const tilde = this.#splits ? this.#take(/~(?=\/)/y) : "";
    return tilde === "" ? "" : process.env.HOME ?? tilde;
  }

  /**
   * Reads an expansion. Returns the value of an exported variable that is not
   * empty, and any other expansion as it was typed.
   */
  #variable(): string {
    const command = this.#take(/\$\((?:[^()]|\([^()]*\))*(?:\)|$)/y);
    if (command !== "") return command;
    const text = this.#take(/\$(?:\w+|\{\w+\})?/y);
    const name = text.replace(/^\$\{?|\}$/g, "");
    return (name !== "" && process.env[name]) || text;
  }

  /**
   * Returns the text that a sticky pattern matches at the current position, or
   * an empty string, and moves the position past this text.
   */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#line)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }
}
