import {
  applyEdits,
  findNodeAtLocation,
  getNodeValue,
  modify,
  type Node,
  type ParseError,
  parseTree,
} from "jsonc-parser";
import { isDeepStrictEqual } from "node:util";
import { DeltarError } from "../../mod.ts";
import type { Addition } from "./hosts.ts";

/** A text that was inserted into a file. */
export interface Insertion {
  /**
   * The position, in UTF-16 code units, in the text after all earlier
   * insertions.
   */
  at: number;
  text: string;
}

/**
 * The text of a JSON file that may have comments. Additions are inserted into
 * the text. Comments, blanks, line endings and the order of properties are not
 * changed.
 */
export class ConfigText {
  /** The insertions, in the order in which they were made. */
  readonly insertions: Insertion[] = [];
  readonly #file: string;
  readonly #eol: string;
  readonly #unit: string;
  #text: string;

  /**
   * Takes the text of a file, and checks that it is a JSON object.
   *
   * @param file The path of the file, for errors.
   * @param text The content of the file; empty if the file does not exist.
   * @throws {DeltarError} `corrupt` if the text is not a JSON object.
   */
  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
    this.#eol = /\r\n|\n/.exec(text)?.[0] ?? "\n";
    this.#unit = /\n([ \t]+)\S/.exec(text)?.[1] ?? "  ";
    if (!this.#isEmpty) this.#root();
  }

  get text(): string {
    return this.#text;
  }

  get #isEmpty(): boolean {
    return /^\uFEFF?\s*$/.test(this.#text);
  }

  /**
   * Inserts an addition, unless it exists. Returns whether it was inserted.
   *
   * @throws {DeltarError} `corrupt` if a property that the addition needs has a
   * value of another type.
   */
  add(addition: Addition): boolean {
    const before = this.#text;
    if ("property" in addition) this.#set(addition.property, addition.value);
    else if (!this.has(addition)) this.#append(addition.array, addition.item);
    return this.#text !== before;
  }

  /**
   * Returns the number of existing objects and arrays on an addition's path.
   */
  depthOf(addition: Addition): number {
    const path = "array" in addition
      ? addition.array
      : addition.property.slice(0, -1);
    const depth = path.findIndex((_, at) =>
      this.valueOf(path.slice(0, at + 1)) === undefined
    );
    return depth < 0 ? path.length : depth;
  }

  /** Returns whether the text has an addition. */
  has(addition: Addition): boolean {
    if ("property" in addition) {
      const value = this.valueOf(addition.property);
      return isDeepStrictEqual(value, addition.value);
    }
    const items = this.valueOf(addition.array);
    return Array.isArray(items) &&
      items.some((item) => isDeepStrictEqual(item, addition.item));
  }

  /** Returns the value at a path, or `undefined` if there is none. */
  valueOf(path: readonly (string | number)[]): unknown {
    if (this.#isEmpty) return undefined;
    const node = findNodeAtLocation(this.#root(), [...path]);
    // `getNodeValue` makes objects without a prototype, which are never deeply
    // equal to ordinary objects.
    return node && structuredClone(getNodeValue(node));
  }

  /**
   * Removes an addition if it exists, and the objects and arrays around it that
   * become empty. A top-level property, such as the version of the file, is
   * removed only if no other property is left, because other entries might
   * need it.
   *
   * @param addition The addition.
   * @param kept The number of outer objects and arrays on the path of the
   * addition that stay even if they become empty.
   */
  remove(addition: Addition, kept: number): void {
    if (!this.has(addition)) return;
    if ("array" in addition) {
      const items = this.valueOf(addition.array) as unknown[];
      const at = items.findLastIndex((item) =>
        isDeepStrictEqual(item, addition.item)
      );
      return this.#delete([...addition.array, at], kept);
    }
    const { property } = addition;
    const isNeeded = property.length === 1 &&
      Object.keys(this.valueOf([]) as object).length > 1;
    if (!isNeeded) this.#delete(property, kept);
  }

  /**
   * Deletes a value, and the objects and arrays around it that become empty,
   * except for the `kept` outermost ones.
   */
  #delete(path: readonly (string | number)[], kept: number): void {
    // The parser does not accept byte order marks.
    const text = this.#text.replace(/^\uFEFF/, " ");
    const edited = this.#withoutLast(text, path) ??
      applyEdits(text, modify(text, [...path], undefined, {}));
    const mark = text === this.#text ? "" : "\uFEFF";
    this.#text = mark + edited.slice(mark.length);
    const above = path.slice(0, -1);
    const rest = this.valueOf(above);
    const isEmpty = typeof rest === "object" && rest !== null &&
      Object.keys(rest).length === 0;
    if (isEmpty && above.length > kept) this.#delete(above, kept);
  }

  /**
   * Returns the text without a value, if the value is the last of several
   * elements of an array, or else `undefined`. For such an element, `modify`
   * makes a correct edit only if a blank precedes the end of the array.
   */
  #withoutLast(
    text: string,
    path: readonly (string | number)[],
  ): string | undefined {
    const at = path.at(-1);
    const items = findNodeAtLocation(this.#root(), path.slice(0, -1))?.children;
    if (typeof at !== "number" || items === undefined) return undefined;
    if (at === 0 || at !== items.length - 1) return undefined;
    const [before, last] = items.slice(-2);
    return text.slice(0, before.offset + before.length) +
      text.slice(last.offset + last.length);
  }

  #append(path: readonly string[], item: unknown): void {
    const items = this.valueOf([...path]);
    if (items === undefined) return this.#set(path, [item]);
    const node = this.#nodeAt(path, "array");
    this.#insert(node, path.length, (indent) => this.#json(item, indent));
  }

