import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";

/**
 * Adds `deltar completion SHELL`, which prints a shell's script, and the hidden
 * command that the script asks. To be called when all commands are there.
 */
export function addCompletion(program: Command): void {
  tab(program, { completionCommandName: "completion" });
}
