import { DeltarError } from "../bytes/errors.ts";
import type { S3Client } from "./s3_client.ts";

/** Marks what a `put` stored, so that it knows its own work again. */
export const MARK = "x-amz-meta-deltar-put";

/** Returns whether an object has a mark. */
export async function isMarked(
  client: S3Client,
  name: string,
  mark: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return await markOf(client, name, signal) === mark;
}

/** The mark of an object, empty without one; nothing if it is not there. */
export async function markOf(
  client: S3Client,
  name: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const headers = await head(client, name, signal).catch(unlessAbsent);
  return headers && (headers.get(MARK) ?? "");
}

/** The length of an object in bytes. */
export async function sizeOf(
  client: S3Client,
  name: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const length = (await head(client, name, signal)).get("content-length");
  const size = Number(length ?? NaN);
  if (Number.isSafeInteger(size)) return size;
  throw new DeltarError("io", "the service does not tell its length", {
    object: name,
  });
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
    // A HEAD that is refused does not say why; this does.
    const headers = { range: "bytes=0-0" };
    await client.ask({ ...request, method: "GET", headers }, [416]);
    throw error;
  }
}

/** Takes it that something is not there; all else is thrown. */
export function unlessAbsent(error: unknown): undefined {
  if (error instanceof DeltarError && error.code === "not-found") return;
  throw error;
}
