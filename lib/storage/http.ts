import { checkAborted } from "../bytes/abort.ts";
import { toBase64 } from "../bytes/base64.ts";
import { DeltarError } from "../bytes/errors.ts";
import { forEachConcurrent } from "../bytes/for_each_concurrent.ts";
import { Exchange, type Fetch } from "./exchange.ts";
import { readFolderPage } from "./folder_page.ts";
import { checkName } from "./names.ts";
import { readWindow } from "./read_window.ts";
import { PassingFault, retried } from "./retry.ts";
import type { GetOptions, Storage, StoredObject } from "./storage.ts";
import { readWindows } from "./windows.ts";

/** The number of objects whose lengths a listing requests at once. */
const CONCURRENT_LENGTH_REQUESTS = 8;
/** The maximum number of folders that a listing goes through. */
const MOST_FOLDERS = 4096;
/** The maximum number of folders that a name may lie in. */
const MOST_DEPTH = 16;
/** The largest page that lists a folder, in bytes: of some 100,000 names. */
const MOST_PAGE = 16 << 20;
/** The maximum number of objects that a listing may have. */
const MOST_OBJECTS = 1_000_000;
/**
 * The number of objects that may always be gone between a page and a look at
 * them.
 */
const MOST_ABSENT = 1000;

/** Options for a web server. */
export interface HttpOptions {
  /** The function that sends requests, in place of the runtime's `fetch`. */
  fetch?: Fetch;
  /**
   * The maximum time in milliseconds for which the server may send nothing, or
   * fewer than 1,024 bytes a second. Default: a minute.
   */
  patience?: number;
}

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
  readonly #patience: number | undefined;

  /**
   * Opens a folder; nothing is asked of the server yet.
   *
   * @param url Its address. A user and password go into each request, as does
   * a query; messages do not show them.
   * @param options What sends requests, by default the runtime's `fetch`; and
   * how long the server may be silent, in milliseconds, by default a minute.
   * @throws {TypeError} If it is not an `http:` or `https:` address.
   */
  constructor(url: string, options: HttpOptions = {}) {
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
    this.#patience = options.patience;
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
   * Refuses to write, because a web server is read-only.
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
    let absent = 0;
    await forEachConcurrent(names, CONCURRENT_LENGTH_REQUESTS, async (name) => {
      if (found.length >= MOST_OBJECTS) {
        throw new DeltarError(
          "limit",
          `the server lists more than ${MOST_OBJECTS} objects`,
          { object: prefix || this.location },
        );
      }
      try {
        found.push({ name, size: await this.#size(name, undefined) });
      } catch (error) {
        if (!isAbsence(error)) throw error;
        // It may have gone meanwhile, but not most of them.
        if (++absent <= Math.max(MOST_ABSENT, found.length)) return;
        throw new DeltarError(
          "io",
          `the server lists ${absent} objects that it does not have; if many ` +
            "are being deleted there, try again later",
          { object: prefix || this.location },
        );
      }
    });
    yield* found;
  }

  /**
   * Refuses to write, because a web server is read-only.
   *
   * @throws {DeltarError} `unsupported`, always.
   */
  async delete(name: string): Promise<void> {
    checkName(name);
    await Promise.reject(this.#readOnly(name));
  }

  /** The names in a folder and those below it that start with `prefix`. */
  async *#names(folder: string, prefix: string): AsyncGenerator<string> {
    let left = MOST_FOLDERS;
    const open = [folder];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (left-- <= 0 || at.split("/").length - 1 > MOST_DEPTH) {
        throw new DeltarError(
          "limit",
          `the server lists more than ${MOST_FOLDERS} folders, or folders ` +
            `more than ${MOST_DEPTH} deep`,
          { object: at },
        );
      }
      for (const name of await this.#listed(at)) {
        if (!name.endsWith("/")) {
          if (name.startsWith(prefix)) yield name;
        } else if (name.startsWith(prefix) || prefix.startsWith(name)) {
          open.push(name);
        }
      }
    }
  }

  /**
   * The names in a folder; none if it is not there. That a server does not know
   * an address does not tell: it may just not list folders. What tells is that
   * the page of the folder above does not name it.
   */
  async #listed(folder: string): Promise<Iterable<string>> {
    const names = await this.#page(folder);
    if (names !== undefined) return names;
    const steps = folder.split("/").slice(0, -1);
    for (let above = ""; steps.length > 0;) {
      const around = await this.#page(above);
      if (around === undefined) break;
      const next = `${above}${steps.shift()}/`;
      if (!around.has(next)) return [];
      above = next;
    }
    throw this.#listless(folder);
  }

  #listless(folder: string): DeltarError {
    const what = folder === ""
      ? "the server has no such folder or does not list it; check the " +
        "address, and"
      : "the server does not list this folder, so what is in it is unknown;";
    return new DeltarError(
      "io",
      `${what} have it list folders (nginx: autoindex on; or use rclone serve ` +
        "http)",
      { object: folder || this.location },
    );
  }

  /**
   * The names on the page of a folder, `undefined` if the server has no such
   * page.
   */
  async #page(folder: string): Promise<Set<string> | undefined> {
    return await retried(async () => {
      let exchange: Exchange;
      try {
        exchange = await this.#send("GET", folder, {}, undefined);
      } catch (error) {
        if (isAbsence(error)) return undefined;
        throw error;
      }
      const type = exchange.response.headers.get("content-type") ?? "";
      if (!/^text\/html\b/i.test(type)) {
        await exchange.drop();
        throw this.#listless(folder);
      }
      const text = await exchange.text(MOST_PAGE);
      const page = readFolderPage(text, this.#url(folder), folder);
      if (!page.isListing) throw this.#listless(folder);
      return page.names;
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
      patience: this.#patience,
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

function isAbsence(error: unknown): boolean {
  return error instanceof DeltarError && error.code === "not-found";
}
