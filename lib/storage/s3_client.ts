import { parseXml, type XmlElement } from "@rgrove/parse-xml";
import { AwsV4Signer } from "aws4fetch";
import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import { Exchange, type Fetch } from "./exchange.ts";
import { retried } from "./retry.ts";
import { faultOf } from "./s3_fault.ts";

/** Options for an `S3Storage`. */
export interface S3Options {
  /** The name of the bucket. */
  bucket: string;
  /**
   * The prefix of the keys of all objects, without a `/` at the end. Default:
   * no prefix.
   */
  prefix?: string;
  /** The id of the access key. */
  accessKeyId: string;
  /** The secret key, which is kept out of all messages. */
  secretAccessKey: string;
  /** The session token of temporary keys. */
  sessionToken?: string;
  /**
   * The region. Default: `us-east-1`, which most services other than Amazon's
   * accept.
   */
  region?: string;
  /** The URL of the service. Default: the URL of Amazon S3 in the region. */
  endpoint?: string;
  /**
   * The place of the bucket's name in URLs: `path` for the path, `virtual` for
   * the first part of the host name. Default: `path` if `endpoint` is set or
   * the bucket's name has dots, which Amazon's certificates do not cover;
   * otherwise `virtual`.
   */
  addressing?: "path" | "virtual";
  /** The function that sends requests. Default: the runtime's `fetch`. */
  fetch?: Fetch;
  /**
   * The time in milliseconds after which a request fails if the service sends
   * nothing, or fewer than 1,024 bytes a second. Default: one minute.
   */
  patience?: number;
}

/** A request to an S3 service. */
export interface S3Request {
  /** The HTTP method of the request. */
  method: "DELETE" | "GET" | "HEAD" | "POST" | "PUT";
  /**
   * The name of the object without the prefix; absent if the request is for the
   * bucket.
   */
  object?: string;
  /** The parameters of the query. */
  query?: Record<string, string>;
  /** Additional header fields. */
  headers?: Record<string, string>;
  /** The body of the request. Default: none. */
  body?: Uint8Array<ArrayBuffer>;
  /** A signal that aborts the request. */
  signal?: AbortSignal;
  /**
   * The value of {@linkcode S3Options.patience} for this request. Default: the
   * value in the options of the client.
   */
  patience?: number;
}

/** The maximum number of XML tags in a response. */
const MAX_TAGS = 100_000;

const EMPTY = toHex(sha256(new Uint8Array()));

/** A client for one bucket. It signs and sends requests. */
export class S3Client {
  /** The location for messages: `s3://bucket` or `s3://bucket/prefix`. */
  readonly location: string;
  /** The prefix of all object keys: empty, or ending with `/`. */
  readonly prefix: string;
  readonly #options: S3Options;
  readonly #fetch: Fetch;
  readonly #base: URL;

