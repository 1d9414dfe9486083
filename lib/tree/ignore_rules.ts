import { nodePath, process } from "../bytes/node.ts";
import { sha256 } from "../bytes/sha256.ts";
import ignore, { type Ignore } from "ignore";
import type { Folder } from "./folder.ts";
import { openFolder } from "./open_folder.ts";
import { readRuleFile } from "./rule_file.ts";

/** Options for what a walk leaves out. */
export interface IgnoreOptions {
  /**
   * Patterns in gitignore's syntax, relative to the root; they outrank all
   * rules found in files. Default: `.git/`, `.hg/` and `.svn/`.
   */
  excludes?: readonly string[];
  /**
   * The name of the files that hold such patterns for the folder they lie in
   * and what is below it; they outrank `.gitignore`. Default: `.deltarignore`;
   * `false` for none.
   */
  ignoreFile?: string | false;
  /**
   * Whether `.gitignore` files and `.git/info/exclude` count, as git reads
   * them: also those above the root inside the same work tree, and a nested
   * repository by its own rules only. A work tree above the root counts only if
   * it belongs to the superuser, to the user that runs this, or to the owner of
   * the root. Default: `false`.
   */
  gitignore?: boolean;
}

/** The name of the files with deltar's own patterns. */
export const DEFAULT_IGNORE_FILE = ".deltarignore";

/** The folders of version control, which `Dir` leaves out by default. */
export const VERSION_CONTROL: readonly string[] = [".git/", ".hg/", ".svn/"];

/** The number of deep levels of folders that share a matcher. */
const LEVELS_PER_MATCHER = 32;

/** A pattern, rewritten to be relative to the top, and where it stands. */
interface Rule {
  pattern: string;
  mark: string;
}

/** Rules that are ready to match. */
interface Compiled {
  /** The rules, without any cache of paths. */
  rules: Ignore;
  /** Whether each pattern is for folders alone, as `.git/` is. */
  isOfFolders: boolean;
}

/** The rules of one kind each, from the weakest file to the strongest. */
interface Sources {
  git: readonly Rule[];
  own: readonly Rule[];
  given: readonly Rule[];
}

/**
 * The exclusion rules that hold in one folder. Rules of all levels are one
 * list in gitignore's order, each pattern rewritten to be relative to the top
 * (the root of the walk, or of the git work tree around it), so that the last
 * match wins across files as git has it. Matching is the `ignore` package's.
 *
 * See `gitignore(5)`.
 */
export class IgnoreRules {
  /** From the top to the root of the walk: `""` or ending in `/`. */
  readonly #prefix: string;
  readonly #options: IgnoreOptions;
  readonly #sources: Sources;
  /** The folder's own files added to the rules of the folder above. */
  readonly isOwn: boolean;
  #compiled: Compiled | undefined;
  #isCompiled: boolean;
  /**
   * The same with the cache of one folder; a shared one would only grow. Far
   * down in a tree a few folders share one.
   */
  #matcher: Ignore | undefined;
  readonly #depth: number;

  private constructor(
    prefix: string,
    options: IgnoreOptions,
    sources: Sources,
    depth: number = 0,
    above?: IgnoreRules,
  ) {
    this.#prefix = prefix;
    this.#options = options;
    this.#sources = sources;
    // Compiled when they are first asked; the folder above may have been.
    this.isOwn = above === undefined;
    this.#isCompiled = above !== undefined && above.#isCompiled;
    this.#compiled = above === undefined ? undefined : above.#compiled;
    this.#depth = depth;
    // A matcher of its own looks at all the folders above once more.
    if (
      above !== undefined && depth > LEVELS_PER_MATCHER &&
      depth % LEVELS_PER_MATCHER !== 0
    ) {
      this.#matcher = above.#matcher;
    }
  }

