import { DeltarError } from "./errors.ts";

interface Host {
  Deno?: {
    permissions: { querySync(of: { name: string }): { state: string } };
  };
  process?: { permission?: unknown };
}

/** The names of the Deno permissions that the modules in `node.ts` need. */
const PERMISSIONS = ["read", "write", "sys", "env", "run"];

/**
 * Returns a copy of a module of the runtime. The functions of the copy throw a
 * `DeltarError` if the runtime refuses a call for lack of a permission. Returns
 * the module itself if the runtime has all permissions that the modules in
 * `node.ts` need.
 *
 * @param module The module, or `undefined` in a browser.
 * @returns The copy or the module, or `undefined` if `module` is `undefined`.
 */
export function permitted<Module extends object>(
  module: Module | undefined,
): Module | undefined {
  return module === undefined || isAllGranted() ? module : guarded(module);
}

/**
 * Returns a `DeltarError` if the permission check of Deno or Node refused a
 * call. The `DeltarError` names the missing permission if the runtime reports
 * it. Returns any other error unchanged.
 *
 * @param error The error that a function of the runtime threw.
 */
export function explained(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, code, permission, resource } = error as Error & {
    code?: string;
    permission?: string;
    resource?: string;
  };
  if (name === "NotCapable") {
    // Deno lets a program make symlinks only if it is permitted to access all
    // paths.
    if (/requires unscoped/.test(message)) {
      return lacks("--allow-read --allow-write", undefined, error);
    }
    const [, of] = /^Requires (\w+) access/.exec(message) ?? [];
    const [, what] = /access to "(.*)", run again/.exec(message) ?? [];
    // Deno reports only one missing `sys` permission at a time, so the error
    // suggests the option that grants all of them.
    if (of === "sys") return lacks("--allow-sys", undefined, error);
    return lacks(`--allow-${of ?? "all"}`, what && lasting(what), error);
  }
  if (code === "ERR_ACCESS_DENIED") {
    const flag = /^FileSystem(Read|Write)$/.exec(permission ?? "")?.[1];
    if (flag === undefined) {
      // The error does not name a permission for files, so Node's own message
      // explains the refusal.
      const words =
        `Node refused a call, because --permission is set: ${message}`;
      return new DeltarError("io", words, { cause: error });
    }
    const option = `--allow-fs-${flag.toLowerCase()}`;
    return lacks(option, resource && lasting(resource), error);
  }
  return error;
}

/** Returns whether an error was caused by a missing permission. */
export function isDenied(error: DeltarError): boolean {
  const { name, code } = (error.cause ?? {}) as {
    name?: string;
    code?: string;
  };
  return name === "NotCapable" || code === "ERR_ACCESS_DENIED";
}

/**
 * Returns a path without the name of a temporary file at its end. That name
 * differs each time, so a permission for it would be of no use in the next run.
 */
function lasting(path: string): string {
  return path.replace(/(?<=.)[/\\]\.?deltar-(?:\w{6}|stage-[^/\\]*)$/, "");
}

function lacks(flag: string, what: string | undefined, cause: Error) {
  const advice = what === undefined ? flag : `${flag}=${what}`;
  return new DeltarError(
    "io",
    `the runtime lacks a permission; run it with ${advice}`,
    { object: what, cause },
  );
}

function isAllGranted(): boolean {
  const { Deno, process } = globalThis as Host;
  if (Deno === undefined) return process?.permission === undefined;
  return PERMISSIONS.every((name) =>
    Deno.permissions.querySync({ name }).state === "granted"
  );
}

function guarded<Module extends object>(module: Module): Module {
  const copy = Object.create(module);
  const set = (name: string, value: unknown) =>
    Object.defineProperty(copy, name, { value });
  for (const [name, value] of Object.entries(module)) {
    // A name that begins with a capital letter belongs to a class, which is not
    // wrapped.
    if (typeof value === "function" && /^[a-z]/.test(name)) {
      set(name, guardedCall(value as Call, module));
    } else if (name === "promises") set(name, guarded(value));
  }
  return copy;
}

type Call = (...words: unknown[]) => unknown;

function guardedCall(call: Call, module: object): Call {
  const copy = (...words: unknown[]) => {
    try {
      const result = call.apply(module, words);
      return result instanceof Promise
        ? result.catch((error) => {
          throw explained(error);
        })
        : result;
    } catch (error) {
      throw explained(error);
    }
  };
  for (const [name, value] of Object.entries(call)) {
    const isCall = typeof value === "function";
    Object.assign(copy, {
      [name]: isCall ? guardedCall(value as Call, call) : value,
    });
  }
  return copy;
}
