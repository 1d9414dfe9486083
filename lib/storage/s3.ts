import type { XmlElement } from "@rgrove/parse-xml";
import { checkAborted } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import type { ByteSource } from "../bytes/source.ts";
import { checkName, isName } from "./names.ts";
import { readWindow } from "./ranged_read.ts";
import { retried } from "./retry.ts";
import { S3Client, type S3Options } from "./s3_client.ts";
import { elementsIn, textIn } from "./s3_fault.ts";
import { isMarked, MARK, sizeOf, unlessAbsent } from "./s3_head.ts";
import { giveUp, putParts } from "./s3_multipart.ts";
import { parts } from "./s3_parts.ts";
import type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "./storage.ts";
import { readWindows } from "./read_ahead.ts";

/** The maximum number of objects in a listing. */
const MAX_OBJECTS = 10_000_000;
/**
 * The maximum number of successive pages of a listing without any object of
 * this storage.
 */
const MAX_EMPTY_PAGES = 1000;

/**
 * A bucket of Amazon S3 or of a compatible service (Ceph, MinIO, R2 and
 * others), or the objects under a prefix in such a bucket.
 *
 * A request that breaks off or is temporarily refused is tried up to eight
 * times, with growing random pauses. Objects of more than 5 MiB are uploaded in
 * parts, at most three at a time. Objects of more than 8 MiB are downloaded in
 * windows of that size, also at most three at a time.
 *
 * `ifAbsent` relies on the service: objects of up to 5 MiB are stored with
 * `If-None-Match: *`, and the uploads of larger objects are completed with the
 * same condition. Some services (Ceph before 20) support this condition only
 * for objects of up to 5 MiB. If two writers finish a larger object of the same
 * name on such a service at the same moment, the later object replaces the
 * earlier one.
 *
 * @example Open a bucket, as `--repo s3://bucket/prefix` does
 * ```ts
 * import { S3Storage } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const storage = S3Storage.fromLocation("s3://backups/laptop", {
 *   AWS_ENDPOINT_URL: "http://127.0.0.1:7480",
 *   AWS_ACCESS_KEY_ID: "key",
 *   AWS_SECRET_ACCESS_KEY: "secret",
 * });
 * assert.equal(storage.location, "s3://backups/laptop");
 * ```
 */
export class S3Storage implements Storage {
  /** The location for messages: `s3://bucket` or `s3://bucket/prefix`. */
  readonly location: string;
  readonly #client: S3Client;

  /**
   * Opens a bucket, which must exist. No request is sent yet.
   *
   * @param options The bucket, the access keys and the service.
   * @throws {TypeError} If the bucket name, the prefix, the region or the
   *   endpoint is invalid.
   */
  constructor(options: S3Options) {
    if (options.prefix && !isName(options.prefix)) {
      throw new TypeError(
        "invalid prefix after the bucket; use names joined by `/`",
      );
    }
    this.#client = new S3Client(options);
    this.location = this.#client.location;
  }

