import type { AgentEvent } from "../agent_event.ts";

/** The answers to agents that read JSON from a hook, by agent and event. */
const ANSWERS: Readonly<
  Record<string, Partial<Record<AgentEvent["kind"], object>>>
> = {
  // cursor.com/docs/agent/hooks: Cursor reads `permission` before it uses a
  // tool, and `continue` before it sends a prompt.
  cursor: { tool: { permission: "allow" }, prompt: { continue: true } },
  // geminicli.com/docs/hooks/reference: Gemini CLI parses the standard output
  // of a hook as JSON.
  "gemini-cli": {},
};

/**
 * Returns the JSON that a hook prints to let an agent continue, or `undefined`
 * for an agent that continues without output from the hook.
 *
 * @param agent The name of the agent, such as `cursor`.
 * @param kind The kind of the event.
 */
export function answerTo(
  agent: string,
  kind: AgentEvent["kind"],
): string | undefined {
  const answers = Object.hasOwn(ANSWERS, agent) ? ANSWERS[agent] : undefined;
  return answers && JSON.stringify(answers[kind] ?? {});
}
