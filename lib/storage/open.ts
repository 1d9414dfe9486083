import { HttpStorage } from "./http.ts";
import { LocalStorage } from "./local.ts";
import { S3Storage } from "./s3.ts";
import type { Storage } from "./storage.ts";

/**
 * Opens the storage that a location names: `s3://bucket/prefix`, an address
 * that begins with `http://` or `https://`, or else a folder.
 *
 * @param location Where the objects are.
 * @param env The environment, for the keys; see
 * {@linkcode S3Storage.fromLocation}.
 * @throws {TypeError} If it is none of these.
 *
 * @example A folder
 * ```ts
 * import { LocalStorage, openStorage } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * assert.ok(openStorage("backups") instanceof LocalStorage);
 * ```
 */
export function openStorage(
  location: string,
  env: Record<string, string | undefined> = {},
): Storage {
  if (location.startsWith("s3://")) {
    return S3Storage.fromLocation(location, env);
  }
  if (/^https?:\/\//.test(location)) return new HttpStorage(location);
  if (/^\w[\w+.-]+:\/\//.test(location)) {
    throw new TypeError(
      "a repository is a folder, s3://bucket/prefix or http(s)://…; for other " +
        "services use rclone: rclone serve s3",
    );
  }
  return new LocalStorage(location);
}