  /**
   * Opens the storage at a location.
   *
   * @param location The location: `s3://bucket` or `s3://bucket/prefix`.
   * @param env The environment variables: `AWS_ACCESS_KEY_ID`,
   *   `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION` or
   *   `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, and
   *   `DELTAR_S3_ADDRESSING` (`path` or `virtual`).
   * @throws {DeltarError} `not-found` if `env` contains no access keys.
   * @throws {TypeError} If the location, the region or the endpoint is invalid.
   */
  static fromLocation(
    location: string,
    env: Record<string, string | undefined>,
  ): S3Storage {
    const found = /^s3:\/\/([^/]+)\/*(.*?)\/*$/.exec(location);
    if (found === null) {
      throw new TypeError("invalid S3 location; use s3://bucket/prefix");
    }
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = env;
    if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
      throw new DeltarError(
        "not-found",
        "no access keys; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        { object: `s3://${found[1]}` },
      );
    }
    const addressing = env.DELTAR_S3_ADDRESSING;
    return new S3Storage({
      bucket: found[1],
      prefix: found[2],
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      sessionToken: env.AWS_SESSION_TOKEN || undefined,
      region: env.AWS_REGION || env.AWS_DEFAULT_REGION || undefined,
      endpoint: env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined,
      ...(addressing === "path" || addressing === "virtual") && { addressing },
    });
  }

  /** Reads an object; see {@linkcode Storage.get}. */
  async *get(
    name: string,
    options: GetOptions = {},
  ): AsyncGenerator<Uint8Array> {
    checkName(name);
    checkAborted(options.signal);
    yield* readWindows(name, (from, to, tag, signal) => {
      const request = { method: "GET", object: name, signal } as const;
      return readWindow(
        {
          name,
          send: (headers) => this.#client.send({ ...request, headers }, [416]),
          sizeOf: () => sizeOf(this.#client, name, signal),
          signal,
        },
        from,
        to,
        tag,
      );
    }, options);
  }

  /** Stores an object; see {@linkcode Storage.put}. */
  async put(
    name: string,
    source: ByteSource,
    options: PutOptions = {},
  ): Promise<void> {
    checkName(name);
    checkAborted(options.signal);
    const spare: Uint8Array<ArrayBuffer>[] = [];
    const pieces = parts(name, source, spare, options.signal);
    try {
      const begun: Uint8Array<ArrayBuffer>[] = [];
      while (begun.length < 2) {
        const { done, value } = await pieces.next();
        if (done) break;
        begun.push(value);
      }
      // A small object has a single part. An empty object has one empty part.
      if (begun.length === 1) await this.#putWhole(name, begun[0], options);
      else {
        await putParts(
          this.#client,
          name,
          { begun, rest: pieces, spare },
          options,
        );
      }
    } finally {
      await pieces.return(undefined);
    }
  }

  /** Lists the objects under a prefix; see {@linkcode Storage.list}. */
  async *list(prefix = ""): AsyncGenerator<StoredObject> {
    const before = this.#client.prefix;
    const pages = new Pages(this.location);
    let token: string | undefined;
    do {
      pages.next(token);
      const page = await this.#client.askXml({
        method: "GET",
        query: {
          "list-type": "2",
          "encoding-type": "url",
          prefix: before + prefix,
          ...token !== undefined && { "continuation-token": token },
        },
      });
      for (const object of elementsIn(page, "Contents")) {
        const key = decode(textIn(object, "Key") ?? "");
        if (!key?.startsWith(before + prefix)) continue;
        const name = key.slice(before.length);
        const size = Number(textIn(object, "Size") || NaN);
        if (!isName(name)) continue;
        if (!Number.isSafeInteger(size) || size < 0) continue;
        pages.object(key);
        yield { name, size };
      }
      token = nextOf(page, "NextContinuationToken", this.location);
    } while (token !== undefined);
  }

  /** Deletes an object; see {@linkcode Storage.delete}. */
  async delete(name: string): Promise<void> {
    checkName(name);
    await this.#client.ask({ method: "DELETE", object: name })
      .catch(unlessAbsent);
  }

