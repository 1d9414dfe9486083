import { HttpStorage } from "./http.ts";
import { LocalStorage } from "./local.ts";
import { S3Storage } from "./s3.ts";
import type { Storage } from "./storage.ts";

/**
 * Opens the storage at a location: `s3://bucket/prefix`, a URL that begins with
 * `http://` or `https://`, or else the path of a folder.
 *
 * @param location The location of the objects.
 * @param env The environment variables, which contain the access keys for S3;
 *   see {@linkcode S3Storage.fromLocation}. Default: no variables.
 * @throws {TypeError} If the location is invalid or begins with another scheme,
 *   or if it is on S3 and `env` contains an invalid region or endpoint.
 * @throws {DeltarError} `not-found` if the location is on S3 and `env` contains
 *   no access keys.
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
      "unsupported kind of location; use a folder, s3://bucket/prefix or " +
        "http(s)://…, or serve another service with `rclone serve s3`",
    );
  }
  return new LocalStorage(location);
}
