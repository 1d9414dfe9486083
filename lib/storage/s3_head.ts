import { DeltarError } from "../bytes/errors.ts";
import type { S3Client } from "./s3_client.ts";

/**
 * The name of the header field that has the random id of the `put` that stored
 * an object. If the response to an attempt is lost, the `put` uses this id to
 * check whether the attempt stored the object.
 */
export const MARK = "x-amz-meta-deltar-put";

/**
 * Returns whether an object was stored by the `put` with the given id.
 *
 * @param client The client of the bucket.
 * @param name The name of the object.
 * @param mark The id of the `put`.
 * @param signal The signal that aborts the request with an error of code
 *   `aborted`.
 */
export async function isMarked(
  client: S3Client,
  name: string,
  mark: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return await markOf(client, name, signal) === mark;
}

/**
 * Returns the id of the `put` that stored an object.
 *
 * @param client The client of the bucket.
 * @param name The name of the object.
 * @param signal The signal that aborts the request with an error of code
 *   `aborted`.
 * @returns The id, `""` if the object has none, or `undefined` if the object
 *   does not exist.
 */
export async function markOf(
  client: S3Client,
  name: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const headers = await head(client, name, signal).catch(unlessAbsent);
  return headers && (headers.get(MARK) ?? "");
}

/**
 * Returns the length of an object in bytes.
 *
 * @param client The client of the bucket.
 * @param name The name of the object.
 * @param signal The signal that aborts the request with an error of code
 *   `aborted`.
 * @throws {DeltarError} `not-found` if there is no such object; `io` if the
 *   request fails or the service does not send the length; `aborted` if the
 *   signal fired.
 */
export async function sizeOf(
  client: S3Client,
  name: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const length = (await head(client, name, signal)).get("content-length");
  const size = Number(length ?? NaN);
  if (Number.isSafeInteger(size)) return size;
  throw new DeltarError(
    "io",
    "the service does not send the object's length (Content-Length); use a " +
      "service that does",
    {
      object: name,
    },
  );
}

async function head(
  client: S3Client,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Headers> {
  const request = { object: name, signal } as const;
  try {
    return (await client.ask({ ...request, method: "HEAD" })).headers;
  } catch (error) {
    if (error instanceof DeltarError && error.code === "aborted") throw error;
    // The response to a refused HEAD does not contain the reason. The response
    // to this GET does.
    const headers = { range: "bytes=0-0" };
    await client.ask({ ...request, method: "GET", headers }, [416]);
    throw error;
  }
}

/**
 * Returns `undefined` for an error of code `not-found`, and throws any other
 * error.
 */
export function unlessAbsent(error: unknown): undefined {
  if (error instanceof DeltarError && error.code === "not-found") return;
  throw error;
}
