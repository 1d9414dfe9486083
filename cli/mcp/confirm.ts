import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  inputRequired,
  type InputRequiredResult,
  inputResponse,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { DeltarError } from "../../mod.ts";

/** The key of the question and of its answer in the protocol. */
const KEY = "confirm";

/** Returns whether the client can ask the user a question. */
export function canElicit(
  { mcpReq }: ServerContext,
  negotiated: ClientCapabilities | undefined,
): boolean {
  const envelope = mcpReq.envelope as
    | Record<string, ClientCapabilities | undefined>
    | undefined;
  const { elicitation } = envelope?.[CLIENT_CAPABILITIES_META_KEY] ??
    negotiated ?? {};
  // An empty object means `form`, the only mode of older versions of the
  // protocol.
  return elicitation !== undefined &&
    ("form" in elicitation || !("url" in elicitation));
}

/**
 * Asks the user whether to carry out a plan.
 *
 * @param context The context of the call.
 * @param question The question.
 * @returns The request with the question if the user has not answered it, or
 * `undefined` if the user agreed.
 * @throws {DeltarError} `aborted` if the user refused.
 */
export function confirm(
  { mcpReq }: ServerContext,
  question: string,
): InputRequiredResult | undefined {
  const answer = inputResponse(mcpReq.inputResponses, KEY);
  if (answer.kind === "elicit") {
    if (answer.action === "accept" && answer.content?.[KEY] === true) {
      return undefined;
    }
    throw new DeltarError(
      "aborted",
      "the user did not agree. Nothing was changed. Do not try this again " +
        "unless the user asks for it.",
    );
  }
  return inputRequired({
    inputRequests: {
      [KEY]: inputRequired.elicit({
        message: question,
        requestedSchema: {
          type: "object",
          properties: {
            [KEY]: {
              type: "boolean",
              title: "Carry out this plan",
              description: "The files that change are saved first.",
            },
          },
          required: [KEY],
        },
      }),
    },
  });
}
