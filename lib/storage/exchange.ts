import { codeOf, DeltarError } from "../bytes/errors.ts";
import { concat } from "../bytes/source.ts";
import { PassingFault } from "./retry.ts";

/** A function that sends a request: `fetch` or a substitute. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A request to an HTTP server. */
export interface Request {
  /** The HTTP method, such as `GET`. */
  method: string;
  /** The URL of the request, without user and password. */
  url: string;
  /** The header fields of the request. */
  headers: Headers;
  /** The body of the request. Default: none. */
  body?: Uint8Array<ArrayBuffer>;
  /**
   * The treatment of redirects: with `follow`, redirects are followed; with
   * `manual`, they are returned as responses. Default: `manual`.
   */
  redirect?: "follow" | "manual";
  /** A signal that aborts the exchange. */
  signal?: AbortSignal;
  /**
   * The maximum time without any progress, in milliseconds. Default: one
   * minute.
   */
  patience?: number;
}

const DEFAULT_PATIENCE_MS = 60_000;
/**
 * The assumed minimum rate at which a request body is sent, in bytes per
 * millisecond. The time that the whole body takes at this rate is added to
 * `patience`.
 */
const MIN_UPLOAD_BYTES_PER_MS = 32;
/**
 * The minimum rate of a response body in bytes per second, averaged over
 * `patience`.
 */
const MIN_BYTES_PER_SECOND = 1024;
/** The maximum number of attempts at a request whose responses are too slow. */
const MAX_SLOW_ATTEMPTS = 3;
/** The default maximum size of a response that is read as text, in bytes. */
const MAX_TEXT_BYTES = 4 << 20;

/**
 * A request and its response. The exchange fails with a `PassingFault` if the
 * connection breaks, delivers nothing for `patience` milliseconds, or delivers
 * fewer than 1,024 bytes a second over that time. Time during which the caller
 * is not reading the body does not count.
 */
export class Exchange {
  /** The response. Its body is read through this exchange. */
  readonly response: Response;
  readonly #watch: Watch;

  private constructor(response: Response, watch: Watch) {
    this.response = response;
    this.#watch = watch;
  }

  /**
   * Sends a request and waits for the status and header fields of the response.
   *
   * @throws {PassingFault} If the request fails.
   * @throws {DeltarError} `aborted` if the signal fired.
   */
  static async begin(fetch: Fetch, request: Request): Promise<Exchange> {
    const { method, url, headers, body, patience = DEFAULT_PATIENCE_MS } =
      request;
    const watch = new Watch(request, patience);
    const sending = (body?.length ?? 0) / MIN_UPLOAD_BYTES_PER_MS;
    const response = await watch.over(
      () =>
        fetch(url, {
          method,
          headers,
          ...body !== undefined && { body },
          signal: watch.signal,
          redirect: request.redirect ?? "manual",
        }),
      patience + sending,
    );
    return new Exchange(response, watch);
  }

  /** Yields the body of the response, chunk by chunk. */
  async *body(): AsyncGenerator<Uint8Array> {
    const reader = this.response.body?.getReader();
    if (reader === undefined) return this.#watch.end();
    let done = false;
    let waited = 0;
    let got = 0;
    try {
      while (!done) {
        const asked = performance.now();
        const next = await this.#watch.over(() => reader.read());
        done = next.done;
        waited += performance.now() - asked;
        got += next.value?.length ?? 0;
        if (!done && waited >= this.#watch.patience) {
          if (got < waited / 1000 * MIN_BYTES_PER_SECOND) {
            throw this.#watch.trickles();
          }
          waited = got = 0;
        }
        if (next.value !== undefined) yield next.value;
      }
    } finally {
      if (!done) await reader.cancel().catch(() => {});
      this.#watch.end();
    }
  }

  /**
   * Returns the body as text.
   *
   * @param most The maximum size of the body in bytes.
   * @throws {DeltarError} `limit` if the body is larger.
   */
  async text(most: number = MAX_TEXT_BYTES): Promise<string> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of this.body()) {
      length += part.length;
      if (length > most) {
        const { host } = new URL(this.#watch.url);
        throw new DeltarError(
          "limit",
          `the response is too large: more than ${most} bytes; check the address`,
          {
            object: host,
          },
        );
      }
      parts.push(part);
    }
    return new TextDecoder().decode(concat(parts));
  }

  /** Ends the exchange without reading the rest of the response. */
  async drop(): Promise<void> {
    await this.response.body?.cancel().catch(() => {});
    this.#watch.end();
  }
}

