/**
 * Runs the library in a child process of the extension host, so that the
 * library does not use the memory and the processor time of the extension host.
 * The process has two threads: the writer and the reader.
 *
 * The first call starts the process. A thread that gets no call for a minute is
 * ended, unless it holds an encrypted repository that is not stored yet. The
 * process exits when its last thread has ended. If the process crashes, the
 * calls in progress fail, and the next call starts another process. If the
 * extension host ends or is killed, the system closes the channel between the
 * two processes, and the child process exits.
 *
 * Parameters, including secrets, are sent only over this channel, and never as
 * arguments or in the environment.
 *
 * @module
 */
import { type ChildProcess, fork } from "node:child_process";
import { dirname } from "node:path";
import process from "node:process";
import type {
  Fault,
  FromProcess,
  FromWorker,
  Method,
  Methods,
  Piece,
  Progress,
  ThreadName,
  ToProcess,
  ToWorker,
} from "../shared/protocol.ts";

/** Options for a request. */
export interface CallOptions {
  /**
   * The signal that cancels the request. The request then fails with the code
   * `aborted`.
   */
  signal?: AbortSignal;
  /** Called with the progress of the work, at most ten times a second. */
  onProgress?: (progress: Progress) => void;
}

/** The error of a request that failed or was cancelled. */
export class EngineError extends Error {
  /**
   * The code of the error or of its first cause that has a code, such as
   * `not-found`. `undefined` if there is none. A code of the operating system
   * is in `system` instead.
   */
  readonly code: string | undefined;
  /**
   * The operating system's code of the error or of its first cause that has
   * such a code, for example `ENOSPC`. `undefined` if there is no such code.
   */
  readonly system: string | undefined;
  /** Whether the error is about the workspace folder or a path in it. */
  readonly isOfFolder: boolean;

  constructor({ message, code, system, isOfFolder = false }: Fault) {
    super(message);
    this.name = "EngineError";
    this.code = code;
    this.system = system;
    this.isOfFolder = isOfFolder;
  }
}

/** An object that calls the methods of a thread. */
export interface Caller {
  /**
   * Calls a method of the thread, and returns its result.
   *
   * @throws {EngineError} If the method fails, or the request is cancelled.
   */
  call<M extends Method>(
    method: M,
    params: Methods[M][0],
    options?: CallOptions,
  ): Promise<Methods[M][1]>;
}

/** Options for an engine. */
export interface EngineOptions {
  /** The path of the script that the child process runs. */
  process: string;
  /** The path of the script that the threads of the child process run. */
  worker: string;
  /** Called with the text that the process writes to its standard error. */
  onOutput?: (text: string) => void;
}

/** A call in progress. */
interface Call {
  thread: ThreadName;
  /** The pieces of a long result that have arrived. */
  pieces: Pieces;
  resolve: (result: never) => void;
  reject: (error: Error) => void;
  onProgress: ((progress: Progress) => void) | undefined;
}

/** A child process, and the calls that it works on. */
interface Running {
  child: ChildProcess;
  calls: Map<number, Call>;
  /** The threads that got a call and have not been told to end since then. */
  threads: Set<ThreadName>;
}

/**
 * Matches the names of environment variables that the child process does not
 * get: the variables of VS Code's own processes, and `NODE_OPTIONS`, which can
 * contain the port of a debugger or a module to load first. These options are
 * meant only for the extension host.
 */
const OWN_VARIABLES = /^(?:VSCODE_|ELECTRON_|NODE_OPTIONS$)/i;

/** The option that keeps Windows from opening a window for a child process. */
const HIDDEN = { windowsHide: true };

/** Runs the library in a child process, which the first call starts. */
export class Engine {
  /** The thread that takes snapshots and restores files. */
  readonly writer: Caller = this.#callerOf("writer");
  /** The thread that reads and prunes repositories, even during a snapshot. */
  readonly reader: Caller = this.#callerOf("reader");
  readonly #options: EngineOptions;
  #running: Running | undefined;
  #isDisposed = false;
  #last = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** Ends the process. Calls in progress and later calls fail. */
  async dispose(): Promise<void> {
    this.#isDisposed = true;
    const child = this.#running?.child;
    if (child === undefined) return;
    this.#running = undefined;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    // The process ignores `SIGTERM`. `kill` returns `false` if the process was
    // never started. In that case, no exit follows.
    if (child.kill("SIGKILL")) await ended;
  }

