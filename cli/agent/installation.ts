import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DeltarError } from "../../mod.ts";
import { codeOf } from "../../shared/error_code.ts";
import { nameSum } from "../../shared/name_sum.ts";
import { replaceFile } from "../../shared/replace_file.ts";
import { attempt } from "../attempt.ts";
import { userFolder } from "../location.ts";
import {
  ConfigText,
  type Insertion,
  withoutInsertions,
} from "./config_text.ts";
import { hookLines, wordsOf } from "./hook_line.ts";
import type { Addition, ConfigFile } from "./hosts.ts";
import { PLUGIN_HEAD, pluginWords } from "./opencode_plugin.ts";

/** A change to a configuration file. */
export interface Change {
  /** The path of the file. */
  path: string;
  /** The path of the file that is changed, after symlinks are followed. */
  target: string;
  action: "create" | "update" | "delete" | "none";
  /**
   * The texts that an install inserts or an uninstall removes. For an
   * uninstall, empty if the file was edited after the install.
   */
  texts: string[];
  /** Messages about entries of deltar that stay as they are. */
  notes: string[];
  /** Called to make the change. Returns a function that reverts it. */
  apply: () => () => void;
}

/** An addition that an install made. */
interface Entry {
  addition: Addition;
  /**
   * The number of objects and arrays on the addition's path that existed before
   * the install.
   */
  kept: number;
}

/** The record of what an install wrote to a file. An uninstall reads it. */
interface Receipt {
  /** The SHA-256 of the file after the install, hexadecimal. */
  sum: string;
  insertions: Insertion[];
  entries: Entry[];
  isCreated: boolean;
  /** The folders that the install created, the innermost first. */
  folders: string[];
}

/** The content of a file that might not exist. */
interface Content {
  /** The path of the file, after symlinks are followed. */
  target: string;
  text: string | undefined;
  mode: number;
}

/**
 * Returns the change that adds deltar's entries to a file, or writes the whole
 * file.
 *
 * @throws {DeltarError} `io` if the file cannot be read or written; `corrupt`
 * if the file is not UTF-8 or not valid; `exists` if the whole file would be
 * replaced, but was not written by deltar or was changed later.
 */
export function installing(file: ConfigFile): Change {
  const { path } = file;
  const content = read(path);
  const { text } = content;
  const receipt = text === undefined ? undefined : readReceipt(path);
  const isSame = text !== undefined && receipt?.sum === sumOf(text);
  const isCreated = receipt?.isCreated ?? text === undefined;
  if ("text" in file) {
    if (text === file.text) return unchanged(path);
    if (text !== undefined && !isSame) {
      throw new DeltarError(
        "exists",
        "the file was not written by deltar, or was changed after deltar " +
          "wrote it; move or delete it, and run the command again",
        { object: path },
      );
    }
    const insertions = [{ at: 0, text: file.text }];
    const next = { isCreated, sum: sumOf(file.text), insertions, entries: [] };
    return changing(path, content, file.text, next, [file.text]);
  }
  const now = new ConfigText(path, text ?? "");
  // An earlier install might have written a different command. The entries of
  // that install are therefore removed first.
  const base = receipt === undefined ? now : new ConfigText(
    path,
    isSame
      ? withoutInsertions(now.text, receipt.insertions)
      : withoutEntries(path, now.text, receipt),
  );
  const others = file.additions.map((one) => otherAt(base, one));
  const notes = others.filter((other) => other !== undefined)
    .map((other) => `${other} stays as it is`);
  const isDue = file.additions.some((one, at) =>
    !now.has(one) && others[at] === undefined
  );
  if (!isDue) return unchanged(path, notes);
  const config = new ConfigText(path, base.text);
  const entries: Entry[] = [];
  for (const [at, addition] of file.additions.entries()) {
    if (others[at] === undefined && config.add(addition)) {
      entries.push({ addition, kept: base.depthOf(addition) });
    }
  }
  if (config.text === (text ?? "")) return unchanged(path, notes);
  // The constructor throws if the new text is not valid JSON.
  new ConfigText(path, config.text);
  const { insertions } = config;
  const next = { isCreated, sum: sumOf(config.text), insertions, entries };
  const texts = insertions.map((one) => one.text);
  return changing(path, content, config.text, next, texts, notes);
}

/**
 * Returns the change that reverts an install.
 *
 * @throws {DeltarError} `io` if the file cannot be read or written; `corrupt`
 * if the file is not UTF-8 or not valid; `exists` if the whole file would be
 * deleted, but was changed after the installation.
 */
