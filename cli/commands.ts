import type { Command } from "commander";
import type { Context, MakeProgram } from "./context.ts";

/** A command, before its code is loaded. */
export interface Entry {
  /** Its summary, in a line. */
  summary: string;
  /** The options that many commands have and this one has too. */
  shared: readonly ("repo" | "dir" | "json" | "volume")[];
  /** A sentence about what an interruption leaves, for long work. */
  interrupted?: string;
  /** Loads its code, and makes it. */
  load: (context: Context, program: MakeProgram) => Promise<Command>;
}

const BOTH = ["repo", "json"] as const;
const NAMING = [...BOTH, "dir"] as const;
const LONG = [...BOTH, "volume"] as const;

const GOES_ON = "what is done stays done; the same line goes on from there";
const READ_ONLY = "it only read, and nothing is changed";

/**
 * The commands, in the order of the help. Only the one that is named is loaded:
 * that is most of the time that a start takes.
 */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  snapshot: {
    summary: "Take a snapshot of a directory",
    shared: LONG,
    interrupted: "no snapshot is made",
    load: async (context) =>
      (await import("./snapshot.ts")).snapshotCommand(context),
  },
  list: {
    summary: "List the snapshots of a repository, the oldest first",
    shared: NAMING,
    load: async (context) => (await import("./list.ts")).listCommand(context),
  },
  diff: {
    summary: "Show what changed from one snapshot to another",
    shared: NAMING,
    load: async (context) => (await import("./diff.ts")).diffCommand(context),
  },
  files: {
    summary: "List the files of a snapshot",
    shared: NAMING,
    load: async (context) => (await import("./files.ts")).filesCommand(context),
  },
  cat: {
    summary: "Write a file of a snapshot to standard output",
    shared: ["repo", "dir"],
    load: async (context) => (await import("./cat.ts")).catCommand(context),
  },
  restore: {
    summary: "Restore a snapshot, or some paths of it",
    shared: [...LONG, "dir"],
    interrupted: "what is restored stays; the same line restores the rest, " +
      "and `deltar undo` brings back what it wrote over, if anything",
    load: async (context) =>
      (await import("./restore.ts")).restoreCommand(context),
  },
  undo: {
    summary: "Bring back what was there before the last restore",
    shared: LONG,
    interrupted: GOES_ON,
    load: async (context) => (await import("./undo.ts")).undoCommand(context),
  },
  redo: {
    summary: "Take the last `undo` back",
    shared: LONG,
    interrupted: GOES_ON,
    load: async (context) => (await import("./redo.ts")).redoCommand(context),
  },
  why: {
    summary: "Tell whether snapshots keep a path, and if not, why",
    shared: NAMING,
    load: async (context) => (await import("./why.ts")).whyCommand(context),
  },
  label: {
    summary: "Print, set or remove the label of a snapshot",
    shared: NAMING,
    load: async (context) => (await import("./label.ts")).labelCommand(context),
  },
  verify: {
    summary: "Verify that every snapshot can be restored; nothing is changed",
    shared: LONG,
    interrupted: READ_ONLY,
    load: async (context) =>
      (await import("./verify.ts")).verifyCommand(context),
  },
  prune: {
    summary: "Remove snapshots by rules, and what nothing needs",
    shared: LONG,
    interrupted: "nothing that is needed is gone; the next prune goes on",
    load: async (context) => (await import("./prune.ts")).pruneCommand(context),
  },
  forget: {
    summary: "Remove snapshots; `deltar undelete` brings them back",
    shared: NAMING,
    load: async (context) =>
      (await import("./forget.ts")).forgetCommand(context),
  },
  undelete: {
    summary: "Bring removed snapshots back; without any, list them",
    shared: BOTH,
    load: async (context) =>
      (await import("./undelete.ts")).undeleteCommand(context),
  },
  repair: {
    summary: "Rebuild what is damaged, and set aside what is lost",
    shared: LONG,
    interrupted: GOES_ON,
    load: async (context) =>
      (await import("./repair.ts")).repairCommand(context),
  },
  stats: {
    summary: "What takes the space: by snapshot, folder and file",
    shared: NAMING,
    load: async (context) => (await import("./stats.ts")).statsCommand(context),
  },
  copy: {
    summary: "Copy snapshots to another repository",
    shared: [...LONG, "dir"],
    interrupted: GOES_ON,
    load: async (context) => (await import("./copy.ts")).copyCommand(context),
  },
  drill: {
    summary: "Restore some files to see that it works, and note when",
    shared: [...LONG, "dir"],
    interrupted: READ_ONLY,
    load: async (context) => (await import("./drill.ts")).drillCommand(context),
  },
  backup: {
    summary: "Run the backups that the configuration names",
    shared: ["volume"],
    interrupted: GOES_ON,
    load: async (context, program) =>
      (await import("./backup.ts")).backupCommand(context, program),
  },
  schedule: {
    summary: "Write what makes the system run a backup regularly",
    shared: [],
    load: async (context, program) =>
      (await import("./schedule.ts")).scheduleCommand(context, program),
  },
  hook: {
    summary: "Take a snapshot when an AI agent says what it is about to do",
    shared: ["repo"],
    load: async (context) => (await import("./hook.ts")).hookCommand(context),
  },
  doctor: {
    summary: "Check what deltar needs here, and say what to do",
    shared: BOTH,
    load: async (context) =>
      (await import("./doctor.ts")).doctorCommand(context),
  },
  rdiff: {
    summary: "Signatures, deltas and patches of single files",
    shared: [],
    load: async () => (await import("./rdiff.ts")).rdiffCommand(),
  },
};
