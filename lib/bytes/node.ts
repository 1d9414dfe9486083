import type * as NodeBuffer from "node:buffer";
import type * as NodeFs from "node:fs";
import type * as NodeOs from "node:os";
import type * as NodePath from "node:path";
import type NodeProcess from "node:process";
import type * as NodeUtil from "node:util";
import { builtin } from "./builtin.ts";
import { permitted } from "./permitted.ts";

// Node, Deno and Bun have the following modules. In a browser, all of them are
// `undefined`, although their types do not say so.

/** The module for the file system. */
export const fs = permitted(builtin("node:fs")) as typeof NodeFs;
/** The module for file paths in the form of the operating system. */
export const nodePath = permitted(builtin("node:path")) as typeof NodePath;
/** The module with information about the operating system. */
export const nodeOs = permitted(builtin("node:os")) as typeof NodeOs;
/** The module for the current process. */
export const process = permitted(
  builtin("node:process"),
) as typeof NodeProcess;
/** The module with the names and descriptions of system errors. */
export const nodeUtil = builtin("node:util") as typeof NodeUtil;
/** Node's byte array. Some of its methods are faster than portable code. */
export const Buffer = builtin("node:buffer")
  ?.Buffer as typeof NodeBuffer.Buffer;
