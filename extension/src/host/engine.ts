import { Worker } from "node:worker_threads";
import type {
  Fault,
  FromWorker,
  Method,
  Methods,
  Progress,
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
   * The code of the error, if the error is a `DeltarError` or has a code of
   * another library. `undefined` if the error has no code, or only the code of
   * the operating system in `system`.
   */
  readonly code: string | undefined;
  /**
   * The error code of the operating system, such as `ENOSPC`, if the error has
   * one.
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

/** An object that calls the methods of a worker. */
export interface Caller {
  /** Calls a method of a worker. */
  call<M extends Method>(
    method: M,
    params: Methods[M][0],
    options?: CallOptions,
  ): Promise<Methods[M][1]>;
}

/**
 * The maximum size of the young generation of a worker's heap, in megabytes.
 * Without a limit, much of the memory of a worker is garbage.
 */
const MAX_YOUNG_MB = 8;

interface Pending {
  /** The elements of a long list that have arrived. */
  list: unknown[];
  resolve: (result: never) => void;
  reject: (error: Error) => void;
  onProgress: ((progress: Progress) => void) | undefined;
}

/**
 * Runs the library in a worker thread, which the first call starts. The thread
 * ends when there have been no calls for a while.
 */
export class Engine implements Caller {
  readonly #script: string;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #last = 0;

  /**
   * Makes an engine.
   *
   * @param script The path of the worker's script.
   */
  constructor(script: string) {
    this.#script = script;
  }

  /**
   * Calls a method of the worker.
   *
   * @throws {EngineError} If the method fails, or the request is cancelled.
   */
  call<M extends Method>(
    method: M,
    params: Methods[M][0],
    { signal, onProgress }: CallOptions = {},
  ): Promise<Methods[M][1]> {
    const id = ++this.#last;
    if (signal?.aborted) {
      const message = "the request was cancelled";
      return Promise.reject(new EngineError({ code: "aborted", message }));
    }
    const worker = this.#worker ??= this.#start();
    return new Promise<Methods[M][1]>((resolve, reject) => {
      const cancel = () => this.#worker?.postMessage({ cancel: id });
      signal?.addEventListener("abort", cancel, { once: true });
      const settle = <T>(then: (value: T) => void) => (value: T) => {
        signal?.removeEventListener("abort", cancel);
        then(value);
      };
      this.#pending.set(id, {
        list: [],
        resolve: settle(resolve),
        reject: settle(reject),
        onProgress,
      });
      worker.postMessage({ id, method, params } as ToWorker);
    });
  }

  /** Ends the thread. Calls in progress fail. */
  async dispose(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(this.#script, {
      stderr: false,
      stdout: false,
      resourceLimits: { maxYoungGenerationSizeMb: MAX_YOUNG_MB },
    });
    worker.on("message", (message: FromWorker) => {
      if (!("idle" in message)) this.#receive(message);
      else if (this.#worker === worker && this.#pending.size === 0) {
        // Ending the thread frees its memory. The next call starts another
        // thread.
        this.#worker = undefined;
        void worker.terminate();
      }
    });
    worker.on("error", (error: Error) => this.#fail(worker, error.message));
    worker.on(
      "exit",
      () => this.#fail(worker, "the worker thread has ended; try again"),
    );
    return worker;
  }

  #receive(message: Exclude<FromWorker, { idle: true }>): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    if ("progress" in message) {
      pending.onProgress?.(message.progress);
      return;
    }
    if ("piece" in message) {
      pending.list.push(...message.piece);
      // The next piece is requested only after the other pending work of this
      // thread.
      setImmediate(() => this.#worker?.postMessage({ next: message.id }));
      return;
    }
    this.#pending.delete(message.id);
    if ("fault" in message) pending.reject(new EngineError(message.fault));
    else {
      const { list } = pending;
      pending.resolve((list.length > 0 ? list : message.result) as never);
    }
  }

  /** Makes all calls in progress fail. The next call starts another thread. */
  #fail(worker: Worker, message: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new EngineError({ message }));
  }
}
