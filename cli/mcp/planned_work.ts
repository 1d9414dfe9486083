import { existsSync } from "node:fs";
import { z } from "zod";
import { DeltarError, type RestorePlan } from "../../mod.ts";
import type {
  RestoreFailure,
  RestoreResult,
  RestoreStep,
} from "../../lib/repository/mod.ts";
import { formatBytes, plural } from "../../shared/text.ts";
import { relativeError } from "../relative_error.ts";
import { MARKS } from "../restore_report.ts";
import { showPath } from "../text.ts";
import type { Call } from "./call.ts";
import { pageOf } from "./page.ts";
import { type PendingPlan, sumOf } from "./pending_plans.ts";
import { servedPath } from "./served_directories.ts";
import {
  type Answer,
  messagesOutput,
  type Surroundings,
  type Tool,
} from "./tool.ts";

/** The default and the maximum number of steps or paths in an answer. */
const LIMITS = { normal: 200, most: 200 };

/** The input with which a tool carries out a plan that was made before. */
export const tokenInput = {
  token: z.string().max(100).optional().describe(
    "The token of a plan. With a token, the plan is carried out. The only " +
      "other input allowed is `directory`.",
  ),
};

/** The output of the tools that work in two steps. */
const output: z.ZodObject = z.object({
  token: z.string().optional().describe(
    "The token for carrying out this plan. Absent if nothing would change, " +
      "or if the plan has been carried out.",
  ),
  isDone: z.boolean().describe("Whether a plan was carried out."),
  target: z.string(),
  create: z.int().optional(),
  replace: z.int().optional(),
  touch: z.int().optional(),
  delete: z.int().optional(),
  steps: z.array(z.object({
    path: z.string(),
    action: z.enum(["create", "replace", "touch", "delete"]),
    kind: z.string().optional(),
    size: z.int().optional(),
  })).optional().describe("The first steps of the plan."),
  areStepsCut: z.boolean().optional()
    .describe("Whether the plan has more steps than the answer lists."),
  written: z.int().optional().describe("The number of files written."),
  deleted: z.int().optional().describe("The number of paths deleted."),
  safety: z.string().optional().describe(
    "The id of the safety snapshot with the previous state of the changed " +
      "paths.",
  ),
  failed: z.array(z.object({ path: z.string(), error: z.string() }))
    .optional(),
  ...messagesOutput,
});

/** Work that a tool has planned. */
export interface PlannedWork extends Pick<PendingPlan, "below" | "carryOut"> {
  /** The plan. */
  plan: RestorePlan;
  /** The work in words, such as `Restore … into …`. */
  title: string;
  /** A sentence about an effect of the plan that its steps do not show. */
  note?: string;
}

/** A tool that works in two steps. */
interface PlanningTool<Input extends { directory?: string; token?: string }>
  extends Pick<Tool<Input>, "name" | "title" | "description" | "input"> {
  /**
   * Called for each call that has no token, with the call and its input.
   * Returns the planned work.
   */
  plan(call: Call, input: Input): Promise<PlannedWork>;
}

/**
 * Makes a tool that works in two steps. A call without a token returns a plan
 * and its token. A call with the token carries out the plan.
 */
export function inTwoSteps<
  Input extends { directory?: string; token?: string },
>({ plan, ...tool }: PlanningTool<Input>): Tool<Input> {
  const { name } = tool;
  return {
    ...tool,
    output,
    annotations: {
      readOnlyHint: false,
      destructiveHint: true,
      idempotentHint: false,
      openWorldHint: false,
    },
    async run(call, input, surroundings) {
      const { token, directory: _, ...more } = input;
      if (token === undefined) {
        return await planned(call, surroundings, name, await plan(call, input));
      }
      refuseBeside(more);
      return await carriedOut(call, surroundings, name, token);
    },
  };
}

/** Returns the answer with a plan and its token. */
async function planned(
  call: Call,
  { session }: Surroundings,
  tool: string,
  { plan, title, below, note, carryOut }: PlannedWork,
): Promise<Answer> {
  const { steps, target, bytes } = plan;
  const failed = failuresFrom(below, plan.failed);
  const touchesRoot = plan.touchesRoot && existsSync(target);
  const count = (action: RestoreStep["action"]) =>
    steps.filter((step) => step.action === action).length;
  const counts = {
    create: count("create"),
    replace: count("replace"),
    touch: count("touch") + (touchesRoot ? 1 : 0),
    delete: count("delete"),
  };
  const summary = `create ${counts.create}, replace ${counts.replace}, touch ` +
    `${counts.touch} and delete ${plural(counts.delete, "path")}, and write ` +
    formatBytes(bytes);
  const isNothing = steps.length === 0 && !touchesRoot;
  const token = isNothing ? undefined : session.plans.add({
    tool,
    place: call.place,
    below,
    question: `${title}: ${summary}. Carry out this plan?`,
    sum: sumOf(plan),
    carryOut,
  });
  const page = await pageOf(
    steps,
    {},
    LIMITS,
    (step) => stepFields(step, below),
  );
  const more = steps.length - page.results.length;
  return {
    text: [
      isNothing
        ? `${title}: nothing would change.`
        : `Plan: ${title}: ${summary}.`,
      ...touchesRoot ? [`${MARKS.touch} ./`] : [],
      ...page.results.map((step) => stepLine(step, below)),
      ...more > 0 ? [`and ${plural(more, "more step")}`] : [],
      ...plan.left.slice(0, LIMITS.most).map(({ path, why }) =>
        `${showPath(nameFrom(below, path))} stays: ${showPath(why)}`
      ),
      ...failureLines(failed, "cannot be restored"),
      ...note === undefined ? [] : [note],
      ...token === undefined ? [] : [
        "Nothing has been changed yet. If the user wants this plan, call " +
        `${tool} again within 10 minutes, with the token ${token}, the same ` +
        "`directory` if you named one, and no other input.",
      ],
    ].join("\n"),
    data: {
      token,
      isDone: false,
      target: call.place,
      ...counts,
      steps: page.items,
      ...more > 0 && { areStepsCut: true },
      failed: failureFields(failed),
    },
  };
}

