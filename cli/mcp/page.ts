import { z } from "zod";
import { formatCount } from "../../shared/text.ts";

/**
 * The maximum length of the items of an answer as JSON, in UTF-16 code units. A
 * single item can be longer.
 */
const MAX_PAGE_LENGTH = 60_000;

/** The input for a page of a long result. */
export const pageInput = {
  limit: z.int().min(1).optional()
    .describe("The maximum number of results in the answer."),
  offset: z.int().min(0).optional()
    .describe(
      "The number of results to skip, such as the `nextOffset` of the " +
        "previous answer. Default: 0.",
    ),
};

/** The field of the output with the offset of the next page. */
export const pageOutput = {
  nextOffset: z.int().optional()
    .describe("The `offset` of the next page. Absent on the last page."),
};

/** The page that a model asks for. */
export interface PageInput {
  limit?: number;
  offset?: number;
}

/** The limits of the pages of a tool. */
export interface PageLimits {
  /** The default number of results on a page. */
  normal: number;
  /** The maximum number of results on a page. */
  most: number;
}

/** A page of a result. */
export interface Page<Result> {
  /** The results. */
  results: Result[];
  /** The JSON fields of each result, in the order of `results`. */
  items: object[];
  /** The offset of the next page, unless this is the last page. */
  nextOffset?: number;
  /** Lines about results that the answer omits, and how to ask for them. */
  notes: string[];
}

/**
 * Returns a page of results. The page ends early if its results are too long
 * for one answer.
 *
 * @param results All results. They are read only as far as the page needs.
 * @param input The page that the model asks for.
 * @param limits The limits of the tool.
 * @param fieldsOf Called with each result of the page. Returns its fields.
 */
export async function pageOf<Result>(
  results: Iterable<Result> | AsyncIterable<Result>,
  { limit, offset = 0 }: PageInput,
  { normal, most }: PageLimits,
  fieldsOf: (result: Result) => object,
): Promise<Page<Result>> {
  const wanted = Math.min(limit ?? normal, most);
  const shown: Result[] = [];
  const items: object[] = [];
  let at = 0;
  let length = 0;
  let isMore = false;
  for await (const result of results) {
    if (at++ < offset) continue;
    if (items.length >= wanted) {
      isMore = true;
      break;
    }
    const item = fieldsOf(result);
    length += JSON.stringify(item).length;
    if (items.length > 0 && length > MAX_PAGE_LENGTH) {
      isMore = true;
      break;
    }
    shown.push(result);
    items.push(item);
  }
  const nextOffset = offset + items.length;
  return {
    results: shown,
    items,
    ...isMore && { nextOffset },
    notes: [
      ...limit !== undefined && limit > most
        ? [`An answer has at most ${formatCount(most)} results.`]
        : [],
      ...isMore
        ? [`There are more results: call again with offset ${nextOffset}.`]
        : [],
    ],
  };
}
