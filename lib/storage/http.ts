import { checkAborted } from "../bytes/abort.ts";
import { toBase64 } from "../bytes/base64.ts";
import { DeltarError } from "../bytes/errors.ts";
import { overlap } from "../bytes/overlap.ts";
import { Exchange, type Fetch } from "./exchange.ts";
import { checkName, isName } from "./names.ts";
import { readWindow } from "./read_window.ts";
import { PassingFault, retried } from "./retry.ts";
import type { GetOptions, Storage, StoredObject } from "./storage.ts";
import { readWindows } from "./windows.ts";

/** How many objects a listing asks for their lengths at once. */
const ASKING = 8;

/**
 * A folder on a web server, which can be read and not written: a copy of a
 * repository, or one that `rclone serve http`, nginx with `autoindex on` or
 * Apache shows. The server has to give byte ranges and listings of folders.
 *
 * @example A repository that others publish
 * ```ts
 * import { HttpStorage } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const storage = new HttpStorage("https://me:secret@example.com/backup");
 * assert.equal(storage.location, "https://example.com/backup");
 * ```
 */
export class HttpStorage implements Storage {
  /** The folder's address, without user, password and query. */
  readonly location: string;
  readonly #base: URL;
  readonly #headers: Record<string, string>;
  readonly #fetch: Fetch;

  /**
   * Opens a folder; nothing is asked of the server yet.
   *
   * @param url Its address. A user and password go into each request, as does
   * a query; messages do not show them.
   * @param options What sends requests, by default the runtime's `fetch`.
   * @throws {TypeError} If it is no `http:` or `https:` address.
   */
  constructor(url: string, options: { fetch?: Fetch } = {}) {
    const base = URL.canParse(url) ? new URL(url) : undefined;
    // It is not shown: it may hold a password.
    if (base === undefined || !/^https?:$/.test(base.protocol)) {
      throw new TypeError("not an http(s) address");
    }
    const { username, password } = base;
    this.#headers = username === "" && password === "" ? {} : {
      authorization: `Basic ${
        toBase64(
          new TextEncoder().encode(
            `${decodeURIComponent(username)}:${decodeURIComponent(password)}`,
          ),
        )
      }`,
    };
    base.username = base.password = base.hash = "";
    base.pathname = base.pathname.replace(/\/*$/, "/");
    this.#base = base;
    this.location = `${base.origin}${base.pathname}`.replace(/\/$/, "");
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init));
  }

  /** The bytes of an object; see {@linkcode Storage.get}. */
  async *get(
    name: string,
    options: GetOptions = {},
  ): AsyncGenerator<Uint8Array> {
    checkName(name);
    checkAborted(options.signal);
    yield* readWindows(name, (from, to, tag, signal) =>
      readWindow(
        {
          name,
          send: (headers) => this.#send("GET", name, headers, signal),
          sizeOf: () => this.#size(name, signal),
          signal,
        },
        from,
        to,
        tag,
      ), options);
  }

  /**
   * Refuses: a web server is read only.
   *
   * @throws {DeltarError} `unsupported`, always.
   */
  async put(name: string): Promise<void> {
    checkName(name);
    await Promise.reject(this.#readOnly(name));
  }

  /**
   * The objects under a prefix, as the server's pages link to them; see
   * {@linkcode Storage.list}.
   */
  async *list(prefix = ""): AsyncGenerator<StoredObject> {
    const names = this.#names(
      prefix.slice(0, prefix.lastIndexOf("/") + 1),
      prefix,
    );
    const found: StoredObject[] = [];
    await overlap(names, ASKING, async (name) => {
      try {
        found.push({ name, size: await this.#size(name, undefined) });
      } catch (error) {
        // It may have gone meanwhile.
        if (!isAbsence(error)) throw error;
      }
    });
    yield* found;
  }

  /**
   * Refuses: a web server is read only.
   *
   * @throws {DeltarError} `unsupported`, always.
   */
  async delete(name: string): Promise<void> {
    checkName(name);
    await Promise.reject(this.#readOnly(name));
  }

  /** The names in a folder and those below it that start with `prefix`. */
  async *#names(folder: string, prefix: string): AsyncGenerator<string> {
    let page: string;
    try {
      page = await this.#page(folder);
    } catch (error) {
      // A folder is there as long as it holds something.
      if (folder !== "" && isAbsence(error)) return;
      throw error;
    }
    const place = this.#url(folder);
    const seen = new Set<string>();
    for (
      const [, quoted] of page.matchAll(/<a\s[^>]*?href\s*=\s*"([^"]*)"/gi)
    ) {
      const name = nameOf(quoted, place, folder);
      if (name === undefined || seen.has(name)) continue;
      seen.add(name);
      if (name.endsWith("/")) {
        const isInside = name.startsWith(prefix) || prefix.startsWith(name);
        if (isInside) yield* this.#names(name, prefix);
      } else if (name.startsWith(prefix)) yield name;
    }
  }

  /** The page on which the server lists a folder. */
  async #page(folder: string): Promise<string> {
    return await retried(async () => {
      const exchange = await this.#send("GET", folder, {}, undefined);
      const type = exchange.response.headers.get("content-type") ?? "";
      const text = await exchange.text();
      if (/^text\/html\b/i.test(type)) return text;
      throw new DeltarError(
        "io",
        "the server shows no list of this folder; have it do so (nginx: " +
          "autoindex on; or use rclone serve http)",
        { object: folder || this.location },
      );
    }, {});
  }

  async #size(name: string, signal: AbortSignal | undefined): Promise<number> {
    return await retried(async () => {
      const encoding = { "accept-encoding": "identity" };
      const exchange = await this.#send("HEAD", name, encoding, signal);
      await exchange.drop();
      const size = Number(
        exchange.response.headers.get("content-length") ?? NaN,
      );
      if (Number.isSafeInteger(size)) return size;
      throw new DeltarError("io", "the server does not tell its length", {
        object: name,
      });
    }, { signal });
  }