/**
 * A timer for an exchange. It aborts the exchange if a step takes too long, and
 * makes the errors for failed steps.
 */
class Watch {
  readonly #stop = new AbortController();
  /** The maximum time without any progress, in milliseconds. */
  readonly patience: number;
  readonly #request: Request;
  readonly #onAbort = () => this.#stop.abort();
  #impatient = false;

  constructor(request: Request, patience: number) {
    this.#request = request;
    this.patience = patience;
    const { signal } = request;
    signal?.addEventListener("abort", this.#onAbort);
    if (signal?.aborted) this.#onAbort();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get url(): string {
    return this.#request.url;
  }

  /**
   * Aborts the request, and returns the error for a response that is too slow.
   */
  trickles(): PassingFault {
    this.#stop.abort();
    const fault = new DeltarError(
      "io",
      `the server sends fewer than ${MIN_BYTES_PER_SECOND} bytes a second; check the network ` +
        "and try again",
      { object: new URL(this.url).host },
    );
    return new PassingFault(fault, { attempts: MAX_SLOW_ATTEMPTS });
  }

  /**
   * Awaits one step of the exchange, and aborts the exchange if the step takes
   * longer than `patience` milliseconds.
   */
  async over<Result>(
    step: () => Promise<Result>,
    patience = this.patience,
  ): Promise<Result> {
    const timer = setTimeout(() => {
      this.#impatient = true;
      this.#stop.abort();
    }, patience);
    try {
      return await step();
    } catch (cause) {
      this.end();
      throw this.#explain(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#request.signal?.removeEventListener("abort", this.#onAbort);
  }

  #explain(cause: unknown): unknown {
    const { signal, url } = this.#request;
    const { host } = new URL(url);
    if (signal?.aborted) {
      return new DeltarError(
        "aborted",
        "the request was stopped by the caller",
        {
          cause: signal.reason,
        },
      );
    }
    const fail = (what: string, attempts?: number) =>
      new PassingFault(
        new DeltarError("io", what, { object: host, cause }),
        { attempts },
      );
    if (this.#impatient) {
      return fail(
        "the server does not answer; check the network and try again",
      );
    }
    const words = wordsOf(cause);
    if (UNREACHABLE.test(words)) {
      return fail(
        "the server cannot be reached; check the address and the network " +
          `(${shorten(words)})`,
        4,
      );
    }
    if (REDIRECTS.test(words)) {
      return fail("the server redirects endlessly; check the address", 1);
    }
    if (UNTRUSTED.test(words)) {
      return fail(
        "the server's certificate is not trusted; check the address and the " +
          `certificate (${shorten(words)})`,
        1,
      );
    }
    return fail(`the connection broke; try again (${shorten(words)})`);
  }
}

/**
 * The pattern of the messages with which Deno, Bun and Node report a host that
 * cannot be reached.
 */
const UNREACHABLE =
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ConnectionRefused|FailedToOpenSocket|Unable to connect|dns error|tcp connect error|bad port/i;
/**
 * The pattern of the messages with which Deno, Bun and Node report too many
 * redirects.
 */
const REDIRECTS = /redirect/i;
const UNTRUSTED = /certificate|self.signed|CERT_|UnknownIssuer/i;

/** Returns the messages and codes of an error and of its causes. */
function wordsOf(cause: unknown): string {
  const words: string[] = [];
  for (let at = cause; at instanceof Error && words.length < 8;) {
    const code = codeOf(at);
    if (code !== undefined && !at.message.includes(code)) {
      words.push(code);
    }
    if (at.message !== "") words.push(at.message);
    at = at instanceof AggregateError ? at.errors[0] : at.cause;
  }
  return words.length > 0 ? words.join(": ") : String(cause);
}

/**
 * Returns a message as one line of at most 200 characters, without URLs. The
 * error names the host separately.
 */
function shorten(words: string): string {
  return words.replaceAll(/\(?\bhttps?:\/\/[^\s)]*\)?/g, "").replaceAll(
    /\s+/g,
    " ",
  ).slice(0, 200).trim();
}
