import process from "node:process";

/** The part of a command line before the cursor. */
export interface ShellLine {
  /** The whole words of the command, unquoted, its name first. */
  words: string[];
  /** The word that the cursor is in, unquoted; empty after a blank. */
  current: string;
  /** Whether that word is the file of a redirection. */
  isRedirection: boolean;
}

/**
 * Takes a command line apart as a POSIX shell does, up to the cursor. Nothing
 * of it is run or looked for: of expansions only `~` and exported variables are
 * known, and all others stay as they are written.
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

/** A word of a line without its quotes. */
export function unquote(word: string): string {
  return new Lexer(word, false).next().text;
}

interface Token {
  /** `end` is the word at the cursor. */
  kind: "word" | "separator" | "redirection" | "end";
  text: string;
}

class Lexer {
  readonly #line: string;
  readonly #splits: boolean;
  #at = 0;

  /** Reads words of a line, or with `splits` false all of it as one. */
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

  /** Reads text in double quotes; the end of the line ends it, too. */
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
   * Reads what begins with `$`: the value of an exported variable, or its text.
   */
  #variable(): string {
    const command = this.#take(/\$\((?:[^()]|\([^()]*\))*(?:\)|$)/y);
    if (command !== "") return command;
    const text = this.#take(/\$(?:\w+|\{\w+\})?/y);
    const name = text.replace(/^\$\{?|\}$/g, "");
    return (name !== "" && process.env[name]) || text;
  }

  /** Takes the text that a sticky pattern matches here. */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#line)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }
}
