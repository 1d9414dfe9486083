import type * as NodeBuffer from "node:buffer";
import type * as NodeFs from "node:fs";
import type * as NodeOs from "node:os";
import type * as NodePath from "node:path";
import type NodeProcess from "node:process";
import type * as NodeUtil from "node:util";
import { builtin } from "./builtin.ts";
import { permitted } from "./permitted.ts";

// What Node, Deno and Bun have and a browser has not: there all of these are
// undefined, and only code that uses a disk notices.

/** The file system. */
export const fs = permitted(builtin("node:fs")) as typeof NodeFs;
/** Paths of the operating system. */
export const nodePath = permitted(builtin("node:path")) as typeof NodePath;
/** The operating system. */
export const nodeOs = permitted(builtin("node:os")) as typeof NodeOs;
/** The process. */
export const process = permitted(
  builtin("node:process"),
) as typeof NodeProcess;
/** The names and words of the system's errors. */
export const nodeUtil = builtin("node:util") as typeof NodeUtil;
/** Bytes with Node's methods, some of them faster than any of ours. */
export const Buffer = builtin("node:buffer")
  ?.Buffer as typeof NodeBuffer.Buffer;
