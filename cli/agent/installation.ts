import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { DeltarError } from "../../mod.ts";
import { codeOf } from "../../shared/error_code.ts";
import { nameSum } from "../../shared/name_sum.ts";
import { attempt } from "../attempt.ts";
import { userFolder } from "../location.ts";
import {
  ConfigText,
  type Insertion,
  withoutInsertions,
} from "./config_text.ts";
import type { ConfigFile } from "./hosts.ts";
import { PLUGIN_HEAD } from "./opencode_plugin.ts";

/** The change of a configuration file. */
export interface Change {
  /** The path of the file. */
  path: string;
  action: "create" | "update" | "delete" | "none";
  /** The inserted texts, or the removed ones. */
  texts: string[];
  /** Makes the change. */
  apply: () => void;
}

/** The record of an install in a file, with which an uninstall reverts it. */
interface Receipt {
  /** The SHA-256 of the file after the install, hexadecimal. */
  sum: string;
  insertions: Insertion[];
  isCreated: boolean;
  /** The created folders, the innermost first. */
  folders: string[];
}

/** A file that may not exist. */
interface Content {
  /** The path behind symlinks. */
  target: string;
  text: string | undefined;
  mode: number;
}

/** Matches the command of an installed hook. */
const HOOK = /\bhook --host [\w-]+/;

/**
 * Returns the change that installs deltar in a file.
 *
 * @throws {DeltarError} If the file cannot be read or written, or is not valid.
 */
export function installing(file: ConfigFile): Change {
  const { path } = file;
  const content = read(path);
  const { text } = content;
  if ("text" in file) {
    if (text !== undefined && !text.startsWith(PLUGIN_HEAD)) {
      throw new DeltarError("exists", "a file that deltar did not write", {
        object: path,
      });
    }
    const insertions = [{ at: 0, text: file.text }];
    return text === file.text
      ? unchanged(path)
      : changing(path, content, file.text, insertions);
  }
  let config = new ConfigText(path, text ?? "");
  const isInstalled = file.additions.every((one) => config.has(one));
  if (isInstalled) return unchanged(path);
  // Entries of an earlier install with another command.
  if (config.remove(file.additions, isOwn)) {
    config = new ConfigText(path, config.text);
  }
  for (const addition of file.additions) config.add(addition);
  return config.insertions.length === 0
    ? unchanged(path)
    : changing(path, content, config.text, config.insertions);
}

/** Returns the change that takes an install back. */
export function uninstalling(file: ConfigFile): Change {
  const { path } = file;
  const content = read(path);
  const { text, target } = content;
  const receipt = readReceipt(path);
  if (text === undefined) return unchanged(path);
  const isSame = receipt?.sum === sumOf(text);
  if ("text" in file) {
    if (!text.startsWith(PLUGIN_HEAD)) return unchanged(path);
    if (!isSame && text !== file.text) {
      throw new DeltarError("exists", "changed since the install; delete it", {
        object: path,
      });
    }
    return deleting(path, target, receipt, text);
  }
  if (receipt !== undefined && isSame) {
    const texts = receipt.insertions.map((one) => one.text);
    if (receipt.isCreated) return deleting(path, target, receipt, ...texts);
    const before = withoutInsertions(text, receipt.insertions);
    return {
      path,
      action: "update",
      texts,
      apply: () => {
        replace(path, content, before);
        rmSync(receiptOf(path), { force: true });
      },
    };
  }
  const config = new ConfigText(path, text);
  if (!config.remove(file.additions, isOwn)) return unchanged(path);
  const isBare = /^\s*\{\s*(?:"version"\s*:\s*1\s*)?\}\s*$/.test(config.text);
  if (receipt?.isCreated && isBare) return deleting(path, target, receipt);
  return {
    path,
    action: "update",
    texts: [],
    apply: () => {
      replace(path, content, config.text);
      rmSync(receiptOf(path), { force: true });
    },
  };
}

/** Returns whether a file has what an install writes. */
export function isInstalledIn(file: ConfigFile): boolean {
  const { text } = read(file.path);
  if (text === undefined) return false;
  if ("text" in file) return text.startsWith(PLUGIN_HEAD);
  const config = new ConfigText(file.path, text);
  return file.additions.some((one) => {
    const value = config.valueOf(
      "array" in one ? [...one.array] : [
        ...one.property,
      ],
    );
    return "array" in one
      ? Array.isArray(value) && value.some(isOwn)
      : one.property.length > 1 && isOwn(value);
  });
}

/** Returns whether a value is a hook or a server that an install wrote. */
function isOwn(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { command, bash, args, hooks } = value as Record<string, unknown>;
  if (Array.isArray(hooks)) return hooks.length > 0 && hooks.every(isOwn);
  if (HOOK.test(String(command)) || HOOK.test(String(bash))) return true;
  const words = [command, args].flat().map(String);
  return words.includes("mcp") &&
    words.some((word) => /deltar|cli\.ts$/.test(word));
}

function unchanged(path: string): Change {
  return { path, action: "none", texts: [], apply: () => {} };
}

function changing(
  path: string,
  content: Content,
  text: string,
  insertions: Insertion[],
): Change {
  const isCreated = content.text === undefined;
  return {
    path,
    action: isCreated ? "create" : "update",
    texts: insertions.map((one) => one.text),
    apply: () => {
      const folders: string[] = [];
      for (
        let folder = dirname(content.target);
        !statSync(folder, { throwIfNoEntry: false });
        folder = dirname(folder)
      ) folders.push(folder);
      attempt(
        path,
        () => mkdirSync(dirname(content.target), { recursive: true }),
      );
      // The receipt comes first: without the install it does nothing.
      const receipt: Receipt = {
        sum: sumOf(text),
        insertions,
        isCreated,
        folders,
      };
      mkdirSync(receipts(), { recursive: true, mode: 0o700 });
      const note = JSON.stringify(receipt);
      writeFileSync(receiptOf(path), note, { mode: 0o600 });
      replace(path, content, text);
    },
  };
}

function deleting(
  path: string,
  target: string,
  receipt: Receipt | undefined,
  ...texts: string[]
): Change {
  return {
    path,
    action: "delete",
    texts,
    apply: () => {
      attempt(path, () => rmSync(target));
      for (const folder of receipt?.folders ?? []) {
        try {
          rmdirSync(folder);
        } catch {
          // The folder has other files.
        }
      }
      rmSync(receiptOf(path), { force: true });
    },
  };
}

/** Reads a file through its symlinks. */
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

/** Returns the path of the file to which a path leads, which may not exist. */
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

/** Replaces a file, unless it was changed since it was read. */
function replace(path: string, { target, text, mode }: Content, next: string) {
  if (text !== undefined && (mode & 0o222) === 0) {
    throw new DeltarError("io", "the file is read-only", { object: path });
  }
  if (read(path).text !== text) {
    throw new DeltarError("io", "changed meanwhile; run the command again", {
      object: path,
    });
  }
  const temporary = `${target}.deltar-${process.pid}`;
  attempt(path, () => {
    try {
      writeFileSync(temporary, next, { flag: "wx", mode });
      if (text !== undefined) chmodSync(temporary, mode);
      renameSync(temporary, target);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  });
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
  try {
    return JSON.parse(readFileSync(receiptOf(path), "utf8"));
  } catch {
    return undefined;
  }
}
