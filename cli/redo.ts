import type { Command } from "commander";
import type { Context } from "./context.ts";
import { revertCommand } from "./undo.ts";

/** Makes the command `deltar redo`. */
export function redoCommand(context: Context): Command {
  return revertCommand(context, "redo");
}
