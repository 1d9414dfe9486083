import type { Command } from "commander";

/** A line to type, and what it does. */
export type Example = readonly [line: string, what: string];

/** Examples of each command: for its help, the manual page, and the tests. */
export const EXAMPLES: Readonly<Record<string, readonly Example[]>> = {
  snapshot: [
    ["deltar snapshot", "of the current directory"],
    ["deltar snapshot ~/project --label 'before the upgrade'", "with a label"],
    [
      "deltar snapshot --exclude '*.iso' --gitignore",
      "without images and what git ignores",
    ],
  ],
  list: [["deltar list", "the current directory's snapshots"]],
  diff: [
    ["deltar diff latest~1 latest", "what the last snapshot brought"],
    ["deltar diff latest~1 latest src", "the same, in one folder"],
  ],
  files: [
    ["deltar files latest src", "what the last snapshot has of a folder"],
  ],
  cat: [["deltar cat latest~1 notes.txt > old-notes.txt", "an old version"]],
  restore: [
    [
      "deltar restore latest --to ../as-it-was",
      "all of it, beside the original",
    ],
    ["deltar restore latest~1 src --to ../old-src", "one folder"],
    [
      "deltar restore latest --in-place --delete --dry-run",
      "what would bring the directory back",
    ],
    [
      "deltar restore latest --in-place --delete",
      "the same, done; `deltar undo` reverts it",
    ],
  ],
  undo: [
    ["deltar undo --dry-run", "what the last restore changed here"],
    ["deltar undo", "as it was before that"],
  ],
  redo: [["deltar redo", "as it was before `undo`"]],
  why: [
    ["deltar why notes.txt", "would the next snapshot keep it?"],
    ["deltar why notes.txt latest", "did the last one?"],
  ],
  label: [
    ["deltar label latest 'it worked here'", "for one that is there"],
    ["deltar label latest", "print it"],
    ["deltar label latest --remove", "remove it"],
  ],
  verify: [
    ["deltar verify", "that all is there and fits"],
    ["deltar verify --data", "every byte"],
  ],
  prune: [
    [
      "deltar prune --keep-daily 7 --keep-weekly 8 --keep-label '*' --dry-run",
      "what would go, and why the rest stays",
    ],
    [
      "deltar prune --keep-within 2d --keep-within-daily 30d",
      "all of two days, and one a day of a month",
    ],
    ["deltar prune", "only what nothing needs"],
  ],
  forget: [
    ["deltar forget latest~1", "the one before the last"],
  ],
  undelete: [
    ["deltar undelete", "which ones can be brought back"],
  ],
  repair: [
    ["deltar repair --dry-run", "what would be done"],
    ["deltar repair", "do it"],
  ],
  copy: [
    ["deltar copy --to /mnt/usb/backups", "all that is not there yet"],
    [
      "deltar copy latest --repo s3://backups/laptop --to /mnt/usb/backups",
      "the last one, from a bucket",
    ],
  ],
  stats: [
    ["deltar stats", "of the repository, and the last snapshot's folders"],
    ["deltar stats latest src", "of a folder's folders"],
  ],
  drill: [
    ["deltar drill", "the next 100 files of some snapshot"],
    ["deltar drill latest --files 5 --bytes 10M", "fewer, of the last"],
  ],
  rdiff: [
    ["deltar rdiff signature old.bin old.sig", "of the old file"],
    ["deltar rdiff delta old.sig new.bin changes.delta", "against it"],
    [
      "deltar rdiff patch old.bin changes.delta again.bin",
      "the new file again",
    ],
  ],
  backup: [
    ["deltar backup --list", "what the configuration names"],
    ["deltar backup project --dry-run", "what one of them would run"],
    ["deltar backup", "all of them"],
  ],
  schedule: [
    ["deltar schedule project --every hour", "at 30 minutes past each"],
    ["deltar schedule project --at 02:15 --print", "only look"],
  ],
  hook: [
    [
      `echo '{"hook_event_name": "PreToolUse", "tool_name": "Edit"}' | deltar hook`,
      "what an agent does before it edits",
    ],
  ],
  doctor: [[
    "deltar doctor",
    "of this machine and this directory's repository",
  ]],
  completion: [
    [
      "deltar completion bash > ~/.deltar-completion",
      "then source it in ~/.bashrc",
    ],
  ],
};

/** Appends its examples to each command's help. */
export function addExamples(program: Command): void {
  for (const command of program.commands) {
    const examples = EXAMPLES[command.name()] ?? [];
    if (examples.length === 0) continue;
    const text = examples.map(([line, what]) => `  # ${what}\n  ${line}`);
    command.addHelpText("after", `\nExamples:\n${text.join("\n")}`);
  }
}
