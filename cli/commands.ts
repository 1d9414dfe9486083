import type { Command } from "commander";
import type { Context, MakeProgram } from "./context.ts";

/** A command that is loaded on demand. */
export interface Entry {
  /** The summary, in one line. */
  summary: string;
  /** The common options that the command takes. */
  shared: readonly ("repo" | "dir" | "json" | "volume")[];
  /**
   * The state after an interruption and how to continue, in words. Absent for
   * commands that usually end at once.
   */
  interrupted?: string;
  /**
   * Called when the command is needed, with the state of the run and a function
   * that makes the command line. Loads and makes the command.
   */
  load: (context: Context, program: MakeProgram) => Promise<Command>;
}

const BOTH = ["repo", "json"] as const;
const NAMING = [...BOTH, "dir"] as const;
const LONG = [...BOTH, "volume"] as const;

const GOES_ON = "finished work is kept; run the same command again to continue";
const READ_ONLY = "nothing was changed";

/**
 * The commands, in the order of the help. The code of a command is loaded only
 * when it is needed, because loading takes most of the startup time.
 */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  snapshot: {
    summary: "Take a snapshot of a directory",
    shared: LONG,
    interrupted: "no snapshot was made",
    load: async (context) =>
      (await import("./snapshot.ts")).snapshotCommand(context),
  },
  import: {
    summary: "Import dated directories as snapshots",
    shared: LONG,
    interrupted: GOES_ON,
    load: async (context) =>
      (await import("./import.ts")).importCommand(context),
  },
  init: {
    summary: "Create a repository without a snapshot",
    shared: BOTH,
    load: async (context) => (await import("./init.ts")).initCommand(context),
  },
  list: {
    summary: "List the snapshots of a repository, oldest first",
    shared: NAMING,
    load: async (context) => (await import("./list.ts")).listCommand(context),
  },
  show: {
    summary: "Show a snapshot and its changes",
    shared: NAMING,
    load: async (context) => (await import("./show.ts")).showCommand(context),
  },
  diff: {
    summary: "Show what changed between snapshots, or since a snapshot",
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
  log: {
    summary: "List the versions of a file or folder, newest first",
    shared: NAMING,
    load: async (context) => (await import("./log.ts")).logCommand(context),
  },
  find: {
    summary: "Find files and folders in all snapshots",
    shared: [...LONG, "dir"],
    interrupted: READ_ONLY,
    load: async (context) => (await import("./find.ts")).findCommand(context),
  },
  restore: {
    summary: "Restore a snapshot, or some paths of it",
    shared: [...LONG, "dir"],
    interrupted: "restored files are kept; run the same command again to " +
      "restore the rest, or `deltar undo <dir>` to undo the restore into <dir>",
    load: async (context) =>
      (await import("./restore.ts")).restoreCommand(context),
  },
  export: {
    summary: "Write a snapshot, or some paths of it, to a tar or zip",
    shared: [...LONG, "dir"],
    interrupted:
      "the archive was not finished; if it was a file, it was deleted",
    load: async (context) =>
      (await import("./export.ts")).exportCommand(context),
  },
  undo: {
    summary: "Undo the last restore",
    shared: LONG,
    interrupted: GOES_ON,
    load: async (context) => (await import("./undo.ts")).undoCommand(context),
  },
  redo: {
    summary: "Redo what the last `undo` reverted",
    shared: LONG,
    interrupted: GOES_ON,
    load: async (context) => (await import("./redo.ts")).redoCommand(context),
  },
  recover: {
    summary: "Bring back a file or folder that is gone",
    shared: [...LONG, "dir"],
    interrupted: GOES_ON,
    load: async (context) =>
      (await import("./recover.ts")).recoverCommand(context),
  },
  run: {
    summary: "Run a command between two snapshots, and show what changed",
    shared: LONG,
    interrupted: "the command was not run",
    load: async (context) => (await import("./run.ts")).runCommand(context),
  },
  why: {
    summary: "Show whether snapshots include a path, and if not, why",
    shared: NAMING,
    load: async (context) => (await import("./why.ts")).whyCommand(context),
  },
  label: {
    summary: "Print, set or remove the label of a snapshot",
    shared: NAMING,
    load: async (context) => (await import("./label.ts")).labelCommand(context),
  },
  verify: {
    summary: "Find missing and damaged objects of a repository",
    shared: LONG,
    interrupted: READ_ONLY,
    load: async (context) =>
      (await import("./verify.ts")).verifyCommand(context),
  },
  prune: {
    summary: "Remove snapshots by rules, and free space",
    shared: LONG,
    interrupted: "no snapshot was damaged; the next prune finishes the work",
    load: async (context) => (await import("./prune.ts")).pruneCommand(context),
  },
  forget: {
    summary: "Remove snapshots; `deltar undelete` brings them back",
    shared: NAMING,
    load: async (context) =>
      (await import("./forget.ts")).forgetCommand(context),
  },
  undelete: {
    summary: "Bring removed snapshots back, or list them",
    shared: BOTH,
    load: async (context) =>
      (await import("./undelete.ts")).undeleteCommand(context),
  },
  purge: {
    summary: "Delete files from all snapshots for good",
    shared: [...LONG, "dir"],
    interrupted: "nothing was changed",
    load: async (context) => (await import("./purge.ts")).purgeCommand(context),
  },
  repair: {
    summary: "Rebuild damaged objects, and set aside what cannot be rebuilt",
    shared: LONG,
    interrupted: GOES_ON,
    load: async (context) =>
      (await import("./repair.ts")).repairCommand(context),
  },
  stats: {
    summary: "Show what uses the space, by snapshot, folder and file",
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
    summary: "Test a restore of some files, and record the result",
    shared: [...LONG, "dir"],
    interrupted: READ_ONLY,
    load: async (context) => (await import("./drill.ts")).drillCommand(context),
  },
  key: {
    summary: "List and change the keys of an encrypted repository",
    shared: LONG,
    load: async (context) => (await import("./key.ts")).keyCommand(context),
  },
  backup: {
    summary: "Run the backups of the configuration",
    shared: ["volume"],
    interrupted: GOES_ON,
    load: async (context, program) =>
      (await import("./backup.ts")).backupCommand(context, program),
  },
  schedule: {
    summary: "Write a timer or task that runs a backup regularly",
    shared: [],
    load: async (context, program) =>
      (await import("./schedule.ts")).scheduleCommand(context, program),
  },
  agent: {
    summary: "Install the hooks of AI agents, or show or remove them",
    shared: ["json"],
    load: async (context) => (await import("./agent.ts")).agentCommand(context),
  },
  hook: {
    summary: "Take a snapshot before a step of an AI agent",
    shared: ["repo"],
    load: async (context) => (await import("./hook.ts")).hookCommand(context),
  },
  mcp: {
    summary: "Serve snapshots to AI agents over the Model Context Protocol",
    shared: ["repo"],
    load: async (context) => (await import("./mcp.ts")).mcpCommand(context),
  },
  doctor: {
    summary: "Check this machine and the repository, and give advice",
    shared: BOTH,
    load: async (context) =>
      (await import("./doctor.ts")).doctorCommand(context),
  },
  rdiff: {
    summary: "Make and apply deltas of single files, like librsync's rdiff",
    shared: [],
    load: async () => (await import("./rdiff.ts")).rdiffCommand(),
  },
};
