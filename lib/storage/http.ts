import { checkAborted } from "../bytes/abort.ts";
import { toBase64 } from "../bytes/base64.ts";
import { DeltarError } from "../bytes/errors.ts";
import { forEachConcurrent } from "../bytes/for_each_concurrent.ts";
import { Exchange, type Fetch } from "./exchange.ts";
import { readFolderPage } from "./folder_page.ts";
import { checkName } from "./names.ts";
import { readWindow } from "./ranged_read.ts";
import { PassingFault, retried } from "./retry.ts";
import type { GetOptions, Storage, StoredObject } from "./storage.ts";
import { readWindows } from "./read_ahead.ts";

/**
 * The maximum number of concurrent requests for object sizes while a folder is
 * listed.
 */
const MAX_SIZE_REQUESTS = 8;
/** The maximum number of folders that a listing reads. */
const MAX_FOLDERS = 4096;
/** The maximum number of folders above an object. */
const MAX_DEPTH = 16;
/**
 * The maximum size in bytes of a page that lists a folder. A page of this size
 * has about 100,000 names.
 */
const MAX_PAGE_BYTES = 16 << 20;
/** The maximum number of objects that `list` yields. */
const MAX_OBJECTS = 1_000_000;
/**
 * The number of listed objects that can be missing without an error. Objects
 * can be deleted after the page that names them was read. A larger number is
 * accepted if at least as many of the listed objects exist.
 */
const MAX_ABSENT = 1000;

/** Options for an {@linkcode HttpStorage}. */
export interface HttpOptions {
  /** The function that sends requests. Default: the runtime's `fetch`. */
  fetch?: Fetch;
  /**
   * The time in milliseconds after which a request fails if the server sends
   * nothing, or fewer than 1,024 bytes a second. Default: one minute.
   */
  patience?: number;
}

/**
 * A read-only folder on a web server, such as a copy of a repository, or a
 * repository that is served by `rclone serve http`, nginx with `autoindex on`,
 * or Apache. The server must support byte ranges and folder listings.
 *
 * @example A published repository
 * ```ts
 * import { HttpStorage } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const storage = new HttpStorage("https://me:secret@example.com/backup");
 * assert.equal(storage.location, "https://example.com/backup");
 * ```
 */
export class HttpStorage implements Storage {
  /** The URL of the folder, without user, password and query. */
  readonly location: string;
  readonly #base: URL;
  readonly #headers: Record<string, string>;
  readonly #fetch: Fetch;
  readonly #patience: number | undefined;

