import process from "node:process";
import { MAX_TURN_TEXT } from "../lib/repository/mod.ts";

/** The input that an agent passes to a hook. */
export interface AgentEvent {
  /**
   * The names of the event and the tool, such as `PreToolUse Edit`, or `a hook`
   * if the input has neither.
   */
  title: string;
  /** The directory in which the agent works. */
  directory?: string;
  /** The path of the worktree that the agent is about to remove. */
  worktree?: string;
  /**
   * The name of the agent, such as `claude-code`, or `agent` if the input and
   * the environment do not show it.
   */
  agent: string;
  /** The id that the agent gives to the session. */
  session?: string;
  /**
   * The meaning of the event for the turn: the user has sent a prompt, the
   * agent is about to use a tool, the agent has finished, or any other event.
   */
  kind: "prompt" | "tool" | "end" | "other";
  /** The first line of the prompt. */
  prompt?: string;
  /** The name of the tool that the agent is about to use. */
  tool?: string;
}

/** The names of events after which an agent works on a new prompt. */
const PROMPTS: ReadonlySet<string> = new Set([
  "UserPromptSubmit",
  "userPromptSubmitted",
  "beforeSubmitPrompt",
  "BeforeAgent",
]);

/** The names of events after which an agent no longer works on a prompt. */
const ENDS: ReadonlySet<string> = new Set([
  "Stop",
  "StopFailure",
  "stop",
  "agentStop",
  "AfterAgent",
  "Interrupt",
  "SessionEnd",
  "sessionEnd",
  "session.idle",
]);

/**
 * Reads the event of an agent. The names of the fields differ:
 *
 * - Claude Code and some versions of VS Code use snake case. So does Copilot
 *   CLI for events with names in Pascal case.
 * - Other versions of VS Code use camel case. So does Copilot CLI for all other
 *   events, and it omits the names of these events.
 *
 * @throws {TypeError} If the input is not a JSON object.
 */
export function readEvent(json: string): AgentEvent {
  let input: unknown;
  try {
    input = JSON.parse(json);
  } catch {
    // The check below throws.
  }
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new TypeError("the input from the agent is not a JSON object");
  }
  const fields = input as Record<string, unknown>;
  const get = (...names: string[]) => {
    const found = names.map((name) => fields[name])
      .find((value) => typeof value === "string" && value !== "");
    return found as string | undefined;
  };
  const event = get("hook_event_name", "hookEventName");
  const tool = get("tool_name", "toolName");
  const prompt = get("prompt");
  const title = [event, tool].filter((word) => word !== undefined).join(" ")
    .slice(0, 100);
  const kind = event === undefined
    ? tool !== undefined ? "tool" : prompt !== undefined ? "prompt" : "other"
    : PROMPTS.has(event)
    ? "prompt"
    : ENDS.has(event)
    ? "end"
    : /^(?:post|after)/i.test(event)
    ? "other"
    : tool !== undefined || /^before(?!Submit)/.test(event)
    ? "tool"
    : "other";
  return {
    title: title || "a hook",
    directory: get("cwd") ?? firstRoot(fields),
    ...event === "WorktreeRemove" && {
      worktree: get("worktree_path", "worktreePath"),
    },
    agent: agentOf(fields),
    session: cut(
      get("session_id", "sessionId", "conversation_id", "sessionID"),
      MAX_TURN_TEXT.session,
    ),
    kind,
    prompt: cut(firstLine(prompt), MAX_TURN_TEXT.prompt),
    tool: kind === "tool" ? cut(tool, MAX_TURN_TEXT.tool) : undefined,
  };
}

/**
 * Returns the name of the agent that ran the hook, or `agent` if neither the
 * fields of the input nor the environment show the name.
 */
function agentOf(fields: Record<string, unknown>): string {
  const { env } = process;
  if ("cursor_version" in fields || "conversation_id" in fields) {
    return "cursor";
  }
  if (env.GEMINI_SESSION_ID || env.GEMINI_PROJECT_DIR) return "gemini-cli";
  if ("turn_id" in fields) return "codex";
  if ("hookEventName" in fields) return "vscode";
  if ("toolArgs" in fields) return "copilot-cli";
  const { transcript_path: transcript } = fields;
  const isOfClaude = typeof transcript === "string" &&
    /[/\\]\.claude[/\\]/.test(transcript);
  return isOfClaude || env.CLAUDE_PROJECT_DIR ? "claude-code" : "agent";
}

/** Returns the first folder of the workspace in the input from Cursor. */
function firstRoot(fields: Record<string, unknown>): string | undefined {
  const { workspace_roots: roots } = fields;
  const first: unknown = Array.isArray(roots) ? roots[0] : undefined;
  return typeof first === "string" && first !== "" ? first : undefined;
}

function firstLine(text: string | undefined): string | undefined {
  return text?.trim().split(/[\r\n]/, 1)[0].trim() || undefined;
}

/**
 * Returns the first `length` UTF-16 code units of a text. Each half of a broken
 * surrogate pair becomes U+FFFD.
 */
function cut(text: string | undefined, length: number): string | undefined {
  return text?.slice(0, length).toWellFormed();
}