  #set(path: readonly string[], value: unknown): void {
    if (this.valueOf([...path]) !== undefined) return;
    if (this.#isEmpty) {
      const { text } = this;
      const whole = new ConfigText(this.#file, `{}${this.#eol}`);
      whole.#set(path, value);
      this.#put(text.length, whole.text);
      return;
    }
    // Find the innermost existing object on the path.
    let depth = path.length - 1;
    while (depth > 0 && this.valueOf(path.slice(0, depth)) === undefined) {
      depth--;
    }
    const node = this.#nodeAt(path.slice(0, depth), "object");
    const inner = path.slice(depth + 1).reduceRight<unknown>(
      (content, name) => ({ [name]: content }),
      value,
    );
    this.#insert(
      node,
      depth,
      (indent) =>
        `${JSON.stringify(path[depth])}: ${this.#json(inner, indent)}`,
    );
  }

  /** Inserts a property or an element at the end of an object or array. */
  #insert(node: Node, depth: number, make: (indent: string) => string): void {
    const indent = this.#unit.repeat(depth + 1);
    const child = node.children?.at(-1);
    const line = this.#eol + indent + make(indent);
    const close = node.offset + node.length - 1;
    if (child === undefined) {
      const isOneLine = !this.#text.slice(node.offset, close).includes("\n");
      const end = isOneLine ? this.#eol + this.#unit.repeat(depth) : "";
      this.#put(node.offset + 1, line + end);
      return;
    }
    const end = child.offset + child.length;
    const rest = this.#text.slice(end, close);
    // A comma can already follow the last child, after blanks and comments.
    const comma = /^(?:\s|\/\/[^\n]*\n|\/\*(?:[^*]|\*(?!\/))*\*\/)*,/
      .exec(rest);
    if (comma === null) this.#put(end, ",");
    const from = end + (comma?.[0].length ?? 1);
    // A comment on the same line belongs to the last child.
    const comment = /^[ \t]*(?:\/\/[^\r\n]*|\/\*[^\n]*?\*\/[ \t]*(?=\r?\n))/
      .exec(this.#text.slice(from));
    this.#put(from + (comment?.[0].length ?? 0), line);
  }

  #put(at: number, text: string): void {
    this.#text = this.#text.slice(0, at) + text + this.#text.slice(at);
    this.insertions.push({ at, text });
  }

  #json(value: unknown, indent: string): string {
    return JSON.stringify(value, undefined, this.#unit)
      .replaceAll("\n", this.#eol + indent);
  }

  #nodeAt(path: readonly string[], type: "object" | "array"): Node {
    const node = findNodeAtLocation(this.#root(), [...path]);
    if (node?.type === type) return node;
    const name = path.map((word) => JSON.stringify(word)).join(".");
    throw new DeltarError("corrupt", `${name} is not an ${type}`, {
      object: this.#file,
    });
  }

  #root(): Node {
    const errors: ParseError[] = [];
    // The parser does not accept byte order marks.
    const root = parseTree(this.#text.replace(/^\uFEFF/, " "), errors, {
      allowTrailingComma: true,
    });
    if (root?.type === "object" && errors.length === 0) return root;
    const line = errors.length === 0
      ? ""
      : ` (error on line ${
        this.#text.slice(0, errors[0].offset).split("\n").length
      })`;
    throw new DeltarError("corrupt", `not a JSON object${line}`, {
      object: this.#file,
    });
  }
}

/**
 * Removes insertions from a text.
 *
 * @returns The text as it was before the insertions.
 * @throws {RangeError} If the text does not contain the insertions.
 */
export function withoutInsertions(
  text: string,
  insertions: readonly Insertion[],
): string {
  return insertions.toReversed().reduce((rest, { at, text: inserted }) => {
    if (!rest.startsWith(inserted, at)) {
      throw new RangeError("the text does not contain the insertion");
    }
    return rest.slice(0, at) + rest.slice(at + inserted.length);
  }, text);
}