  /**
   * Opens a folder. No request is sent yet.
   *
   * @param url The URL of the folder. Its user, password and query are sent
   *   with each request, and are not shown in messages.
   * @param options The function that sends requests, by default the runtime's
   *   `fetch`, and the time in milliseconds after which a request fails if the
   *   server sends nothing.
   * @throws {TypeError} If the URL is invalid, does not begin with `http:` or
   *   `https:`, or has a user or a password that is not valid percent-encoding.
   */
  constructor(url: string, options: HttpOptions = {}) {
    const base = URL.canParse(url) ? new URL(url) : undefined;
    // The URL is not shown, because it can contain a password.
    if (base === undefined || !/^https?:$/.test(base.protocol)) {
      throw new TypeError(
        "the location is not an http(s) address; use http://… or https://…",
      );
    }
    const { username, password } = base;
    this.#headers = username === "" && password === "" ? {} : {
      authorization: `Basic ${
        toBase64(
          new TextEncoder().encode(
            `${decodePart(username, "user")}:${
              decodePart(password, "password")
            }`,
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

  /** Reads an object; see {@linkcode Storage.get}. */
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
   * @param name The name of the object.
   * @throws {DeltarError} `unsupported` if the name is valid.
   * @throws {TypeError} If the name is invalid.
   */
  async put(name: string): Promise<void> {
    checkName(name);
    await Promise.reject(this.#readOnly(name));
  }

  /**
   * Lists the objects under a prefix, as the server's pages link to them; see
   * {@linkcode Storage.list}.
   *
   * @param prefix The text that the names begin with. Default: empty, for all
   *   objects.
   * @throws {DeltarError} `limit` if there are too many objects or folders,
   *   folders are nested too deeply, or a page is too large; `io` if the server
   *   fails, does not list a folder, or lists many objects that it does not
   *   have.
   */
  async *list(prefix = ""): AsyncGenerator<StoredObject> {
    const names = this.#names(
      prefix.slice(0, prefix.lastIndexOf("/") + 1),
      prefix,
    );
    const found: StoredObject[] = [];
    let absent = 0;
    await forEachConcurrent(names, MAX_SIZE_REQUESTS, async (name) => {
      if (found.length >= MAX_OBJECTS) {
        throw new DeltarError(
          "limit",
          `the server lists more than ${MAX_OBJECTS} objects; check the address`,
          { object: prefix || this.location },
        );
      }
      try {
        found.push({ name, size: await this.#size(name, undefined) });
      } catch (error) {
        if (!isAbsence(error)) throw error;
        // Some objects might have been deleted after the page was read. If most
        // of the listed objects are missing, the listing is wrong.
        if (++absent <= Math.max(MAX_ABSENT, found.length)) return;
        throw new DeltarError(
          "io",
          `the server lists ${absent} objects that it does not have. If ` +
            "another program is deleting objects, try again later; otherwise, " +
            "check the server.",
          { object: prefix || this.location },
        );
      }
    });
    yield* found;
  }

  /**
   * Refuses to delete, because a web server is read-only.
   *
   * @param name The name of the object.
   * @throws {DeltarError} `unsupported` if the name is valid.
   * @throws {TypeError} If the name is invalid.
   */
  async delete(name: string): Promise<void> {
    checkName(name);
    await Promise.reject(this.#readOnly(name));
  }

  /**
   * Yields the names of objects that are in a folder or in the folders below
   * it. Only names that start with `prefix` are yielded.
   */
  async *#names(folder: string, prefix: string): AsyncGenerator<string> {
    let left = MAX_FOLDERS;
    const open = [folder];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (left-- <= 0 || at.split("/").length - 1 > MAX_DEPTH) {
        throw new DeltarError(
          "limit",
          `the server lists more than ${MAX_FOLDERS} folders, or folders ` +
            `nested more than ${MAX_DEPTH} levels deep; check the address`,
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
   * Returns the names in a folder, or an empty list if the folder does not
   * exist. A status of 404 does not prove that the folder does not exist,
   * because the server might not list folders at all. The folder does not exist
   * if the page of its parent folder does not link to it.
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
      : "the server does not list this folder, so its content is unknown;";
    return new DeltarError(
      "io",
      `${what} turn on folder listings on the server (nginx: autoindex on), or ` +
        "use rclone serve http",
      { object: folder || this.location },
    );
  }

  /**
   * Returns the names on the page of a folder, or `undefined` if the server has
   * no such page.
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
      const text = await exchange.text(MAX_PAGE_BYTES);
      const page = readFolderPage(text, this.#url(folder), folder);
      if (!page.listsFolder) throw this.#listless(folder);
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
      throw new DeltarError(
        "io",
        "the server does not send the object's length (Content-Length); use a " +
          "server that does",
        {
          object: name,
        },
      );
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
        // Some runtimes ask for compressed responses by default.
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
      return new DeltarError("not-found", "the object does not exist", {
        object,
      });
    }
    if (status === 412) {
      return new DeltarError(
        "io",
        "the object was replaced while it was being read; try again",
        {
          object,
        },
      );
    }
    const what = status === 401
      ? "the server requires a user and a password, or refuses the given ones; " +
        "use an address of the form https://user:password@host/"
      : status === 403
      ? "the server denies access; check the permissions on the server"
      : `the server answered ${method} with status ${status}`;
    const fault = new DeltarError("io", what, { object });
    const passes = status >= 500 && status !== 501 || status === 429 ||
      status === 408;
    return passes ? new PassingFault(fault) : fault;
  }

  /**
   * Returns `true`, because the operator of the server can change the objects.
   */
  belongsToOthers(): boolean {
    return true;
  }

  #url(name: string): URL {
    const url = new URL(this.#base);
    url.pathname += name.split("/").map(encodeURIComponent).join("/");
    return url;
  }

  #readOnly(name: string): DeltarError {
    return new DeltarError(
      "unsupported",
      "a web server is read-only; write to the storage that it serves instead",
      {
        object: name,
      },
    );
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof DeltarError && error.code === "not-found";
}

/**
 * Decodes the user or the password of a URL. Errors do not contain the text,
 * because it can be secret.
 */
function decodePart(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError(
      `the ${what} in the location is not valid percent-encoding; ` +
        `write a % that belongs to the ${what} as %25`,
    );
  }
}
