import { nodePath, process } from "../bytes/node.ts";
import { sha256 } from "../bytes/sha256.ts";
import ignore, { type Ignore } from "ignore";
import type { Folder } from "./folder.ts";
import { openFolder } from "./open_folder.ts";
import { nameOf } from "./path.ts";
import { type PickedNames, pickedNames, sumOfPaths } from "./picked_paths.ts";
import { encodeName } from "./raw_name.ts";
import { CACHE_TAG, readRuleFile } from "./rule_file.ts";

/** Options for excluding paths from a walk. */
export interface IgnoreOptions {
  /**
   * Patterns in gitignore's syntax, relative to the root. They take precedence
   * over all rules in files. Default: `.git/`, `.hg/` and `.svn/`.
   */
  excludes?: readonly string[];
  /**
   * The name of deltar's ignore files. The patterns in such a file apply to
   * everything below the file's folder, and take precedence over `.gitignore`.
   * With `false`, no such files are read. Default: `.deltarignore`.
   */
  ignoreFile?: string | false;
  /**
   * Whether `.gitignore` files and `.git/info/exclude` are applied as git
   * applies them. Files above the root in the same work tree are applied, too,
   * unless their rules exclude the root. Files and work trees above the root
   * are used only if they belong to the superuser, to the user of this process,
   * or to the owner of the root. A nested git repository has only its own git
   * rules. Default: `false`.
   */
  gitignore?: boolean;
  /**
   * Patterns like those of `excludes`, but matched without regard to case. They
   * exclude a path even if a pattern with `!` in `excludes` or in an ignore
   * file includes the path. Default: none.
   */
  iexcludes?: readonly string[];
  /** The size in bytes above which files are excluded. Default: no limit. */
  excludeLargerThan?: number;
  /**
   * Whether the content of folders that have a `CACHEDIR.TAG` is excluded,
   * except for the tag. The tag is a regular file that begins with the
   * signature of the Cache Directory Tagging Specification. Default: `false`.
   */
  excludeCaches?: boolean;
  /**
   * Names of files or folders. The content of a folder that has an entry with
   * such a name is excluded, except for that entry. Default: none.
   */
  excludeIfPresent?: readonly string[];
  /**
   * Whether the content of folders on which another file system is mounted is
   * excluded. The folders themselves are included. Default: `false`.
   */
  oneFileSystem?: boolean;
  /**
   * The paths below the root that a walk is limited to. The walk also visits
   * everything below these paths and the folders above them, except for what
   * other rules exclude. Paths that are not visited because of this limit are
   * not reported as excluded. Default: no limit.
   */
  paths?: readonly string[];
}

/**
 * Access to the ignore files and tags of a folder, which determine what a walk
 * excludes in the folder.
 */
export interface RuleSource {
  /** Returns whether the folder contains an entry with this name. */
  has(name: string): boolean;
  /**
   * Returns the text of the ignore file at a path below the folder, or
   * `undefined` if the file does not exist or cannot be used.
   */
  text(path: string): string | undefined;
  /** Returns whether the folder has a valid `CACHEDIR.TAG`. */
  isCache(): boolean;
}

/**
 * The rule that is reported for a folder on which another file system is
 * mounted.
 */
export const OTHER_FILE_SYSTEM =
  "one-file-system: another file system is mounted here";

/** The rule for a path that {@linkcode IgnoreOptions.paths} leaves out. */
export const NOT_PICKED = "files-from: the path is not in the list";

/** The default name of deltar's ignore files. */
export const DEFAULT_IGNORE_FILE = ".deltarignore";

/**
 * Patterns that match the folders of version control systems. A walk excludes
 * these folders by default.
 */
export const VERSION_CONTROL: readonly string[] = [".git/", ".hg/", ".svn/"];

/**
 * The depth up to which each folder has its own matcher. At greater depths, the
 * folders on up to this number of levels share a matcher.
 */
const LEVELS_PER_MATCHER = 32;

/**
 * A pattern, rewritten to be relative to the top (see {@linkcode IgnoreRules}),
 * and the text that `match` returns for the pattern.
 */
interface Rule {
  pattern: string;
  mark: string;
}

/** Rules that are ready for matching. */
interface Compiled {
  /** The parsed rules, which are added to each new matcher. */
  rules: Ignore;
  /** Whether every pattern matches only folders, as `.git/` does. */
  isOfFolders: boolean;
}

/**
 * The rules from git's ignore files, from deltar's ignore files and from the
 * options, in ascending order of precedence.
 */
interface Sources {
  git: readonly Rule[];
  own: readonly Rule[];
  given: readonly Rule[];
  /** The rules from `iexcludes` in lower case, for paths in lower case. */
  folded: readonly Rule[];
}