export function uninstalling(file: ConfigFile): Change {
  const { path } = file;
  const content = read(path);
  const { text } = content;
  const receipt = readReceipt(path);
  if (text === undefined) return forgetting(path, receipt);
  if (receipt === undefined) {
    return unchanged(path, staying(file, text));
  }
  const isSame = receipt.sum === sumOf(text);
  if ("text" in file && !isSame) {
    throw new DeltarError(
      "exists",
      "the file was changed after the installation; delete it, and run the " +
        "command again",
      { object: path },
    );
  }
  const rest = isSame
    ? withoutInsertions(text, receipt.insertions)
    : withoutEntries(path, text, receipt);
  const notes = "text" in file || isSame ? [] : staying(file, rest);
  if (rest === text) return forgetting(path, receipt, notes);
  // A file that an install created is deleted only if nothing is left in it,
  // because the user or another program might have added entries.
  const isBare = /^\s*(?:\{\s*\}\s*)?$/.test(rest);
  const texts = isSame ? receipt.insertions.map((one) => one.text) : [];
  const next = receipt.isCreated && isBare ? undefined : rest;
  return changing(path, content, next, undefined, texts, notes);
}

/**
 * Returns the words of the hook's command in a file, or `undefined` if the file
 * does not exist or has no hook of deltar.
 */
export function hookWordsIn(file: ConfigFile): string[] | undefined {
  const { text } = read(file.path);
  if (text === undefined) return undefined;
  if ("text" in file) return pluginWords(text);
  const config = new ConfigText(file.path, text);
  for (const addition of file.additions) {
    if (!("array" in addition)) continue;
    const line = hookLines(config.valueOf(addition.array))[0];
    if (line !== undefined) return wordsOf(line);
  }
  return undefined;
}

/**
 * Returns a message for each addition of deltar that an uninstall leaves in a
 * configuration file, because the addition differs from what an install on this
 * machine wrote. If deltar writes the whole file, returns at most one message.
 */
function staying(file: ConfigFile, text: string): string[] {
  const why =
    "differs from what deltar wrote on this machine, and stays as it is";
  if ("text" in file) {
    return text.startsWith(PLUGIN_HEAD) ? [`the file ${why}`] : [];
  }
  const config = new ConfigText(file.path, text);
  return file.additions.flatMap((addition) => {
    const isServer = !("array" in addition) && addition.property.length > 1;
    const found = otherAt(config, addition) ??
      (isServer && config.has(addition)
        ? nameOf(addition.property)
        : undefined);
    return found === undefined ? [] : [`${found} ${why}`];
  });
}

/**
 * Returns a description of an existing entry for deltar that an addition would
 * repeat or replace, or `undefined` if there is none. An entry for a server
 * counts only if its value differs from that of the addition.
 */
function otherAt(config: ConfigText, addition: Addition): string | undefined {
  if ("array" in addition) {
    const line = hookLines(config.valueOf(addition.array))[0];
    return line && `\`${line}\` in ${nameOf(addition.array)}`;
  }
  const { property } = addition;
  const isOther = property.length > 1 && !config.has(addition) &&
    config.valueOf(property) !== undefined;
  return isOther ? nameOf(property) : undefined;
}

function nameOf(path: readonly string[]): string {
  return `\`${path.join(".")}\``;
}

/**
 * Returns a text without the entries of an install. The text might have been
 * edited after the installation.
 */
function withoutEntries(
  path: string,
  text: string,
  { entries }: Receipt,
): string {
  const config = new ConfigText(path, text);
  for (const { addition, kept } of entries.toReversed()) {
    config.remove(addition, kept);
  }
  return config.text;
}

function unchanged(path: string, notes: string[] = []): Change {
  const apply = () => () => {};
  return { path, target: path, action: "none", texts: [], notes, apply };
}

/**
 * Returns the change for a file in which nothing of the install is left. The
 * change deletes the receipt and the empty folders that the install created.
 */
function forgetting(
  path: string,
  receipt: Receipt | undefined,
  notes: string[] = [],
): Change {
  const apply = () => {
    removeEmpty(receipt?.folders ?? []);
    writeNote(path, undefined);
    return () => {};
  };
  return { ...unchanged(path, notes), apply };
}

/**
 * Returns the change that replaces the text and the receipt of a file.
 *
 * @param text The text, or `undefined` to delete the file.
 * @param receipt The receipt without its folders, or `undefined` to delete the
 * receipt.
 * @throws {DeltarError} `io` if the file or its folder cannot be written.
 */
