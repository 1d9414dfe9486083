/**
 * The server for agents that support the Model Context Protocol.
 *
 * `server.ts` makes the server from the tools. Each tool is in its own file,
 * such as `diff.ts`. `tool.ts` has the code that all tools share. It turns the
 * answers of the tools, and their errors (`error_text.ts`), into results of the
 * protocol. `session.ts` keeps the opened repositories between calls, and
 * `call.ts` is one call. `served_directories.ts` refuses access to directories
 * that the server does not serve, and `page.ts` divides long results into
 * pages.
 *
 * The tools `restore` and `undo` work in two steps (`planned_work.ts`).
 * `pending_plans.ts` keeps each plan until the plan's token is used or expires.
 * It refuses to carry out a plan if files or snapshots have changed since the
 * plan was made. `confirm.ts` asks the user, if the client supports questions.
 *
 * @module
 */
import { McpServer } from "@modelcontextprotocol/server";
import { VERSION } from "../../lib/version.ts";
import { diffTool } from "./diff.ts";
import { findTool } from "./find.ts";
import { historyTool } from "./history.ts";
import { listTool } from "./list.ts";
import { readTool } from "./read.ts";
import { restoreTool } from "./restore.ts";
import type { Session } from "./session.ts";
import { snapshotTool } from "./snapshot.ts";
import { statusTool } from "./status.ts";
import { register } from "./tool.ts";
import { undoTool } from "./undo.ts";

/** Makes a server with tools for the directories of a session. */
export function createServer(session: Session): McpServer {
  const server = new McpServer(
    { name: "deltar", title: "deltar", version: VERSION },
    {
      capabilities: { tools: {} },
      instructions:
        "deltar keeps snapshots of this project, including files that git " +
        "ignores. Call deltar_snapshot before risky work. If something is " +
        "lost or broken, use deltar_find, deltar_history and deltar_diff to " +
        "find the good version, and deltar_restore to bring it back. " +
        `Directories: ${session.directories.words}.`,
    },
  );
  register(server, session, snapshotTool);
  register(server, session, listTool);
  register(server, session, diffTool);
  register(server, session, historyTool);
  register(server, session, findTool);
  register(server, session, readTool);
  register(server, session, statusTool);
  register(server, session, restoreTool);
  register(server, session, undoTool);
  return server;
}
