import { builtin } from "./builtin.ts";

/**
 * Functions that take a file descriptor. Each returned promise resolves to 0 if
 * the function succeeded, to -1 if the function failed, or to `undefined` if
 * the thread that runs the functions has failed.
 */
export type CallsAside<Name extends string> = Record<
  Name,
  (fd: number) => Promise<number | undefined>
>;

/**
 * The source text of the thread's program, for Bun. Bun can start a thread from
 * text, even in a single binary, which has no separate file for the program.
 */
const PROGRAM = `
const { parentPort, workerData } = require("node:worker_threads");
const { dlopen } = process.getBuiltinModule("bun:ffi");
const types = { args: ["i32"], returns: "i32" };
const load = (library) => {
  const names = workerData.names.map((name) => [name, types]);
  return dlopen(library, Object.fromEntries(names)).symbols;
};
const calls = load(workerData.library);
parentPort.on("message", ([name, fd]) => {
  parentPort.postMessage(calls[name](fd));
});
`;

/**
 * Returns functions of a C library that run on a separate thread, so that the
 * event loop is not blocked. The thread starts with the first call, and runs
 * one function at a time.
 *
 * @param library The name of the library.
 * @param names The names of the functions.
 * @returns The functions, or `undefined` if the runtime has no threads.
 */
export function callsOnThread<Name extends string>(
  library: string,
  names: readonly Name[],
): CallsAside<Name> | undefined {
  const threads = builtin("node:worker_threads");
  if (threads === undefined) return undefined;
  const start = () => {
    const workerData = { library, names };
    const worker = new threads.Worker(PROGRAM, { eval: true, workerData });
    worker.on("message", (result: number) => settle(result));
    worker.on("error", () => {
      isDead = true;
      while (waiting.length > 0) settle(undefined);
    });
    return worker;
  };
  /**
   * The functions that pass results to the waiting callers, in the order of the
   * calls.
   */
  const waiting: ((result: number | undefined) => void)[] = [];
  let worker: ReturnType<typeof start> | undefined;
  let isDead = false;
  const settle = (result: number | undefined) => {
    waiting.shift()?.(result);
    if (waiting.length === 0) worker?.unref();
  };
  const call = (name: Name) => (fd: number) =>
    new Promise<number | undefined>((resolve) => {
      if (isDead) return resolve(undefined);
      worker ??= start();
      worker.ref();
      waiting.push(resolve);
      worker.postMessage([name, fd]);
    });
  return Object.fromEntries(
    names.map((name) => [name, call(name)]),
  ) as CallsAside<Name>;
}