  /**
   * Makes a client. No request is sent yet.
   *
   * @param options The bucket, the access keys and the service.
   * @throws {TypeError} If the bucket name, the region or the endpoint is
   *   invalid.
   */
  constructor(options: S3Options) {
    const { bucket, prefix = "", region = "us-east-1", endpoint } = options;
    if (!/^[\w][\w.-]{1,254}$/.test(bucket)) {
      // The message does not quote the name, because a user might have entered
      // an access key as the name by mistake.
      throw new TypeError(
        "invalid bucket name; use 2 to 255 letters, digits, `.`, `_` and `-`, " +
          "not beginning with `.` or `-`",
      );
    }
    this.#options = { ...options, region };
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init));
    this.prefix = prefix === "" ? "" : `${prefix}/`;
    this.location = `s3://${bucket}${prefix && `/${prefix}`}`;
    this.#base = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
    const { username, password, protocol } = this.#base;
    if (username || password || !/^https?:$/.test(protocol)) {
      throw new TypeError(
        "invalid S3 endpoint; use an http(s) URL without a user name or password",
      );
    }
    const isVirtual = endpoint === undefined && !bucket.includes(".");
    if ((options.addressing ?? (isVirtual ? "virtual" : "path")) === "path") {
      this.#base.pathname = this.#base.pathname.replace(/\/*$/, `/${bucket}/`);
    } else this.#base.host = `${bucket}.${this.#base.host}`;
  }

  /**
   * Sends a request once, and waits for the status and header fields of the
   * response.
   *
   * @param request The request.
   * @param accept The statuses that are accepted in addition to 2xx statuses.
   * @returns The exchange, for reading the body of the response.
   * @throws {DeltarError} If the service refuses the request or the signal
   *   fires.
   * @throws {PassingFault} If the service temporarily refuses the request, the
   *   connection breaks or the service does not answer.
   */
  async send(request: S3Request, accept: number[] = []): Promise<Exchange> {
    const { method, object, query = {}, body, signal } = request;
    const { patience = this.#options.patience } = request;
    const key = object === undefined ? "" : this.prefix + object;
    const url = new URL(this.#base);
    url.pathname += key.split("/").map(encode).join("/");
    if (key === "" && url.pathname !== "/") {
      url.pathname = url.pathname.replace(/\/$/, "");
    }
    url.search = new URLSearchParams(query).toString();
    const headers = new Headers(request.headers);
    headers.set("x-amz-content-sha256", body ? toHex(sha256(body)) : EMPTY);
    const { accessKeyId, secretAccessKey, sessionToken, region } =
      this.#options;
    const signed = await new AwsV4Signer({
      method,
      url: url.href,
      headers,
      accessKeyId,
      secretAccessKey,
      sessionToken,
      region,
      service: "s3",
      datetime: new Date(Date.now()).toISOString()
        .replaceAll(/[:-]|\.\d{3}/g, ""),
    }).sign();
    const exchange = await Exchange.begin(this.#fetch, {
      method,
      url: signed.url.href,
      headers: signed.headers,
      body,
      signal,
      patience,
    });
    const { ok, status } = exchange.response;
    if (ok || accept.includes(status)) return exchange;
    throw await this.refusal(request, exchange);
  }

  /**
   * Sends a request, and retries it after temporary faults. Returns the header
   * fields and the body, as text, of the response.
   */
  ask(
    request: S3Request,
    accept?: number[],
  ): Promise<{ headers: Headers; text: string }> {
    return retried(async () => {
      const exchange = await this.send(request, accept);
      const { headers } = exchange.response;
      const text = await exchange.text();
      return { headers, text };
    }, { signal: request.signal });
  }

  /**
   * Sends a request, and retries it after temporary faults. Parses the body of
   * the response as XML, and returns the root element.
   */
  askXml(request: S3Request): Promise<XmlElement> {
    return retried(async () => {
      const exchange = await this.send(request);
      const text = await exchange.text();
      let root: XmlElement | null = null;
      try {
        checkTags(text);
        root = parseXml(text.trimStart()).root;
      } catch {
        // `root` remains `null`, which is reported below.
      }
      // The service begins its response to a slow POST before the outcome is
      // known, so the body can be an error although the status is 200.
      if (root?.name === "Error") {
        throw this.#fault(request, exchange.response, text, 500);
      }
      if (root === null) {
        throw new DeltarError(
          "io",
          "the endpoint is not an S3 service; check AWS_ENDPOINT_URL " +
            `(${this.#base.origin})`,
          { object: this.location },
        );
      }
      return root;
    }, { signal: request.signal });
  }

  /** Returns the error for a request that the service refused. */
  async refusal(request: S3Request, exchange: Exchange): Promise<Error> {
    const text = await exchange.text();
    const { response } = exchange;
    return this.#fault(request, response, text, response.status);
  }

  #fault(
    { method, object }: S3Request,
    { headers }: Response,
    text: string,
    status: number,
  ): Error {
    return faultOf({
      method,
      object,
      bucket: this.location,
      endpoint: this.#base.origin,
      status,
      headers,
      text: this.#redact(text),
    });
  }

  /**
   * Returns a text with `…` in place of the access keys and the session token.
   */
  #redact(text: string): string {
    const { accessKeyId, secretAccessKey, sessionToken } = this.#options;
    for (const secret of [accessKeyId, secretAccessKey, sessionToken]) {
      if (secret) text = text.replaceAll(secret, "…");
    }
    return text;
  }
}

/**
 * Throws an error if an XML text has more than 100,000 tags, because a parsed
 * tag takes many times the memory of its text. A response that lists 1,000
 * objects, the maximum, has far fewer tags.
 */
function checkTags(text: string): void {
  let left = MAX_TAGS;
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at + 1)) {
    if (left-- === 0) throw new Error("too many tags");
  }
}

/**
 * Percent-encodes a segment of an object key, except for the unreserved
 * characters of RFC 3986, section 2.3.
 */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
