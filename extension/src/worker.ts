/**
 * The worker: it answers requests with the library, and listens for wishes to
 * cancel also while the library works without a pause.
 *
 * @module
 */
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
} from "node:worker_threads";
import { methods } from "./methods.ts";
import type {
  Fault,
  FromWorker,
  Method,
  Methods,
  Progress,
  ToWorker,
} from "./protocol.ts";

/** The surroundings of a method. */
export interface Work {
  /** Fires when the request is cancelled. */
  signal: AbortSignal;
  /** Tells how far it is; may be called as often as one likes. */
  progress: (progress: Progress) => void;
}

/** A method as it is written. */
export type Handler<M extends Method> = (
  params: Methods[M][0],
  work: Work,
) => Promise<Methods[M][1]>;

/** Between two looks at the port, and two reports, in milliseconds. */
const PAUSE = 100;

const port = parentPort as MessagePort;
const running = new Map<number, AbortController>();

port.on("message", receive);

function receive(message: ToWorker): void {
  if ("cancel" in message) running.get(message.cancel)?.abort();
  else void run(message);
}

/** Takes what has arrived while the thread was busy. */
function look(): void {
  for (;;) {
    const received = receiveMessageOnPort(port);
    if (received === undefined) return;
    const message = received.message as ToWorker;
    // What is new waits until the thread is free.
    if ("cancel" in message) receive(message);
    else setImmediate(receive, message);
  }
}

async function run(
  { id, method, params }: Exclude<ToWorker, { cancel: number }>,
): Promise<void> {
  const send = (message: FromWorker, transfer: ArrayBuffer[] = []) =>
    port.postMessage(message, transfer);
  const controller = new AbortController();
  running.set(id, controller);
  let last = performance.now();
  const progress = (progress: Progress) => {
    const now = performance.now();
    if (now - last < PAUSE) return;
    last = now;
    look();
    send({ id, progress });
  };
  try {
    const handler = methods[method] as Handler<Method>;
    const result = await handler(params as never, {
      signal: controller.signal,
      progress,
    });
    send(
      { id, result },
      result instanceof Uint8Array ? [result.buffer as ArrayBuffer] : [],
    );
  } catch (error) {
    send({ id, fault: faultOf(error) });
  } finally {
    running.delete(id);
  }
}

function faultOf(error: unknown): Fault {
  const fault: Fault = { message: String(error) };
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (at === error) fault.message = at.message;
    if (typeof code !== "string") continue;
    if (/^E[A-Z]+$/.test(code)) fault.system ??= code;
    else fault.code ??= code;
  }
  return fault;
}
