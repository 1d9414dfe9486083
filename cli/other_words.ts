/**
 * Commands of other tools for backups and versions, such as restic, borg, git
 * and tar, with the commands of deltar that do the same. When a user types a
 * command of another tool, deltar suggests its own command. Names that are also
 * commands of deltar are not listed.
 *
 * @module
 */

const LIST = "`deltar list` lists the snapshots";
const FILES = "`deltar files latest` lists the files of the last snapshot";
const SNAPSHOT = "`deltar snapshot` takes a snapshot of the current directory";
const INIT =
  "`deltar init` creates a repository. The first `deltar snapshot` " +
  "creates one too";
const VERIFY = "`deltar verify` checks the repository, and " +
  "`deltar verify --data` reads every byte";
const PRUNE = "`deltar prune` frees the space of removed snapshots, and " +
  "removes snapshots by rules such as `--keep-daily 7`";
const FORGET = "`deltar forget SNAPSHOT` removes a snapshot";
const RESTORE = "`deltar restore latest --to DIR` restores the last snapshot " +
  "into a directory";
const CAT = "`deltar cat latest FILE` prints a file of the last snapshot";
const COPY =
  "`deltar copy --to LOCATION` copies snapshots to another repository";
const REVERT = "`deltar restore latest --in-place --dry-run` shows what a " +
  "restore would change, and `deltar undo` undoes the last restore";
const CHANGES =
  "`deltar diff latest` shows what changed since the last snapshot";
const STATS = "`deltar stats` shows what uses the space";
const REPAIR = "`deltar repair` rebuilds damaged objects";

/** The advice for each command of another tool, without a full stop. */
const COMMANDS: Readonly<Record<string, string>> = {
  ls: `${LIST}, and ${FILES}`,
  snapshots: LIST,
  history: `\`deltar log PATH\` lists the versions of a file, and ${LIST}`,
  archives: LIST,
  tree: FILES,
  create: SNAPSHOT,
  save: SNAPSHOT,
  commit: SNAPSHOT,
  archive: SNAPSHOT,
  "init-repo": INIT,
  "repo-create": INIT,
  rcreate: INIT,
  check: VERIFY,
  fsck: VERIFY,
  scrub: VERIFY,
  test: VERIFY,
  gc: PRUNE,
  cleanup: PRUNE,
  compact: PRUNE,
  expire: PRUNE,
  thin: PRUNE,
  delete: FORGET,
  remove: FORGET,
  rm: FORGET,
  drop: FORGET,
  extract: RESTORE,
  checkout: RESTORE,
  get: RESTORE,
  mount: `${FILES}, ${CAT}, and ${RESTORE}; a repository cannot be mounted`,
  dump: CAT,
  print: CAT,
  revert: REVERT,
  rollback: REVERT,
  reset: REVERT,
  status: CHANGES,
  compare: `${CHANGES}, and \`deltar diff latest~1 latest\` compares two ` +
    "snapshots",
  tag: "`deltar label latest TEXT` gives the last snapshot a label",
  du: STATS,
  info: STATS,
  usage: STATS,
  sync: COPY,
  mirror: COPY,
  clone: COPY,
  push: COPY,
  replicate: COPY,
  "rebuild-index": REPAIR,
  fix: REPAIR,
  unlock: "nothing stays locked after an interruption",
  passwd: "`deltar key` lists and changes the keys of an encrypted repository",
  cron: "`deltar schedule` makes the system run a backup regularly",
  config: "`deltar help backup` explains the configuration, and `deltar " +
    "doctor` checks this machine",
  version: "`deltar --version` prints the version",
};

/** The advice for options of other tools that are typed after a command. */
const OPTIONS: readonly {
  command: string;
  option: RegExp;
  text: string;
}[] = [
  {
    command: "forget",
    option: /^--(?:prune|keep-.*)$/,
    text: "`deltar prune --keep-daily 7` removes snapshots by rules, and " +
      "`deltar prune` frees the space of removed snapshots",
  },
  {
    command: "snapshot",
    option: /^--tag$/,
    text: "`--label TEXT` sets a label",
  },
  {
    command: "restore",
    option: /^--target$/,
    text: "`--to DIR` names the directory to restore into",
  },
];

/**
 * Returns the command or option of another tool that was typed, and a sentence,
 * without a full stop, that says what to type instead. Returns `undefined` if
 * neither was typed.
 *
 * @param words The words of the command line.
 * @param isKnown Whether the first word is a command of deltar.
 */
export function suggestionFor(
  words: readonly string[],
  isKnown: boolean,
): { word: string; text: string } | undefined {
  const [first = "", ...others] = words;
  // The words after `--` are not options of deltar.
  const end = others.indexOf("--");
  const own = end < 0 ? others : others.slice(0, end);
  if (!isKnown) {
    return Object.hasOwn(COMMANDS, first)
      ? { word: first, text: COMMANDS[first] }
      : undefined;
  }
  for (const { command, option, text } of OPTIONS) {
    const word = command === first
      ? own.map((one) => one.replace(/=.*/s, "")).find((one) =>
        option.test(one)
      )
      : undefined;
    if (word !== undefined) return { word, text };
  }
  return undefined;
}
