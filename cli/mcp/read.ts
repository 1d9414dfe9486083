import { Buffer } from "node:buffer";
import { z } from "zod";
import { formatBytes } from "../../shared/text.ts";
import { relativeError } from "../relative_error.ts";
import { suggesting } from "../suggest.ts";
import { showPath } from "../text.ts";
import { servedPath } from "./served_directories.ts";
import {
  inputOf,
  messagesOutput,
  pathName,
  READS,
  snapshotName,
  type Tool,
} from "./tool.ts";

/** The default number of bytes in an answer. */
const NORMAL_BYTES = 50_000;
/** The maximum number of bytes in an answer. */
const MAX_BYTES = 200_000;

const input = inputOf({
  path: pathName.describe("The path of the file, relative to the directory."),
  snapshot: snapshotName.optional()
    .describe("The snapshot to read the file from. Default: latest."),
  offset: z.int().min(0).optional()
    .describe("The offset of the first byte to read. Default: 0."),
  limit: z.int().min(1).optional().describe(
    `The maximum number of bytes to read, up to ${MAX_BYTES}. ` +
      `Default: ${NORMAL_BYTES}.`,
  ),
});

/** The tool that reads a file of a snapshot. */
export const readTool: Tool<z.infer<typeof input>> = {
  name: "deltar_read",
  title: "Read an old version of a file",
  description:
    "Reads a text file as it is in a snapshot. Nothing in the directory " +
    "changes. A long file is cut; read the rest with `offset`. A binary file " +
    "is not shown.",
  input,
  output: z.object({
    snapshot: z.string(),
    path: z.string(),
    text: z.string().optional().describe(
      "The text that was read. Absent for a binary file.",
    ),
    isBinary: z.boolean(),
    nextOffset: z.int().optional()
      .describe(
        "The `offset` to continue from. Absent at the end of the file.",
      ),
    ...messagesOutput,
  }),
  annotations: READS,
  async run(call, { path: word, snapshot = "latest", offset = 0, limit }) {
    const begun = await call.open();
    const { repository } = begun;
    const named = await call.find(begun, snapshot);
    const { record, below } = named;
    const [whole] = call.pathsIn(named, [word]);
    const path = servedPath(below, whole) ?? word;
    const { signal } = call;
    const content = await suggesting(
      repository,
      record,
      () => repository.readFile(record, whole, { signal }),
      below,
    );
    const most = Math.min(limit ?? NORMAL_BYTES, MAX_BYTES);
    const { bytes, isMore } = await readRange(content, offset, most)
      .catch((error) => {
        throw relativeError(error, below);
      });
    const isBinary = bytes.includes(0);
    const title = `${showPath(path)} in snapshot ${record.id}`;
    const fields = { snapshot: record.id, path, isBinary };
    if (isBinary) {
      const text = `${title} is a binary file and is not shown. To get it ` +
        "back, call deltar_restore with this path.";
      return { text, data: fields };
    }
    const { text, length } = decodeWhole(bytes, isMore);
    const nextOffset = offset + length;
    const notes = [
      ...limit !== undefined && limit > MAX_BYTES
        ? [`An answer has at most ${formatBytes(MAX_BYTES)}.`]
        : [],
      ...isMore
        ? [`The file continues: call again with offset ${nextOffset}.`]
        : [],
    ];
    return {
      text: [`${title}, from byte ${offset}:`, ...notes, "", text].join("\n"),
      data: { ...fields, ...isMore && { nextOffset } },
      content: { text },
    };
  },
};

/**
 * Reads at most `most` bytes of a content, beginning at an offset in bytes.
 * Returns the bytes, and whether more bytes follow.
 */
async function readRange(
  content: AsyncIterable<Uint8Array>,
  offset: number,
  most: number,
): Promise<{ bytes: Buffer; isMore: boolean }> {
  const parts: Uint8Array[] = [];
  let at = 0;
  let left = most;
  let isMore = false;
  for await (const part of content) {
    const from = Math.max(0, offset - at);
    at += part.length;
    if (from >= part.length) continue;
    const wanted = part.subarray(from, from + left);
    parts.push(wanted);
    left -= wanted.length;
    isMore = from + wanted.length < part.length;
    if (isMore) break;
  }
  return { bytes: Buffer.concat(parts), isMore };
}

/**
 * Decodes UTF-8. If `isCut` is true, omits an incomplete character at the end.
 * Returns the text, and the number of bytes that were decoded.
 */
function decodeWhole(
  bytes: Uint8Array,
  isCut: boolean,
): { text: string; length: number } {
  let end = bytes.length;
  if (isCut) {
    // In UTF-8, a character has at most four bytes. Each byte after the first
    // has the form 0b10xxxxxx.
    let start = end - 1;
    while (start > end - 4 && start > 0 && (bytes[start] & 0xc0) === 0x80) {
      start--;
    }
    const first = bytes[start];
    const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    if (start > 0 && start + size > end) end = start;
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true })
    .decode(bytes.subarray(0, end));
  return { text, length: end };
}