  async #send(
    method: string,
    name: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Exchange> {
    const exchange = await Exchange.begin(this.#fetch, {
      method,
      url: this.#url(name).href,
      headers: new Headers({
        ...headers,
        // Some runtimes ask for compressed answers by themselves.
        "accept-encoding": "identity",
        ...this.#headers,
      }),
      signal,
      redirect: "follow",
    });
    const { status, ok } = exchange.response;
    if (ok || (status === 416 && method === "GET")) return exchange;
    await exchange.drop();
    throw this.#refusal(status, method, name || this.location);
  }

  #refusal(status: number, method: string, object: string): Error {
    if (status === 404 || status === 410) {
      return new DeltarError("not-found", "no such object", { object });
    }
    if (status === 412) {
      return new DeltarError("io", "it was replaced while it was read", {
        object,
      });
    }
    const what = status === 401
      ? "the server wants a user and a password: http://user:password@host/"
      : status === 403
      ? "the server refuses to show it; check its rights"
      : `the server answered ${method} with ${status}`;
    const fault = new DeltarError("io", what, { object });
    const passes = status >= 500 && status !== 501 || status === 429 ||
      status === 408;
    return passes ? new PassingFault(fault) : fault;
  }

  #url(name: string): URL {
    const url = new URL(this.#base);
    url.pathname += name.split("/").map(encodeURIComponent).join("/");
    return url;
  }

  #readOnly(name: string): DeltarError {
    return new DeltarError("unsupported", "a web server can only be read", {
      object: name,
    });
  }
}

/** What a link on the page of a folder names, if it lies right in it. */
function nameOf(
  quoted: string,
  place: URL,
  folder: string,
): string | undefined {
  try {
    const url = new URL(quoted.replaceAll("&amp;", "&"), place);
    const isBelow = url.origin === place.origin &&
      url.pathname.startsWith(place.pathname);
    if (!isBelow) return undefined;
    const rest = decodeURIComponent(url.pathname.slice(place.pathname.length));
    const isOne = /^[^/]+\/?$/.test(rest);
    return isOne && isName(folder + rest.replace(/\/$/, ""))
      ? folder + rest
      : undefined;
  } catch {
    return undefined;
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof DeltarError && error.code === "not-found";
}