/** Options for the rules of one folder. */
interface Inside {
  /**
   * The number of folders from the root to this one, both included. Default: 0,
   * for the rules that apply before the root is entered.
   */
  depth?: number;
  /** The rules of the folder above, if they also apply in this folder. */
  above?: IgnoreRules;
  /**
   * The rule of each tag in the folder, by the name of the tag. A tag is a
   * valid `CACHEDIR.TAG`, or an entry with a name from `excludeIfPresent`.
   */
  tags?: ReadonlyMap<string, string>;
  /**
   * The picked names in the folder, or `"all"` if the walk is not limited to
   * some of the names.
   */
  picked?: PickedNames | "all";
}

const NO_TAGS: ReadonlyMap<string, string> = new Map();

/**
 * The exclude rules of one folder. As in git, the last pattern that matches a
 * path decides. The patterns of the folder and of all folders above it are
 * therefore in one list, and are rewritten to be relative to the top. The top
 * is the root of the walk or, with `gitignore`, the top folder of the git work
 * tree that contains the root. The patterns of `iexcludes` have a list of their
 * own. The `ignore` package matches the patterns.
 *
 * See `gitignore(5)`.
 */
export class IgnoreRules {
  /**
   * The path from the top to the root of the walk. It is `""` or ends in `/`.
   */
  readonly #prefix: string;
  readonly #options: IgnoreOptions;
  readonly #sources: Sources;
  /** Whether the rules can differ from those of the folder above. */
  readonly isOwn: boolean;
  /**
   * A map from the name of each tag in the folder, such as `CACHEDIR.TAG`, to
   * the rule that excludes everything in the folder except its tags.
   */
  readonly #tags: ReadonlyMap<string, string>;
  /**
   * The picked names in the folder, or `"all"` if the walk is not limited to
   * some of the names.
   */
  readonly picked: PickedNames | "all";
  #compiled: Compiled | undefined;
  #isCompiled: boolean;
  #folded: Compiled | undefined;
  /**
   * The matcher of the folder, which caches the results for the paths in the
   * folder. A cache for the whole tree would grow without limit. At depths of
   * more than `LEVELS_PER_MATCHER`, nested folders share a matcher.
   */
  #matcher: Ignore | undefined;
  #foldedMatcher: Ignore | undefined;
  readonly #depth: number;

  private constructor(
    prefix: string,
    options: IgnoreOptions,
    sources: Sources,
    { depth = 0, above, tags = NO_TAGS, picked = "all" }: Inside = {},
  ) {
    this.#prefix = prefix;
    this.#options = options;
    this.#sources = sources;
    // The rules are compiled at the first match, unless the folder above has
    // already compiled them.
    this.isOwn = above === undefined;
    this.#isCompiled = above !== undefined && above.#isCompiled;
    this.#compiled = above === undefined ? undefined : above.#compiled;
    this.#folded = above === undefined ? undefined : above.#folded;
    this.#tags = tags;
    this.picked = picked;
    this.#depth = depth;
    // Deep in the tree, the matcher of the folder above is reused, because a
    // new matcher would test all folders above again.
    if (
      above !== undefined && depth > LEVELS_PER_MATCHER &&
      depth % LEVELS_PER_MATCHER !== 0
    ) {
      this.#matcher = above.#matcher;
      this.#foldedMatcher = above.#foldedMatcher;
    }
  }

  /**
   * Returns the rules that apply before the root is entered: the rules from the
   * options and, with `gitignore`, from git's ignore files above the root.
   *
   * @param root The path of the root of the walk.
   * @param given The options.
   */
  static forRoot(root: string, given: IgnoreOptions): IgnoreRules {
    const { paths } = given;
    const picked = paths === undefined ? "all" : pickedNames(paths);
    // The options are part of each folder's digest. The list of paths can be
    // long, so its checksum is used instead.
    const options = paths === undefined
      ? given
      : { ...given, paths: [sumOfPaths(paths)] };
    const top = options.gitignore ? repositoryTop(root) : root;
    const prefix = nodePath.relative(top, root).split(nodePath.sep).join("/");
    const excludes = (options.excludes ?? VERSION_CONTROL).map((pattern) => ({
      pattern: rebase(pattern, prefix),
      mark: `exclude: ${pattern}`,
    }));
    const folded = (options.iexcludes ?? []).map((pattern) => ({
      pattern: rebase(pattern, prefix).toLowerCase(),
      mark: `iexclude: ${pattern}`,
    }));
    const sources: Sources = { git: [], own: [], given: excludes, folded };
    const make = (sources: Sources) =>
      new IgnoreRules(prefix === "" ? "" : `${prefix}/`, options, sources, {
        picked,
      });
    const rules = make(sources);
    if (prefix === "") return rules;
    const git = rulesAbove(top, prefix);
    const above = new IgnoreRules("", options, {
      git,
      own: [],
      given: [],
      folded: [],
    });
    // If the git rules of the folders above the root exclude the root, none of
    // these rules are applied, because the user chose this root.
    if (above.match(prefix, true) !== undefined) return rules;
    return make({ ...sources, git });
  }