/**
 * Carries out the plan of a token. If the client can ask the user, the user
 * must agree first.
 *
 * @param call The call.
 * @param surroundings The session and the client.
 * @param tool The name of the tool.
 * @param token The token.
 */
async function carriedOut(
  call: Call,
  { session, ask }: Surroundings,
  tool: string,
  token: string,
): ReturnType<Tool<object>["run"]> {
  const { plans } = session;
  const plan = plans.get(token, { tool, place: call.place });
  const question = ask?.(plan.question);
  if (question !== undefined) return question;
  const result = await session.inTurn(() => plans.carryOut(token, plan, call));
  const failed = failuresFrom(plan.below, result.failed);
  return done(call, { ...result, failed });
}

/**
 * Refuses any input besides a token and a directory.
 *
 * @throws {DeltarError} `unsupported` if there is such input.
 */
function refuseBeside(more: Record<string, unknown>): void {
  const named = Object.keys(more).filter((name) => more[name] !== undefined);
  if (named.length === 0) return;
  throw new DeltarError(
    "unsupported",
    `a token carries out the plan as it was made, so ${named.join(", ")} ` +
      "cannot be given with it. Nothing was changed. To carry out the plan, " +
      "give only the token and the same `directory`, if you named one. To " +
      "make another plan, omit the token.",
  );
}

function done(call: Call, result: RestoreResult): Answer {
  const { files, directories, links, touched, deleted, failed, safety } =
    result;
  return {
    text: [
      `Done in ${showPath(call.place)}: wrote ${plural(files, "file")}, ` +
      `${plural(directories, "folder")} and ${plural(links, "link")}, ` +
      `touched ${touched} and deleted ${plural(deleted, "path")}.`,
      ...safety === undefined
        ? []
        : [`The previous files are in safety snapshot ${safety.id}.`],
      "To revert a restore, call deltar_undo. To revert an undo, call " +
      "deltar_undo with the `direction` `redo`.",
      ...failureLines(failed, "was not restored"),
    ].join("\n"),
    data: {
      isDone: true,
      target: call.place,
      written: files,
      deleted,
      safety: safety?.id,
      failed: failureFields(failed),
    },
  };
}

/**
 * Returns a path of a plan relative to the served directory. A path outside
 * the served directory begins with `..`.
 *
 * @param below The path of the served directory relative to the plan's
 * directory.
 * @param path The path relative to the plan's directory.
 */
function nameFrom(below: string, path: string): string {
  return servedPath(below, path) ??
    `${"../".repeat(below.split("/").length)}${path}`;
}

/** Returns failures with paths relative to the served directory. */
function failuresFrom(
  below: string,
  failed: readonly RestoreFailure[],
): RestoreFailure[] {
  return failed.map((one) => ({
    ...one,
    path: nameFrom(below, one.path),
    error: relativeError(one.error, below),
  }));
}

function stepFields(
  { path, action, entry, was }: RestoreStep,
  below: string,
): object {
  const kind = entry?.kind ?? was;
  return {
    path: nameFrom(below, path),
    action,
    kind,
    ...entry && { size: entry.size },
  };
}

function stepLine(
  { path, action, entry, was, from }: RestoreStep,
  below: string,
): string {
  const mark = (entry?.kind ?? was) === "directory" ? "/" : "";
  const now = from === undefined
    ? ""
    : ` (now ${showPath(nameFrom(below, from))})`;
  return `${MARKS[action]} ${showPath(nameFrom(below, path))}${mark}${now}`;
}

function failureFields(failed: readonly RestoreFailure[]): object[] {
  return failed.slice(0, LIMITS.most)
    .map(({ path, error }) => ({ path, error: error.message }));
}

function failureLines(
  failed: readonly RestoreFailure[],
  what: string,
): string[] {
  const lines = failed.slice(0, LIMITS.most).map(({ path, error, restored }) =>
    `${showPath(path)}${restored ? "" : ` ${what}`}: ${showPath(error.message)}`
  );
  const more = failed.length - lines.length;
  return [...lines, ...more > 0 ? [`and ${plural(more, "more path")}`] : []];
}
