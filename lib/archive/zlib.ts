import { builtin } from "../bytes/builtin.ts";

/** The module `node:zlib`. */
export type Zlib = NonNullable<ReturnType<typeof loadZlib>>;

/**
 * Returns `node:zlib`, or `undefined` in a browser. The module is loaded on
 * first use, because loading takes a few milliseconds and many commands never
 * compress.
 */
export function loadZlib(): ReturnType<typeof builtin<"node:zlib">> {
  return builtin("node:zlib");
}
