import type * as NodeBuffer from "node:buffer";
import type * as NodeCrypto from "node:crypto";
import type * as NodeFs from "node:fs";
import type * as NodeOs from "node:os";
import type * as NodePath from "node:path";
import type NodeProcess from "node:process";
import type * as NodeTimers from "node:timers";
import type * as NodeUtil from "node:util";
import type * as NodeThreads from "node:worker_threads";
import type * as NodeZlib from "node:zlib";
import { checkRuntime } from "./check_runtime.ts";

// The runtime is checked when deltar is imported, because deltar does not work
// on old versions of Node.
checkRuntime(
  (globalThis as { process?: { versions?: Record<string, string> } }).process
    ?.versions,
);

interface Builtins {
  "node:buffer": typeof NodeBuffer;
  "node:crypto": typeof NodeCrypto;
  "node:fs": typeof NodeFs;
  "node:os": typeof NodeOs;
  "node:path": typeof NodePath;
  "node:process": typeof NodeProcess;
  "node:timers": typeof NodeTimers;
  "node:util": typeof NodeUtil;
  "node:worker_threads": typeof NodeThreads;
  "node:zlib": typeof NodeZlib;
}

/**
 * Returns a built-in module of the runtime, or `undefined` in a browser.
 * Loading at run time avoids static imports in modules that also run in a
 * browser.
 *
 * @param name The name of the module.
 */
export function builtin<Name extends keyof Builtins>(
  name: Name,
): Builtins[Name] | undefined {
  const host = (globalThis as {
    process?: { getBuiltinModule?: (name: string) => unknown };
  }).process;
  return host?.getBuiltinModule?.(name) as Builtins[Name] | undefined;
}