  /**
   * Aborts unfinished uploads, such as those of killed writers, because the
   * service charges for their parts. Continues without an error if an upload
   * cannot be aborted.
   *
   * @param before The time in milliseconds since 1970. Only uploads that were
   *   begun earlier are aborted.
   * @throws {DeltarError} `io` if the service does not list the uploads;
   *   `limit` if the list is too long.
   */
  async tidy(before: number): Promise<void> {
    const { prefix } = this.#client;
    const pages = new Pages(this.location);
    let marker: Record<string, string> | undefined = {};
    while (marker !== undefined) {
      pages.next(JSON.stringify(marker));
      const page = await this.#client.askXml({
        method: "GET",
        query: { uploads: "", "encoding-type": "url", prefix, ...marker },
      });
      for (const upload of elementsIn(page, "Upload")) {
        const key = decode(textIn(upload, "Key") ?? "");
        const uploadId = textIn(upload, "UploadId") ?? "";
        // Several uploads can have the same key.
        pages.object(`${key} ${uploadId}`);
        const begun = Date.parse(textIn(upload, "Initiated") ?? "");
        if (!(begun < before) || !key?.startsWith(prefix)) continue;
        const object = key.slice(prefix.length);
        if (!isName(object)) continue;
        await giveUp(this.#client, object, uploadId);
      }
      const key = decode(nextOf(page, "NextKeyMarker", this.location) ?? "");
      const id = textIn(page, "NextUploadIdMarker") ?? "";
      marker = key ? { "key-marker": key, "upload-id-marker": id } : undefined;
    }
  }

  async #putWhole(
    name: string,
    body: Uint8Array<ArrayBuffer>,
    { ifAbsent, signal }: PutOptions,
  ): Promise<void> {
    const mark = crypto.randomUUID();
    await retried(async (before) => {
      try {
        const exchange = await this.#client.send({
          method: "PUT",
          object: name,
          headers: ifAbsent ? { "if-none-match": "*", [MARK]: mark } : {},
          body,
          signal,
        });
        await exchange.drop();
      } catch (error) {
        // If the response to an earlier attempt was lost, that attempt might
        // have stored the object.
        const isOurs = isExists(error) && before > 0 &&
          await isMarked(this.#client, name, mark, signal);
        if (!isOurs) throw error;
      }
    }, { signal });
  }
}

/**
 * A check of the pages of a listing. Its methods throw an error if a faulty
 * service seems to continue the listing forever.
 */
class Pages {
  readonly #location: string;
  /**
   * The first 12 bytes of the SHA-256 of each token and of each page's first
   * key, in hexadecimal.
   */
  readonly #seen = new Set<string>();
  #empty = 0;
  #objects = 0;

  constructor(location: string) {
    this.#location = location;
  }

  /**
   * Begins the next page.
   *
   * @param token The token of the page, which the previous page contained;
   *   `undefined` if there is no previous page.
   * @throws {DeltarError} `limit` if the token was seen before, or too many
   *   successive pages had no objects.
   */
  next(token: string | undefined): void {
    if (++this.#empty > MAX_EMPTY_PAGES) throw this.#endless();
    this.#note(`token ${token}`);
  }

  /**
   * Counts an object of the page.
   *
   * @param key The key of the object.
   * @throws {DeltarError} `limit` if another page began with the same object,
   *   or there are too many objects.
   */
  object(key: string): void {
    const isFirst = this.#empty > 0;
    this.#empty = 0;
    if (isFirst) this.#note(`key ${key}`);
    if (++this.#objects > MAX_OBJECTS) throw this.#endless();
  }

  /**
   * Records the token or first key of a page. Throws an error if another page
   * had the same token or first key.
   */
  #note(text: string): void {
    const sum = sha256(new TextEncoder().encode(text)).subarray(0, 12);
    const short = toHex(sum);
    if (this.#seen.has(short)) throw this.#endless();
    this.#seen.add(short);
  }

  #endless(): DeltarError {
    return new DeltarError(
      "limit",
      `the service's listing does not end or has more than ${MAX_OBJECTS} objects; ` +
        "check AWS_ENDPOINT_URL",
      { object: this.#location },
    );
  }
}

/**
 * Returns the token of the next page, which is the text of the element `name`,
 * or `undefined` if `page` is the last page.
 *
 * @throws {DeltarError} `io` if the list is incomplete and has no token.
 *   Without this error, the caller would treat the incomplete list as complete.
 */
function nextOf(
  page: XmlElement,
  name: string,
  location: string,
): string | undefined {
  if (textIn(page, "IsTruncated") !== "true") return undefined;
  const token = textIn(page, name);
  if (token) return token;
  throw new DeltarError(
    "io",
    `the service's listing is incomplete: missing ${name}`,
    {
      object: location,
    },
  );
}

/**
 * Decodes a key of a listing with `encoding-type=url`. Returns `undefined` if
 * the key is not valid text, and therefore not a key of this storage.
 */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}

function isExists(error: unknown): boolean {
  return error instanceof DeltarError && error.code === "exists";
}