function changing(
  path: string,
  content: Content,
  text: string | undefined,
  receipt: Omit<Receipt, "folders"> | undefined,
  texts: string[],
  notes: string[] = [],
): Change {
  const folder = dirname(content.target);
  const missing = missingFolders(folder);
  if (content.text !== undefined && (content.mode & 0o222) === 0) {
    throw new DeltarError(
      "io",
      "the file is read-only. Make it writable, and run the command again.",
      { object: path },
    );
  }
  attempt(
    path,
    () => accessSync(dirname(missing.at(-1) ?? content.target), constants.W_OK),
  );
  const action = text === undefined
    ? "delete"
    : content.text === undefined
    ? "create"
    : "update";
  const apply = () => {
    const note = readNote(path);
    if (read(path).text !== content.text) {
      throw new DeltarError(
        "io",
        "the file was changed by another program; run the command again",
        { object: path },
      );
    }
    const takeBack = () => {
      attempt(path, () => {
        if (text !== content.text && read(path).text === text) {
          mkdirSync(folder, { recursive: true });
          put(content, content.text);
        }
        if (content.text === undefined) removeEmpty(missing);
        writeNote(path, note);
      });
    };
    try {
      const old = readReceipt(path)?.folders ?? [];
      const folders = [...missing, ...old];
      // The receipt is written first. If deltar is then interrupted, a receipt
      // without an install does no harm, but an uninstall could not revert an
      // install without a receipt.
      if (receipt) writeNote(path, JSON.stringify({ ...receipt, folders }));
      attempt(path, () => {
        if (text !== undefined) mkdirSync(folder, { recursive: true });
        put(content, text);
      });
      if (text === undefined) removeEmpty(old);
      if (receipt === undefined) writeNote(path, undefined);
    } catch (error) {
      takeBack();
      throw error;
    }
    return takeBack;
  };
  return { path, target: content.target, action, texts, notes, apply };
}

/**
 * Returns those of a folder and its parents that do not exist, the innermost
 * first.
 */
function missingFolders(folder: string): string[] {
  const isThere = statSync(folder, { throwIfNoEntry: false }) !== undefined;
  return isThere ? [] : [folder, ...missingFolders(dirname(folder))];
}

/** Deletes the empty folders among the given folders. */
function removeEmpty(folders: readonly string[]): void {
  for (const folder of folders) {
    try {
      rmdirSync(folder);
    } catch {
      // A folder that is not empty or cannot be deleted stays as it is.
    }
  }
}

/** Reads a file, following symlinks. */
function read(path: string): Content {
  const target = attempt(path, () => targetOf(path));
  const stat = attempt(path, () => statSync(target, { throwIfNoEntry: false }));
  if (stat === undefined) return { target, text: undefined, mode: 0o666 };
  if (!stat.isFile()) {
    throw new DeltarError("io", "not a file", { object: path });
  }
  const bytes = attempt(path, () => readFileSync(target));
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return { target, text: decoder.decode(bytes), mode: stat.mode & 0o7777 };
  } catch {
    throw new DeltarError("corrupt", "not UTF-8", { object: path });
  }
}

/**
 * Returns the path of a file after symlinks are followed, even if this file
 * does not exist.
 */
function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    return stat?.isSymbolicLink()
      ? targetOf(resolve(dirname(path), readlinkSync(path)))
      : path;
  }
}

/** Replaces the content of a file atomically, or deletes the file. */
function put({ target, text, mode }: Content, next: string | undefined): void {
  if (next === undefined) return rmSync(target);
  replaceFile(target, next, text === undefined ? {} : { mode });
}

function sumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function receipts(): string {
  return join(userFolder("state"), "agents");
}

function receiptOf(path: string): string {
  return join(receipts(), `${nameSum(path)}.json`);
}

function readReceipt(path: string): Receipt | undefined {
  const note = readNote(path);
  try {
    return note === undefined ? undefined : JSON.parse(note);
  } catch {
    return undefined;
  }
}

/** Returns the text of a file's receipt, or `undefined` if there is none. */
function readNote(path: string): string | undefined {
  const file = receiptOf(path);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** Writes the text of a file's receipt, or deletes the receipt. */
function writeNote(path: string, note: string | undefined): void {
  const file = receiptOf(path);
  if (note === undefined) return rmSync(file, { force: true });
  mkdirSync(receipts(), { recursive: true, mode: 0o700 });
  writeFileSync(file, note, { mode: 0o600 });
}
