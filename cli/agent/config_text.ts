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

/** Text that was inserted into another text. */
export interface Insertion {
  /**
   * The position, in UTF-16 code units, in the text that already contains all
   * earlier insertions.
   */
  at: number;
  text: string;
}

/**
 * The text of a JSON file, which can have comments. `add()` inserts an addition
 * and keeps the rest of the text as it is, including comments, spaces and line
 * endings.
 */
export class ConfigText {
  /** The insertions, in the order in which they were made. */
  readonly insertions: Insertion[] = [];
  readonly #file: string;
  readonly #eol: string;
  readonly #unit: string;
  #text: string;

  /**
   * Takes the text of a file, and checks that it is blank or a JSON object.
   *
   * @param file The path of the file, for errors.
   * @param text The content of the file; empty if the file does not exist.
   * @throws {DeltarError} `corrupt` if the text is neither blank nor a JSON
   * object.
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
   * Inserts an element unless the array already has it, or a property unless
   * one with this name exists. Returns whether the text was changed.
   *
   * @throws {DeltarError} `corrupt` if a value on the addition's path is not
   * the object or array that the addition requires.
   */
  add(addition: Addition): boolean {
    const before = this.#text;
    if ("property" in addition) this.#set(addition.property, addition.value);
    else if (!this.has(addition)) this.#append(addition.array, addition.item);
    return this.#text !== before;
  }

  /**
   * Returns the number of objects and arrays that already exist on an
   * addition's path. The root object is not counted.
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
    // `getNodeValue` makes objects without a prototype, which
    // `isDeepStrictEqual` never considers equal to ordinary objects.
    // `structuredClone` makes ordinary objects of them.
    return node && structuredClone(getNodeValue(node));
  }

  /**
   * Removes an addition if it exists, and the objects and arrays around it that
   * become empty. A top-level property, such as `version`, is removed only if
   * no other property is left, because other entries might need it.
   *
   * @param addition The addition.
   * @param kept The number of outermost objects and arrays on the addition's
   * path, without the root, that stay even if they become empty.
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
   * except for the root and the `kept` outermost ones below it.
   */
  #delete(path: readonly (string | number)[], kept: number): void {
    // The parser does not accept a byte order mark. A space in its place keeps
    // all positions the same.
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
   * Returns the text without a value if the value is the last of several
   * elements of an array. Otherwise, returns `undefined`. `modify` removes the
   * last of several elements correctly only if white space precedes the closing
   * bracket.
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
    // The innermost object that already exists on the path gets a new property.
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

  /**
   * Inserts a property or an element at the end of an object or array.
   *
   * @param node The object or array.
   * @param depth The number of objects and arrays around it.
   * @param make Called once with the indentation of the new line. Returns the
   * text of the property or element.
   */
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
    // A comma can already follow the last child, with white space and comments
    // between them.
    const comma = /^(?:\s|\/\/[^\n]*\n|\/\*(?:[^*]|\*(?!\/))*\*\/)*,/
      .exec(rest);
    if (comma === null) this.#put(end, ",");
    const from = end + (comma?.[0].length ?? 1);
    // A comment on the same line belongs to the last child, so the new line is
    // inserted after the comment.
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
    throw new DeltarError(
      "corrupt",
      `${name} is not an ${type}; correct the file, and run the command again`,
      { object: this.#file },
    );
  }

  #root(): Node {
    const errors: ParseError[] = [];
    // The parser does not accept a byte order mark. A space in its place keeps
    // all positions the same.
    const root = parseTree(this.#text.replace(/^\uFEFF/, " "), errors, {
      allowTrailingComma: true,
    });
    if (root?.type === "object" && errors.length === 0) return root;
    const line = errors.length === 0
      ? ""
      : ` (error on line ${
        this.#text.slice(0, errors[0].offset).split("\n").length
      })`;
    throw new DeltarError(
      "corrupt",
      `not a JSON object${line}; correct the file, and run the command again`,
      { object: this.#file },
    );
  }
}

/**
 * Removes insertions from a text.
 *
 * @param text The text after the insertions.
 * @param insertions The insertions, in the order in which they were made.
 * @returns The text as it was before the insertions.
 * @throws {RangeError} If an inserted text is not at its position.
 */
export function withoutInsertions(
  text: string,
  insertions: readonly Insertion[],
): string {
  return insertions.toReversed().reduce((rest, { at, text: inserted }) => {
    if (!rest.startsWith(inserted, at)) {
      throw new RangeError("the inserted text is not at its position");
    }
    return rest.slice(0, at) + rest.slice(at + inserted.length);
  }, text);
}
