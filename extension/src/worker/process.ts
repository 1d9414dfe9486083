/**
 * The main thread of the child process. It passes messages between the
 * extension host and the worker threads. It starts each thread when the first
 * request for this thread arrives.
 *
 * The library runs in the worker threads, so the main thread always has time to
 * end the process. The process ends when its channel to the extension host is
 * closed. The host closes the channel when it has no more work. If the host
 * ends or is killed, the system closes the channel.
 *
 * @module
 */
import process from "node:process";
import { Worker } from "node:worker_threads";
import type {
  FromProcess,
  FromWorker,
  ThreadName,
  ToProcess,
} from "../shared/protocol.ts";

/**
 * The maximum size of the young generation of a thread's heap, in megabytes.
 * Without a limit, much of a thread's memory would be filled with objects that
 * are no longer used.
 */
const MAX_YOUNG_MB = 8;

/** The path of the script that the threads run. */
const [, , script] = process.argv;
const threads = new Map<ThreadName, Thread>();

/** A worker thread. */
interface Thread {
  worker: Worker;
  /** The id of the last request that was passed to the thread. */
  last: number;
}

// These signals are often sent to the extension host and to its child processes
// at the same time. This process ignores them, because the host might need it
// for a last snapshot.
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) {
  process.on(signal, () => {});
}
process.on("message", receive);
process.on("disconnect", () => process.exit());
// The host might have ended before the line above added the listener.
if (!process.connected) process.exit();

function receive(message: ToProcess): void {
  if ("end" in message) {
    void threads.get(message.end)?.worker.terminate();
    threads.delete(message.end);
    return;
  }
  const { thread: name, message: passed } = message;
  let thread = threads.get(name);
  if ("method" in passed) {
    if (thread === undefined) threads.set(name, thread = start(name));
    thread.last = passed.id;
  }
  thread?.worker.postMessage(passed);
}

function start(name: ThreadName): Thread {
  const worker = new Worker(script, {
    resourceLimits: { maxYoungGenerationSizeMb: MAX_YOUNG_MB },
  });
  const thread = { worker, last: 0 };
  let reason = "";
  worker.on(
    "message",
    (message: FromWorker) => send({ thread: name, message }),
  );
  worker.on("error", (error: Error) => reason = `: ${error.message}`);
  worker.on("exit", () => {
    // A thread that was told to end is not in the map.
    if (threads.get(name) !== thread) return;
    threads.delete(name);
    send({ ended: name, last: thread.last, reason });
  });
  return thread;
}

function send(message: FromProcess): void {
  // If the channel is closed, the process is about to end.
  if (process.connected) process.send?.(message, () => {});
}
