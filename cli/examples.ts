import type { Command } from "commander";

/** A command line, and a phrase that says what it does. */
export type Example = readonly [line: string, what: string];

/**
 * Examples of each command, by its name. The help and the manual page show
 * them, and the tests check them.
 */
export const EXAMPLES: Readonly<Record<string, readonly Example[]>> = {
  snapshot: [
    ["deltar snapshot", "Snapshot the current directory"],
    [
      "deltar snapshot ~/project --label 'before the upgrade'",
      "Snapshot a directory, with a label",
    ],
    [
      "deltar snapshot --dry-run",
      "Show what has changed and what a snapshot would store",
    ],
    [
      "deltar snapshot --exclude '*.iso' --gitignore",
      "Exclude disk images and the files that git ignores",
    ],
    [
      "deltar snapshot ~/notes ~/photos --exclude-caches",
      "Snapshot several directories together, without caches",
    ],
    [
      "deltar snapshot --from-tar ~/old.tar.gz --time '2024-01-31 18:00'",
      "Snapshot the content of an archive, with the given time",
    ],
    [
      "deltar snapshot --stdin-from-command mydb.sql -- pg_dump mydb",
      "Snapshot the output of a program",
    ],
  ],
  import: [
    [
      "deltar import ~/backups/2024-* --source ~/documents --dry-run",
      "Show the dated directories and their times",
    ],
    [
      "deltar import ~/backups/2024-* --source ~/documents",
      "Take a snapshot of each of these directories, oldest first",
    ],
    [
      "deltar import ~/rsnapshot/daily.* --source ~/project --skip-older",
      "Import only the directories that are newer than the last snapshot",
    ],
  ],
  init: [
    ["deltar init", "Create the repository of the current directory"],
    [
      "deltar init --encrypt --repo ~/encrypted",
      "Create an encrypted repository in a folder",
    ],
  ],
  list: [
    ["deltar list", "List the snapshots of the repository"],
    [
      "deltar list --now",
      "Show the space that each snapshot shares with no other",
    ],
    ["deltar list --turns", "List what AI agents were told to do, and when"],
  ],
  show: [
    ["deltar show", "Show the last snapshot and its changes"],
    ["deltar show latest~1", "Show the snapshot before the last one"],
  ],
  diff: [
    ["deltar diff latest", "Show what changed since the last snapshot"],
    ["deltar diff latest --patch", "Show the changed lines"],
    ["deltar diff latest~1 latest", "Show the changes in the last snapshot"],
    ["deltar diff latest~1 latest src", "Show the changes in one folder"],
    [
      "deltar diff latest~1 latest --patch --binary > changes.patch",
      "Write a patch for `git apply` or `patch -p1`",
    ],
  ],
  files: [
    ["deltar files latest src", "List a folder of the last snapshot"],
  ],
  cat: [[
    "deltar cat latest~1 notes.txt > old-notes.txt",
    "Save an old version of a file",
  ]],
  log: [
    ["deltar log notes.txt", "List the versions of a file"],
    ["deltar log notes.txt --patch", "Show the changed lines of each version"],
    ["deltar log src --limit 5", "List the last changes in a folder"],
  ],
  find: [
    ["deltar find '*.txt'", "Find text files in the snapshots"],
    [
      "deltar find notes.txt --deleted",
      "Find a deleted file, and the last snapshot that has it",
    ],
    [
      "deltar find '*' --size +100M --modified 2026-01..",
      "Find large files modified since January 2026",
    ],
  ],
  restore: [
    [
      "deltar restore latest --to ../as-it-was",
      "Restore everything into a new directory",
    ],
    ["deltar restore latest~1 src --to ../old-src", "Restore one folder"],
    [
      "deltar restore latest --in-place --delete --dry-run",
      "Show what an in-place restore would change",
    ],
    [
      "deltar restore latest --in-place --delete",
      "Restore in place; `deltar undo` reverts the restore",
    ],
  ],
  export: [
    ["deltar export latest --to ../project.zip", "Make a zip of everything"],
    [
      "deltar export latest~1 src --to ../old-src.tar.gz",
      "Make a compressed tar of one folder",
    ],
    [
      "deltar export latest --to - | tar -tf -",
      "Pass a tar to another program",
    ],
  ],
  undo: [
    ["deltar undo --dry-run", "Show what undo would change"],
    ["deltar undo", "Undo the last restore"],
    [
      "deltar undo --turn last --dry-run",
      "Show how the last turn of an AI agent would be undone",
    ],
  ],
  recover: [
    ["deltar recover notes.txt", "Bring back a file that was deleted"],
  ],
  redo: [["deltar redo", "Redo what `undo` reverted"]],
  run: [
    [
      "deltar run -- npm install",
      "Show what a command changes in the current directory",
    ],
    [
      "deltar run --label upgrade -- make upgrade",
      "Label the snapshots 'before upgrade' and 'after upgrade'",
    ],
  ],
  why: [
    ["deltar why notes.txt", "Show whether the next snapshot includes a file"],
    [
      "deltar why notes.txt latest",
      "Show whether the last snapshot includes the file",
    ],
  ],
  label: [
    ["deltar label latest 'it worked here'", "Label a snapshot"],
    ["deltar label latest", "Print the label"],
    ["deltar label latest --remove", "Remove the label"],
  ],
  verify: [
    ["deltar verify", "Check that every object exists and has the right size"],
    ["deltar verify --data", "Check every byte"],
  ],
  prune: [
    [
      "deltar prune --keep-daily 7 --keep-weekly 8 --keep-label '*' --dry-run",
      "Show which snapshots would be removed, and why others are kept",
    ],
    [
      "deltar prune --keep-within 2d --keep-within-daily 30d",
      "Keep all snapshots of the last 2 days, and one a day for 30 days",
    ],
    ["deltar prune", "Free the space of snapshots removed earlier"],
  ],
  forget: [
    ["deltar forget latest~1", "Remove the snapshot before the last one"],
  ],
  undelete: [
    ["deltar undelete", "List the snapshots that can be brought back"],
  ],
  purge: [
    [
      "deltar purge .env --dry-run",
      "Show the snapshots with a file, and other files with the same content",
    ],
    [
      "deltar purge --pattern '*.key' --dry-run",
      "Show the snapshots with files that match *.key",
    ],
    [
      "deltar purge .env secrets/ --yes",
      "Delete a file and a folder from all snapshots, without asking",
    ],
    [
      "deltar purge video.mov --from latest --yes",
      "Delete a file only from the last snapshot",
    ],
  ],
  repair: [
    ["deltar repair --dry-run", "Show what would be repaired"],
    ["deltar repair", "Repair the repository"],
  ],
  copy: [
    ["deltar copy --to /mnt/usb/backups", "Copy all new snapshots to a disk"],
    [
      "deltar copy latest --repo s3://backups/laptop --to /mnt/usb/backups",
      "Copy the last snapshot from a bucket",
    ],
  ],
  stats: [
    ["deltar stats", "Show the sizes of snapshots and of folders"],
    ["deltar stats latest src", "Show the sizes of the folders in src"],
  ],
  drill: [
    ["deltar drill", "Test a restore of up to 100 files of a snapshot"],
    [
      "deltar drill latest --files 5 --bytes 10M",
      "Test a few files of the last snapshot",
    ],
  ],
  key: [
    ["deltar key list", "List the keys and the signers of snapshots"],
    [
      "deltar key add laptop --recipient " +
      "age1h0y5mdtrrskpuvq6mmk4ln0gc43stspe9rljg2yvm9d3ca8twf8qs4xcvx",
      "Let the owner of an age identity open the repository",
    ],
    [
      "deltar key show-machine",
      "Print what `key add` needs to know about this machine",
    ],
    ["deltar key remove laptop", "Remove a key"],
    ["deltar key rotate", "Give the repository a new identity"],
    [
      "deltar key rekey --dry-run",
      "Show how much `rekey` would store again",
    ],
    [
      "deltar key rekey --yes",
      "Store the objects from before the rotation again",
    ],
    [
      "deltar key add paper --passphrase-file ~/passphrase",
      "Let a passphrase open the repository",
    ],
    [
      "deltar key recovery-sheet",
      "Show a page to print, with the identity of the repository",
    ],
  ],
  rdiff: [
    [
      "deltar rdiff signature old.bin old.sig",
      "Make a signature of the old file",
    ],
    [
      "deltar rdiff delta old.sig new.bin changes.delta",
      "Make the delta from the old file to the new file",
    ],
    [
      "deltar rdiff patch old.bin changes.delta again.bin",
      "Make the new file from the old file and the delta",
    ],
  ],
  backup: [
    ["deltar backup --list", "List the backups of the configuration"],
    ["deltar backup project --dry-run", "Show what one backup would run"],
    ["deltar backup", "Run all backups"],
  ],
  schedule: [
    [
      "deltar schedule project --every hour",
      "Write a timer that runs a backup at 30 minutes past every hour",
    ],
    [
      "deltar schedule project --at 02:15 --print",
      "Print the files of a daily timer without writing them",
    ],
    ["deltar schedule list", "List the schedules"],
  ],
  agent: [
    [
      "deltar agent status",
      "Show the hooks of each agent, and when a hook last ran",
    ],
    [
      "deltar agent install claude-code --user --yes",
      "Take a snapshot before each step of Claude Code, in all projects",
    ],
    ["deltar agent uninstall --user --yes", "Revert what `install` wrote"],
  ],
  hook: [
    [
      `echo '{"hook_event_name": "PreToolUse", "tool_name": "Edit"}' | deltar hook`,
      "Take a snapshot, as an agent does before it edits a file",
    ],
  ],
  mcp: [
    [
      "deltar mcp",
      "Serve the current directory to the agent that starts deltar",
    ],
    [
      "deltar mcp ~/project --max-size 2G",
      "Serve one directory, and limit the size of its repository",
    ],
  ],
  doctor: [[
    "deltar doctor",
    "Check this machine and the repository of the current directory",
  ]],
  completion: [
    [
      "deltar completion bash > ~/.deltar-completion",
      "Write the script to a file that ~/.bashrc can source",
    ],
  ],
};

/** Appends the examples of each command to its help. */
export function addExamples(program: Command): void {
  for (const command of program.commands) {
    const examples = EXAMPLES[command.name()] ?? [];
    if (examples.length === 0) continue;
    const text = examples.map(([line, what]) => `  # ${what}\n  ${line}`);
    command.addHelpText("after", `\nExamples:\n${text.join("\n")}`);
  }
}
