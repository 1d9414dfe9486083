/**
 * Calls of the C library that `node:fs` has no words for: times to the
 * nanosecond. Deno's `lstat` gives milliseconds only, and no runtime's
 * `utimes` takes more than a double holds (about 240 ns). Deno and Bun can
 * call the C library on Linux; elsewhere there is nothing here, and `stat.ts`
 * does with `node:fs`.
 */
export interface Native {
  /** Fills `stat` with a `struct statx` (Linux); whether it worked. */
  statx?: (path: Uint8Array, stat: Uint8Array) => boolean;
  /** Sets access and modification time; whether it worked. */
  utimensat: (path: Uint8Array, times: BigInt64Array<ArrayBuffer>) => boolean;
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BASIC_STATS = 0x7ff;

interface DenoHost {
  build: { os: string; arch: string };
  permissions: { querySync(of: { name: "ffi" }): { state: string } };
  dlopen(
    name: string,
    symbols: Record<string, { parameters: string[]; result: string }>,
  ): {
    symbols: Record<"statx" | "utimensat", (...words: unknown[]) => number>;
  };
}

interface BunFfi {
  dlopen(
    name: string,
    symbols: Record<string, { args: string[]; returns: string }>,
  ): { symbols: Record<"utimensat", (...words: unknown[]) => number> };
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

/** The calls, or `undefined` where the runtime or the system has them not. */
export function loadNative(): Native | undefined {
  const host = globalThis as unknown as Host;
  if (host.process?.platform !== "linux") return undefined;
  const arch = host.process.arch === "arm64" ? "aarch64" : "x86_64";
  for (const name of ["libc.so.6", `libc.musl-${arch}.so.1`]) {
    try {
      if (host.Deno) return loadInDeno(host.Deno, name);
      if (host.Bun) return loadInBun(host.process, name);
    } catch {
      // Not this C library; the next name, or none.
    }
  }
  return undefined;
}

function loadInDeno(deno: DenoHost, name: string): Native | undefined {
  // To ask would interrupt the user; what is not granted is done without.
  if (deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    return undefined;
  }
  const { symbols } = deno.dlopen(name, {
    statx: {
      parameters: ["i32", "buffer", "i32", "u32", "buffer"],
      result: "i32",
    },
    utimensat: {
      parameters: ["i32", "buffer", "buffer", "i32"],
      result: "i32",
    },
  });
  return {
    statx: (path, stat) =>
      symbols.statx(
        AT_FDCWD,
        path,
        AT_SYMLINK_NOFOLLOW,
        STATX_BASIC_STATS,
        stat,
      ) === 0,
    utimensat: (path, times) =>
      symbols.utimensat(
        AT_FDCWD,
        path,
        new Uint8Array(times.buffer),
        AT_SYMLINK_NOFOLLOW,
      ) === 0,
  };
}

function loadInBun(
  process: NonNullable<Host["process"]>,
  name: string,
): Native | undefined {
  const ffi = process.getBuiltinModule?.("bun:ffi") as BunFfi | undefined;
  if (ffi === undefined) return undefined;
  const { symbols } = ffi.dlopen(name, {
    utimensat: { args: ["i32", "ptr", "ptr", "i32"], returns: "i32" },
  });
  return {
    utimensat: (path, times) =>
      symbols.utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) === 0,
  };
}
