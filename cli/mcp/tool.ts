import type {
  CallToolResult,
  InputRequiredResult,
  McpServer,
  ServerContext,
  ToolAnnotations,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { toJson } from "../text.ts";
import type { Call } from "./call.ts";
import { canElicit, confirm } from "./confirm.ts";
import { errorText } from "./error_text.ts";
import type { Session } from "./session.ts";

/** The input that all tools take. */
const commonInput = {
  directory: z.string().min(1).max(4096).optional().describe(
    "The directory to work with, if the server serves several. Default: the " +
      "first.",
  ),
};

/**
 * Returns the schema of a tool's input. An unknown field causes an error, so
 * that a model notices its mistake.
 *
 * @param fields The fields of the input, in addition to the fields that all
 * tools take.
 */
export function inputOf<Fields extends z.ZodRawShape>(
  fields: Fields,
): z.ZodObject<typeof commonInput & Fields, z.core.$strict> {
  const all = { ...commonInput, ...fields };
  return z.strictObject(all, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `unknown input: ${issue.keys?.map(String).join(", ")}. Omit it. ` +
          `This tool accepts: ${Object.keys(all).join(", ")}.`
        : undefined,
  });
}

/** The input that names a snapshot. */
export const snapshotName: z.ZodString = z.string().min(1).max(1000);

/** The input that names a path. */
export const pathName: z.ZodString = z.string().min(1).max(4096);

/** The output with the messages of a call. */
export const messagesOutput = {
  messages: z.array(z.string()).optional()
    .describe("Warnings, for example about files that could not be read."),
};

/** The answer of a tool. */
export interface Answer {
  /** The answer in words. */
  text: string;
  /** The fields of the structured answer. */
  data: Record<string, unknown>;
  /**
   * The fields of the structured answer that have the content of files. In
   * these fields, unlike in `data`, no characters are escaped and no secrets
   * are removed.
   */
  content?: Record<string, string>;
}

/** The session and the client of a call. */
export interface Surroundings {
  /** The session. */
  session: Session;
  /**
   * Called with a question for the user. Returns the request that asks the
   * user, or `undefined` if the user has agreed. Throws an error if the user
   * has refused. Absent if the client cannot ask.
   */
  ask?: (question: string) => InputRequiredResult | undefined;
}

/** A tool of the server. */
export interface Tool<Input extends { directory?: string }> {
  /** The name by which models call the tool. */
  name: string;
  /** The name that people see. */
  title: string;
  /** The purpose, for models. */
  description: string;
  /** The schema of the input. */
  input: z.ZodType<Input>;
  /** The schema of the structured answer. */
  output: z.ZodObject;
  /** The hints for hosts, such as whether the tool changes files. */
  annotations: ToolAnnotations;
  /**
   * Called for each call that has a valid input, with the call, its input, and
   * its session and client. Returns the answer, or a question for the user.
   */
  run(
    call: Call,
    input: Input,
    surroundings: Surroundings,
  ): Promise<Answer | InputRequiredResult>;
}

/** The annotations of a tool that only reads. */
export const READS: ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};

/** Adds a tool to a server. */
export function register<Input extends { directory?: string }>(
  server: McpServer,
  session: Session,
  tool: Tool<Input>,
): void {
  const { name, title, description, input, output, annotations } = tool;
  server.registerTool(
    name,
    {
      title,
      description,
      inputSchema: input,
      outputSchema: output,
      annotations: { title, ...annotations },
    },
    async (words: Input, context: ServerContext) => {
      const { signal } = context.mcpReq;
      const negotiated = server.server.getClientCapabilities();
      const surroundings = {
        session,
        ...canElicit(context, negotiated) &&
          { ask: (question: string) => confirm(context, question) },
      };
      let call: Call | undefined;
      try {
        call = session.begin(words.directory, signal);
        const answer = await tool.run(call, words, surroundings);
        return "text" in answer ? resultOf(answer as Answer, call) : answer;
      } catch (error) {
        session.close();
        return failure(errorText(error, call));
      }
    },
  );
}

/** Returns the result of a call that failed. */
function failure(text: string): CallToolResult {
  return { content: [{ type: "text", text }], isError: true };
}

function resultOf(
  { text, data, content }: Answer,
  { messages: { texts } }: Call,
): CallToolResult {
  const messages = texts.length > 0 ? { messages: texts } : {};
  return {
    content: [{
      type: "text",
      text: [text, ...texts.map((one) => `Warning: ${one}`)].join("\n"),
    }],
    structuredContent: {
      ...JSON.parse(toJson({ ...data, ...messages })),
      ...content,
    },
  };
}