  #callerOf(thread: ThreadName): Caller {
    return {
      call: (method, params, options) =>
        this.#call(thread, method, params, options),
    };
  }

  #call<M extends Method>(
    thread: ThreadName,
    method: M,
    params: Methods[M][0],
    { signal, onProgress }: CallOptions = {},
  ): Promise<Methods[M][1]> {
    const id = ++this.#last;
    if (signal?.aborted || this.#isDisposed) {
      const message = "the request was cancelled";
      return Promise.reject(new EngineError({ code: "aborted", message }));
    }
    return new Promise<Methods[M][1]>((resolve, reject) => {
      const { child, calls, threads } = this.#running ??= this.#start();
      const message = { id, method, params } as ToWorker;
      send(child, { thread, message });
      threads.add(thread);
      const cancel = () => send(child, { thread, message: { cancel: id } });
      signal?.addEventListener("abort", cancel, { once: true });
      const settle = <T>(then: (value: T) => void) => (value: T) => {
        signal?.removeEventListener("abort", cancel);
        then(value);
      };
      calls.set(id, {
        thread,
        pieces: new Pieces(),
        resolve: settle(resolve),
        reject: settle(reject),
        onProgress,
      });
    });
  }

  #start(): Running {
    const { process: script, worker, onOutput } = this.#options;
    const child = fork(script, [worker], {
      ...HIDDEN,
      // By default, the child process would start in the current folder of the
      // extension host, which might have been deleted.
      cwd: dirname(script),
      env: environment(),
      // The options of the extension host can include the port of a debugger,
      // so the child process does not inherit them.
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    const running: Running = { child, calls: new Map(), threads: new Set() };
    const drop = () => {
      if (this.#running === running) this.#running = undefined;
    };
    child.stderr?.setEncoding("utf8").on("data", (text) => onOutput?.(text));
    child.on("message", (message: FromProcess) => {
      if ("ended" in message) {
        failThread(running, message);
        this.#endThread(running, message.ended);
      } else this.#receive(running, message);
    });
    child.on("disconnect", drop);
    child.on("error", (error) => {
      drop();
      fail(
        running.calls,
        "cannot start the process that reads and stores snapshots: " +
          error.message,
      );
    });
    child.on("exit", (code, signal) => {
      drop();
      fail(
        running.calls,
        "the process that reads and stores snapshots has ended " +
          `(${signal ?? `exit code ${code}`}); try again`,
      );
    });
    return running;
  }

  #receive(
    running: Running,
    { thread, message }: { thread: ThreadName; message: FromWorker },
  ): void {
    if ("idle" in message) {
      this.#endThread(running, thread);
      return;
    }
    const { child, calls } = running;
    const { id } = message;
    const call = calls.get(id);
    if (call === undefined) return;
    if ("progress" in message) {
      call.onProgress?.(message.progress);
    } else if ("piece" in message) {
      call.pieces.add(message.piece);
      // `setImmediate` lets the extension host do other work before it asks
      // for the next piece.
      setImmediate(() => send(child, { thread, message: { next: id } }));
    } else {
      calls.delete(id);
      if ("fault" in message) call.reject(new EngineError(message.fault));
      else call.resolve(call.pieces.join(message.result) as never);
    }
  }

  /**
   * Ends a thread to free its memory, unless the thread has calls in progress.
   * Ends the process, too, if no other thread is left.
   */
  #endThread(running: Running, thread: ThreadName): void {
    const { child, calls, threads } = running;
    if (this.#running !== running) return;
    if ([...calls.values()].some((call) => call.thread === thread)) return;
    threads.delete(thread);
    send(child, { end: thread });
    if (threads.size > 0) return;
    this.#running = undefined;
    child.disconnect();
  }
}

/** The pieces of a long result. */
class Pieces {
  readonly #lists = new Map<string | undefined, unknown[]>();
  #content: Uint8Array | undefined;

  /** Adds the next piece. */
  add(piece: Piece): void {
    if ("bytes" in piece) {
      this.#content ??= new Uint8Array(piece.size);
      this.#content.set(piece.bytes, piece.offset);
      return;
    }
    const list = this.#lists.get(piece.of);
    if (list === undefined) this.#lists.set(piece.of, [...piece.list]);
    else list.push(...piece.list);
  }

  /**
   * Returns the whole result. `rest` is the result without what was sent in
   * pieces.
   */
  join(rest: unknown): unknown {
    if (this.#lists.size === 0) return this.#content ?? rest;
    return this.#lists.get(undefined) ??
      { ...rest as object, ...Object.fromEntries(this.#lists) };
  }
}

/** Returns the environment of the child process. */
function environment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env)
    .filter(([name]) => !OWN_VARIABLES.test(name));
  return {
    ...Object.fromEntries(inherited),
    // In VS Code for the desktop, the child process runs the program Electron.
    // This variable makes Electron behave like Node.
    ELECTRON_RUN_AS_NODE: "1",
    // Without this variable, Electron would treat files named `*.asar` as
    // folders.
    ELECTRON_NO_ASAR: "1",
  };
}

function send(child: ChildProcess, message: ToProcess): void {
  // If the message cannot be sent, the process is ending, and its calls fail.
  if (child.connected) child.send(message, () => {});
}

/**
 * Rejects the calls that a thread received before it ended. Later calls are
 * not affected, because they have started another thread.
 */
function failThread(
  { calls }: Running,
  { ended, last, reason }: Extract<FromProcess, { ended: ThreadName }>,
): void {
  const failed = new Map(
    [...calls].filter(([id, { thread }]) => thread === ended && id <= last),
  );
  for (const id of failed.keys()) calls.delete(id);
  fail(failed, `the ${ended} thread of Deltar has ended${reason}; try again`);
}

/** Rejects calls in progress. */
function fail(calls: Map<number, Call>, message: string): void {
  const failed = [...calls.values()];
  calls.clear();
  for (const { reject } of failed) reject(new EngineError({ message }));
}
