import { checkAborted } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import type { S3Client } from "./s3_client.ts";
import { textIn } from "./s3_fault.ts";
import { isMarked, MARK, markOf } from "./s3_head.ts";
import { MAX_SENDING_BYTES } from "./s3_parts.ts";
import type { PutOptions } from "./storage.ts";

/**
 * The time in milliseconds after which the request to join the parts of an
 * object fails if the service sends nothing.
 */
const MAX_COMPLETION_MS = 300_000;

/** The parts of an upload. */
export interface Parts {
  /** The first parts, which have already been read from the source. */
  begun: Uint8Array<ArrayBuffer>[];
  /** The remaining parts. */
  rest: AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** The buffers of sent parts, for reuse. */
  spare: Uint8Array<ArrayBuffer>[];
}

/**
 * Stores an object in parts, completely or not at all.
 *
 * @param client The client of the bucket.
 * @param name The name of the object.
 * @param parts The parts of the object.
 * @param options Options for storing the object.
 * @throws {DeltarError} `exists` if `ifAbsent` is set and the name is taken;
 *   `io` if a request fails; `aborted` if the signal fired; and the errors of
 *   reading the parts.
 */
export async function putParts(
  client: S3Client,
  name: string,
  parts: Parts,
  options: PutOptions,
): Promise<void> {
  const { signal } = options;
  const mark = crypto.randomUUID();
  const upload = textIn(
    await client.askXml({
      method: "POST",
      object: name,
      query: { uploads: "" },
      headers: { [MARK]: mark },
      signal,
    }),
    "UploadId",
  ) ?? "";
  try {
    const tags = await sendParts(client, name, upload, parts, signal);
    await complete(client, name, upload, tags, mark, options);
  } catch (error) {
    await giveUp(client, name, upload);
    throw error;
  }
}

/**
 * Sends several parts at a time, and returns the entity tags of all parts, in
 * the order of the parts.
 */
async function sendParts(
  client: S3Client,
  name: string,
  upload: string,
  { begun, rest, spare }: Parts,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const tags: string[] = [];
  const sending = new Set<Promise<void>>();
  const stop = new AbortController();
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  let bytes = 0;
  let count = 0;
  let failure: { error: unknown } | undefined;
  const send = async (body: Uint8Array<ArrayBuffer>) => {
    while (sending.size > 0 && bytes + body.length > MAX_SENDING_BYTES) {
      await Promise.race(sending);
    }
    if (failure !== undefined) throw failure.error;
    const n = ++count;
    bytes += body.length;
    const sent = client.ask({
      method: "PUT",
      object: name,
      query: { partNumber: `${n}`, uploadId: upload },
      body,
      signal: both,
    }).then(({ headers }) => {
      tags[n - 1] = headers.get("etag") ?? "";
      spare.push(body);
    }).catch((error) => {
      failure ??= { error };
      stop.abort();
    }).finally(() => {
      bytes -= body.length;
      sending.delete(sent);
    });
    sending.add(sent);
  };
  try {
    for (const part of begun.splice(0)) await send(part);
    for await (const part of rest) await send(part);
  } catch (error) {
    stop.abort();
    await Promise.all(sending);
    throw error;
  }
  await Promise.all(sending);
  if (failure !== undefined) throw failure.error;
  return tags;
}

async function complete(
  client: S3Client,
  name: string,
  upload: string,
  tags: string[],
  mark: string,
  { ifAbsent, signal }: PutOptions,
): Promise<void> {
  // Some services ignore `if-none-match` in the request below, so another
  // request first checks whether the object exists.
  if (ifAbsent && await markOf(client, name, signal) !== undefined) {
    throw new DeltarError("exists", "the object already exists", {
      object: name,
    });
  }
  const list = tags.map((tag, at) =>
    `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escape(tag)}</ETag></Part>`
  );
  const body = `<CompleteMultipartUpload>${
    list.join("")
  }</CompleteMultipartUpload>`;
  try {
    await client.askXml({
      method: "POST",
      object: name,
      query: { uploadId: upload },
      headers: {
        "content-type": "application/xml",
        ...ifAbsent && { "if-none-match": "*" },
      },
      body: new TextEncoder().encode(body),
      signal,
      patience: MAX_COMPLETION_MS,
    });
  } catch (error) {
    // If the response to an earlier attempt was lost, that attempt might have
    // completed the upload.
    checkAborted(signal);
    if (!await isMarked(client, name, mark, signal)) throw error;
  }
}

/**
 * Aborts an upload, and ignores any error.
 *
 * @param client The client of the bucket.
 * @param object The name of the object.
 * @param uploadId The ID that the service gave the upload.
 */
export async function giveUp(
  client: S3Client,
  object: string,
  uploadId: string,
): Promise<void> {
  await client.ask({ method: "DELETE", object, query: { uploadId } })
    .catch(() => {});
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