  /**
   * Returns the rules inside a folder, including those of its own ignore files
   * and tags.
   *
   * @param path The path of the folder below the root, `""` for the root
   * itself.
   * @param source Access to the ignore files and tags of the folder.
   */
  enter(path: string, source: RuleSource): IgnoreRules {
    let { git, own } = this.#sources;
    const base = this.#prefix + path;
    const at = base.endsWith("/") ? base.slice(0, -1) : base;
    const read = (name: string) => {
      const file = path ? `${path}/${name}` : name;
      return parseRules(source.text(name), at, file);
    };
    if (this.#options.gitignore) {
      if (source.has(".git")) {
        // A nested git repository has only its own git rules. The exclude file
        // of a work tree above the root was read by `rulesAbove`.
        if (path !== "") git = [];
        git = [...git, ...read(".git/info/exclude")];
      }
      if (source.has(".gitignore")) git = [...git, ...read(".gitignore")];
    }
    const file = this.#options.ignoreFile ?? DEFAULT_IGNORE_FILE;
    if (file !== false && source.has(file)) own = [...own, ...read(file)];
    const sources = { ...this.#sources, git, own };
    const tags = this.#tagsIn(source);
    const same = git === this.#sources.git && own === this.#sources.own &&
      tags.size === 0 && this.#tags.size === 0;
    return new IgnoreRules(this.#prefix, this.#options, sources, {
      depth: this.#depth + 1,
      above: same ? this : undefined,
      tags,
      picked: this.pickedIn(path),
    });
  }

  /**
   * Returns `picked` if `path` is `""`. Otherwise, returns the picked names in
   * the folder at `path`, which is directly inside this folder.
   */
  pickedIn(path: string): PickedNames | "all" {
    return path === "" || this.picked === "all"
      ? this.picked
      : this.picked.get(nameOf(path)) ?? "all";
  }

