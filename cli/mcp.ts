import process from "node:process";
import { Command } from "commander";
import type { Context } from "./context.ts";
import { addTakeOptions, sourceOf, type TakeOptions } from "./take_snapshot.ts";

const HELP = `
An agent, such as Claude Code, starts this command and communicates with it over
standard input and output. The tools of the server take snapshots, list,
compare, find and read old versions, and restore them. The agent sees a plan
before a restore changes anything. No tool removes snapshots.

The agent can reach only the named directories, and only through their
snapshots. The options apply to the snapshots that the agent takes.`;

/** Makes the command `deltar mcp`. */
export function mcpCommand(context: Context): Command {
  return addTakeOptions(new Command("mcp"))
    .argument("[dir...]", "The directories (default: the current directory)")
    .addHelpText("after", HELP)
    .action(async (dirs: string[], options: TakeOptions, command: Command) => {
      if (process.stdin.isTTY) {
        command.error(
          "error: standard input must come from an agent. Configure the agent to " +
            "start `deltar mcp`",
        );
      }
      await serve(context, dirs, options);
    });
}

/** Serves the agent until it closes standard input, or until an interrupt. */
async function serve(
  { signal }: Context,
  dirs: readonly string[],
  options: TakeOptions,
): Promise<void> {
  const { serveStdio } = await import("@modelcontextprotocol/server/stdio");
  const { createServer } = await import("./mcp/server.ts");
  const { ServedDirectories } = await import("./mcp/served_directories.ts");
  const { Session } = await import("./mcp/session.ts");
  const sources = dirs.length === 0
    ? [sourceOf()]
    : dirs.map((dir) => sourceOf(dir));
  const session = new Session(new ServedDirectories(sources), options);
  const { promise, resolve } = Promise.withResolvers<void>();
  process.stdin.once("end", resolve).once("close", resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  const server = serveStdio(() => createServer(session), {
    onerror: ({ message }) => process.stderr.write(`deltar: ${message}\n`),
  });
  await promise;
  await server.close();
}
