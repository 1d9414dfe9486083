import { type CallsAside, callsOnThread } from "./native_thread.ts";

/** The functions of a C library, by name. */
export type Calls<Name extends string> = Record<
  Name,
  (...words: unknown[]) => number
>;

/**
 * The types of a function's parameters. The function returns an `i32`, or a
 * `u64` if its name is in `WIDE`.
 */
export type Signature = readonly ("i32" | "u32" | "u64" | "i64" | "buffer")[];

/**
 * The names of the functions that return a `u64`, such as a pointer or an
 * offset, instead of an `i32`.
 */
const WIDE: ReadonlySet<string> = new Set([
  "CreateFileW",
  "__errno_location",
  "memcpy",
  "lseek",
  "getpwuid",
  "getgrgid",
  "getpwnam",
  "getgrnam",
]);

interface DenoHost {
  permissions: { querySync(of: { name: "ffi" }): { state: string } };
  dlopen(
    name: string,
    symbols: Record<
      string,
      { parameters: Signature; result: string; nonblocking?: boolean }
    >,
  ): { symbols: unknown };
}

interface BunFfi {
  dlopen(
    name: string,
    symbols: Record<string, { args: string[]; returns: string }>,
  ): { symbols: Calls<string> };
}

interface Host {
  Deno?: DenoHost;
  Bun?: unknown;
  process?: {
    platform: string;
    arch: string;
    getBuiltinModule?: (name: string) => unknown;
  };
}

/**
 * Loads functions of the C library that `node:fs` lacks or has only in a slow
 * form. The functions are available only on Linux, in Deno and Bun.
 *
 * @param signatures The types of each function's parameters.
 * @returns The functions, or `undefined` if the runtime, the system or the
 *   library does not have them, or if Deno does not permit native calls.
 */
export function loadLibrary<Name extends string>(
  signatures: Record<Name, Signature>,
): Calls<Name> | undefined {
  return ofLibrary(({ Deno, Bun, process }, name) => {
    if (Deno) return loadInDeno(Deno, name, signatures);
    return Bun ? loadInBun(process, name, signatures) : undefined;
  });
}

/**
 * Loads functions of a library of Windows or macOS. The functions are available
 * only in Deno and Bun.
 *
 * @param platform The system, as `process.platform` names it.
 * @param library The name of the library.
 * @param signatures The types of each function's parameters.
 * @returns The functions, or `undefined` if the program runs on another system,
 *   if the runtime or the library does not have the functions, or if Deno does
 *   not permit native calls.
 */
export function loadSystemCalls<Name extends string>(
  platform: "win32" | "darwin",
  library: string,
  signatures: Record<Name, Signature>,
): Calls<Name> | undefined {
  const { Deno, Bun, process } = globalThis as unknown as Host;
  if (process?.platform !== platform) return undefined;
  try {
    if (Deno) return loadInDeno(Deno, library, signatures);
    return Bun ? loadInBun(process, library, signatures) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Loads slow functions of the C library, such as those that wait for a disk.
 * The functions run on another thread, so the event loop is not blocked.
 *
 * @param names The names of functions that take a file descriptor and return an
 *   `i32`. The error number (`errno`) is not available, because each thread has
 *   its own.
 * @returns The functions, or `undefined` if the runtime, the system or the
 *   library does not have them, or if Deno does not permit native calls.
 */
export function loadAside<Name extends string>(
  names: readonly Name[],
): CallsAside<Name> | undefined {
  return ofLibrary((host, library) => {
    if (host.Deno && mayCall(host.Deno)) {
      const symbols = names.map((name) =>
        [
          name,
          { parameters: ["i32"], result: "i32", nonblocking: true },
        ] as const
      );
      const loaded = host.Deno.dlopen(library, Object.fromEntries(symbols));
      return loaded.symbols as CallsAside<Name>;
    }
    if (!host.Bun) return undefined;
    // `loadInBun` is called because it throws if there is no library of this
    // name. The functions themselves are loaded on the thread.
    const signatures = names.map((name) => [name, ["i32"]] as const);
    loadInBun(host.process, library, Object.fromEntries(signatures));
    return callsOnThread(library, names);
  });
}

/**
 * Returns the name by which a thread of Bun on Linux can load the C library, or
 * `undefined` on other runtimes and systems, or if the library is not found.
 */
export function libraryForThreads(): string | undefined {
  return ofLibrary((host, library) => {
    if (!host.Bun) return undefined;
    // `loadInBun` is called because it throws if there is no library of this
    // name.
    loadInBun(host.process, library, { close: ["i32"] });
    return library;
  });
}

/**
 * Calls `load` with each possible name of the C library, until one call
 * succeeds. Returns the result of that call, or `undefined` if no call succeeds
 * or the system is not Linux.
 */
function ofLibrary<Loaded>(
  load: (host: Host, library: string) => Loaded | undefined,
): Loaded | undefined {
  const host = globalThis as unknown as Host;
  if (host.process?.platform !== "linux") return undefined;
  const arch = host.process.arch === "arm64" ? "aarch64" : "x86_64";
  for (const name of ["libc.so.6", `libc.musl-${arch}.so.1`]) {
    try {
      return load(host, name);
    } catch {
      // The library was not found under this name, so the next name is tried.
    }
  }
  return undefined;
}

/** Returns whether native calls are permitted, without asking the user. */
function mayCall(deno: DenoHost): boolean {
  return deno.permissions.querySync({ name: "ffi" }).state === "granted";
}

function loadInDeno(
  deno: DenoHost,
  name: string,
  signatures: Record<string, Signature>,
): Calls<string> | undefined {
  if (!mayCall(deno)) return undefined;
  const symbols = Object.entries(signatures).map((
    [call, parameters],
  ) => [call, { parameters, result: WIDE.has(call) ? "u64" : "i32" }]);
  const loaded = deno.dlopen(name, Object.fromEntries(symbols));
  return loaded.symbols as Calls<string>;
}

function loadInBun(
  process: Host["process"],
  name: string,
  signatures: Record<string, Signature>,
): Calls<string> | undefined {
  const ffi = process?.getBuiltinModule?.("bun:ffi") as BunFfi | undefined;
  const symbols = Object.entries(signatures).map(([call, parameters]) => {
    const args = parameters.map((of) => of === "buffer" ? "ptr" : of);
    return [call, { args, returns: WIDE.has(call) ? "u64" : "i32" }];
  });
  return ffi?.dlopen(name, Object.fromEntries(symbols)).symbols;
}