  /** Returns the rule of each tag in a folder, by the name of the tag. */
  #tagsIn(source: RuleSource): ReadonlyMap<string, string> {
    const { excludeCaches, excludeIfPresent = [] } = this.#options;
    const tags = new Map<string, string>();
    if (excludeCaches && source.has(CACHE_TAG) && source.isCache()) {
      tags.set(CACHE_TAG, `exclude-caches: ${CACHE_TAG}`);
    }
    for (const name of excludeIfPresent) {
      if (source.has(name)) tags.set(name, `exclude-if-present: ${name}`);
    }
    return tags;
  }

  /** The SHA-256 of all rules and of the options: 32 bytes. */
  get digest(): Uint8Array {
    const said = JSON.stringify([
      this.#prefix,
      this.#options,
      this.#sources,
      ...this.#tags,
    ]);
    return sha256(encoder.encode(said));
  }

  /** Whether a file can be excluded because of its size. */
  get hasSizeLimit(): boolean {
    return this.#options.excludeLargerThan !== undefined;
  }

  /**
   * Returns whether a file with this size in bytes is larger than
   * `excludeLargerThan`.
   */
  isTooLarge(size: number): boolean {
    return size > (this.#options.excludeLargerThan ?? Infinity);
  }

  /**
   * Returns the rule that excludes a path, or `undefined` if no rule does. A
   * rule from an ignore file has the form `file:line: pattern`. A rule from an
   * option begins with the name that the option has on the command line, as in
   * `exclude: pattern`. Call this method only if no folder above the path is
   * excluded.
   *
   * @param path The path below the root of an entry that is directly in the
   * folder of these rules.
   * @param isDirectory Whether the entry is a directory. A symlink to a
   * directory does not count.
   * @param size The size of a file in bytes. Default: 0.
   */
  match(
    path: string,
    isDirectory: boolean,
    size: number = 0,
  ): string | undefined {
    if (this.picked !== "all") {
      const found = this.picked.get(nameOf(path));
      const isPicked = found === "all" || found !== undefined && isDirectory;
      if (!isPicked) return NOT_PICKED;
    }
    if (this.#tags.size > 0 && !this.#tags.has(nameOf(path))) {
      const [rule] = this.#tags.values();
      return rule;
    }
    const rule = this.#matchFolded(path, isDirectory) ??
      this.#matchPatterns(path, isDirectory);
    if (rule !== undefined || !this.isTooLarge(size)) return rule;
    return `exclude-larger-than: ${this.#options.excludeLargerThan} bytes`;
  }

  /**
   * Returns the rule of `iexcludes` that excludes a path, or `undefined` if no
   * such rule does.
   */
  #matchFolded(path: string, isDirectory: boolean): string | undefined {
    const { folded } = this.#sources;
    if (folded.length === 0) return undefined;
    this.#folded ??= compile(folded);
    if (this.#folded === undefined) return undefined;
    this.#foldedMatcher ??= newMatcher().add(this.#folded.rules);
    const full = (this.#prefix + path).toLowerCase();
    return ruleOf(this.#foldedMatcher, full, isDirectory);
  }

  #matchPatterns(path: string, isDirectory: boolean): string | undefined {
    if (!this.#isCompiled) {
      const { git, own, given } = this.#sources;
      this.#compiled = compile([...git, ...own, ...given]);
      this.#isCompiled = true;
    }
    if (this.#compiled === undefined) return undefined;
    const { rules, isOfFolders } = this.#compiled;
    if (isOfFolders && !isDirectory) return undefined;
    this.#matcher ??= newMatcher().add(rules);
    return ruleOf(this.#matcher, this.#prefix + path, isDirectory);
  }
}

function newMatcher(): Ignore {
  return ignore({ ignorecase: false });
}

/**
 * Returns the rule of a matcher that excludes a path below the top, or
 * `undefined` if no rule does.
 */
function ruleOf(
  matcher: Ignore,
  path: string,
  isDirectory: boolean,
): string | undefined {
  const full = toByteString(path);
  const result = matcher.test(isDirectory ? `${full}/` : full);
  if (!result.ignored) return undefined;
  return result.rule?.mark ?? "";
}

function compile(all: readonly Rule[]): Compiled | undefined {
  if (all.length === 0) return undefined;
  const rules = newMatcher().add(
    all.map(({ pattern, mark }) => ({
      pattern: toByteString(pattern),
      mark,
    })),
  );
  const isOfFolders = all.every(({ pattern }) => /^[^\\]*\/$/.test(pattern));
  return { rules, isOfFolders };
}

/**
 * Returns the bytes of a text, each as one character. Git matches bytes, so its
 * `?` and `[...]` match one byte.
 */
function toByteString(text: string): string {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  return Array.from(encodeName(text), (byte) => String.fromCharCode(byte))
    .join("");
}

const encoder = new TextEncoder();

/**
 * Returns the top folder of the git work tree that contains `root`, or `root`
 * if no work tree contains it. Above `root`, only a folder with a trusted owner
 * counts.
 */
function repositoryTop(root: string): string {
  const trusted = trustedOwners(root);
  for (let at = root;; at = nodePath.dirname(at)) {
    if (isTop(at, at === root ? undefined : trusted)) return at;
    if (nodePath.dirname(at) === at) return root;
  }
}

/**
 * Returns whether a folder is the top of a git work tree, and both the folder
 * and its `.git` belong to users in `trusted`. Without `trusted`, the owners
 * are not checked. Git, too, refuses to use a work tree of another user, unless
 * `safe.directory` names the work tree.
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

/**
 * Returns the user IDs of the superuser, of this process, and of the owner of
 * the folder `root`.
 */
function trustedOwners(root: string): ReadonlySet<number> {
  const owners = new Set([0]);
  try {
    const user = process.getuid?.();
    if (user !== undefined) owners.add(user);
  } catch {
    // Deno returns the user ID only with `--allow-sys`.
  }
  const owner = inFolder(root, (folder) => folder.stat().uid);
  if (owner !== undefined) owners.add(owner);
  return owners;
}

/**
 * Opens a folder and returns the result of `work`, or `undefined` if the folder
 * cannot be opened or `work` throws.
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

/**
 * Returns the rules from git's ignore files in the folders from `top` to the
 * folder above the root. Files that do not belong to a trusted owner are not
 * used.
 *
 * @param top The path of the top (see {@linkcode IgnoreRules}).
 * @param prefix The path from the top to the root of the walk.
 */
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
 * Returns a pattern that has the same meaning at the top (see
 * {@linkcode IgnoreRules}) as `line` has in an ignore file in `folder`. A
 * pattern with a slash before its end is anchored to its folder. Any other
 * pattern matches at every depth below the folder. Returns `""` if `line` has
 * no pattern.
 *
 * @param line A line of an ignore file, or a pattern of an option.
 * @param folder The path of the folder below the top, `""` for the top itself.
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