  /** The rules that hold in `root`, its own ignore files not yet read. */
  static forRoot(root: string, options: IgnoreOptions): IgnoreRules {
    const top = options.gitignore ? repositoryTop(root) : root;
    const prefix = nodePath.relative(top, root).split(nodePath.sep).join("/");
    const given = (options.excludes ?? VERSION_CONTROL).map((pattern) => ({
      pattern: rebase(pattern, prefix),
      mark: `exclude: ${pattern}`,
    }));
    const sources: Sources = { git: [], own: [], given };
    const rules = new IgnoreRules(
      prefix === "" ? "" : `${prefix}/`,
      options,
      sources,
    );
    if (prefix === "") return rules;
    const git = rulesAbove(top, prefix);
    const above = new IgnoreRules("", options, { git, own: [], given: [] });
    // Who names an ignored folder as the root wants it all the same.
    if (above.match(prefix, true) !== undefined) return rules;
    return new IgnoreRules(rules.#prefix, options, { ...sources, git });
  }

  /**
   * The rules that hold inside a folder, with its own ignore files read.
   *
   * @param path The folder below the root, `""` for the root itself.
   * @param has Whether the folder holds a file or folder of that name.
   * @param text Returns the text of a file by its path below the folder, or
   * `undefined` if it cannot be used.
   */
  enter(
    path: string,
    has: (name: string) => boolean,
    text: (name: string) => string | undefined,
  ): IgnoreRules {
    let { git, own } = this.#sources;
    const base = this.#prefix + path;
    const at = base.endsWith("/") ? base.slice(0, -1) : base;
    const read = (name: string) => {
      const file = path ? `${path}/${name}` : name;
      return parseRules(text(name), at, file);
    };
    if (this.#options.gitignore) {
      if (has(".git")) {
        // A nested repository is ruled by its own files; the outer top's own
        // exclude file has been read already when the root lies below it.
        if (path !== "") git = [];
        git = [...git, ...read(".git/info/exclude")];
      }
      if (has(".gitignore")) git = [...git, ...read(".gitignore")];
    }
    const file = this.#options.ignoreFile ?? DEFAULT_IGNORE_FILE;
    if (file !== false && has(file)) own = [...own, ...read(file)];
    const sources = { ...this.#sources, git, own };
    const same = git === this.#sources.git && own === this.#sources.own;
    return new IgnoreRules(
      this.#prefix,
      this.#options,
      sources,
      this.#depth + 1,
      same ? this : undefined,
    );
  }

  /** The SHA-256 of all that they say: 32 bytes. */
  get digest(): Uint8Array {
    const said = JSON.stringify([this.#prefix, this.#options, this.#sources]);
    return sha256(encoder.encode(said));
  }

  /**
   * The rule that leaves a path out, as `file:line: pattern` or `exclude:
   * pattern`, or `undefined` if it stays in. The folders above the path must
   * not be excluded themselves.
   *
   * @param path The path below the root.
   * @param isDirectory Whether it is a directory (a symlink never is).
   */
  match(path: string, isDirectory: boolean): string | undefined {
    if (!this.#isCompiled) {
      this.#compiled = compile(this.#sources);
      this.#isCompiled = true;
    }
    if (this.#compiled === undefined) return undefined;
    const { rules, isOfFolders } = this.#compiled;
    if (isOfFolders && !isDirectory) return undefined;
    this.#matcher ??= ignore({ ignorecase: false }).add(rules);
    const full = toByteString(this.#prefix + path);
    const result = this.#matcher.test(isDirectory ? `${full}/` : full);
    if (!result.ignored) return undefined;
    return result.rule?.mark ?? "";
  }
}

function compile(sources: Sources): Compiled | undefined {
  const all = [...sources.git, ...sources.own, ...sources.given];
  if (all.length === 0) return undefined;
  const rules = ignore({ ignorecase: false }).add(
    all.map(({ pattern, mark }) => ({
      pattern: toByteString(pattern),
      mark,
    })),
  );
  const isOfFolders = all.every(({ pattern }) => /^[^\\]*\/$/.test(pattern));
  return { rules, isOfFolders };
}

/**
 * The UTF-8 bytes of a text, each as one character: git matches bytes, so its
 * `?` and `[...]` stand for one of them.
 */
function toByteString(text: string): string {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  return Array.from(encoder.encode(text), (byte) => String.fromCharCode(byte))
    .join("");
}

const encoder = new TextEncoder();

/** The git work tree that `root` lies in, or `root` itself. */
function repositoryTop(root: string): string {
  const trusted = trustedOwners(root);
  for (let at = root;; at = nodePath.dirname(at)) {
    if (isTop(at, at === root ? undefined : trusted)) return at;
    if (nodePath.dirname(at) === at) return root;
  }
}

/**
 * Whether a folder is the top of a git work tree. As git's `safe.directory`
 * has it, nobody else's `.git` in a shared folder above rules over a directory.
 */
function isTop(
  place: string,
  trusted: ReadonlySet<number> | undefined,
): boolean {
  return inFolder(place, (folder) => {
    const git = folder.statAt(".git");
    if (git === undefined) return false;
    return trusted === undefined ||
      trusted.has(git.uid) && trusted.has(folder.stat().uid);
  }) ?? false;
}

/** The superuser, the user that runs this, and the owner of the root. */
function trustedOwners(root: string): ReadonlySet<number> {
  const owners = new Set([0]);
  try {
    const user = process.getuid?.();
    if (user !== undefined) owners.add(user);
  } catch {
    // Deno tells it only with `--allow-sys`.
  }
  const owner = inFolder(root, (folder) => folder.stat().uid);
  if (owner !== undefined) owners.add(owner);
  return owners;
}

/**
 * Returns the result of `work`, or `undefined` if the folder cannot be opened.
 */
function inFolder<Result>(
  place: string,
  work: (folder: Folder) => Result,
): Result | undefined {
  let folder: Folder | undefined;
  try {
    folder = openFolder(place);
    return work(folder);
  } catch {
    return undefined;
  } finally {
    folder?.close();
  }
}

/** The git rules of the folders from the top down to above `prefix`. */
function rulesAbove(top: string, prefix: string): Rule[] {
  const trusted = trustedOwners(nodePath.join(top, prefix));
  const rules: Rule[] = [];
  const read = (folder: string, path: string) => {
    const place = nodePath.join(top, folder);
    const file = inFolder(place, (opened) => readRuleFile(opened, path));
    if (file?.uid === undefined || !trusted.has(file.uid)) return;
    rules.push(...parseRules(file.text, folder, nodePath.join(place, path)));
  };
  read("", ".git/info/exclude");
  const segments = prefix.split("/");
  for (let depth = 0; depth < segments.length; depth++) {
    read(segments.slice(0, depth).join("/"), ".gitignore");
  }
  return rules;
}

function parseRules(
  text: string | undefined,
  at: string,
  shown: string,
): Rule[] {
  if (text === undefined) return [];
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  return lines.flatMap((line, index) => {
    const pattern = rebase(line, at);
    const mark = `${shown}:${index + 1}: ${line}`;
    return pattern === "" || line.startsWith("#") ? [] : [{ pattern, mark }];
  });
}

/**
 * Rewrites a pattern of a file in `folder` to mean the same at the top: a
 * pattern with a slash before its end is anchored to its folder, any other
 * matches at every depth below it.
 */
function rebase(line: string, folder: string): string {
  const negation = line.startsWith("!") ? "!" : "";
  const body = line.slice(negation.length);
  const bare = body.replace(/(?<!\\) +$/, "");
  if (bare === "" || bare === "/") return "";
  if (folder === "") return line;
  const slash = bare.indexOf("/");
  const anchored = slash >= 0 && slash < bare.length - 1;
  const at = `/${folder.replace(/[\\*?[\]!# ]/g, "\\$&")}/`;
  return negation + at + (anchored ? "" : "**/") + body.replace(/^\//, "");
}
