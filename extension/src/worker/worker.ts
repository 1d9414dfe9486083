/**
 * The worker thread of the extension. It answers the requests of the extension
 * host by calling the library, and receives cancellations even while the
 * library is busy.
 *
 * @module
 */
import { sep } from "node:path";
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
} from "node:worker_threads";
import { DeltarError } from "../../../mod.ts";
import { codeOf } from "../../../shared/error_code.ts";
import type {
  Fault,
  FolderConfig,
  FromWorker,
  Method,
  Progress,
  ToWorker,
} from "../shared/protocol.ts";
import type { Handler } from "./handler.ts";
import { createMethods } from "./methods.ts";

/** The minimum interval between progress reports, in milliseconds. */
const REPORT_MS = 100;

const port = parentPort as MessagePort;
const methods = createMethods();
const running = new Map<number, AbortController>();

port.on("message", receive);

function receive(message: ToWorker): void {
  if ("cancel" in message) running.get(message.cancel)?.abort();
  else void run(message);
}

/**
 * Receives the messages that arrived while the thread was busy. Cancellations
 * take effect immediately. Requests are queued.
 */
function poll(): void {
  for (;;) {
    const received = receiveMessageOnPort(port);
    if (received === undefined) return;
    const message = received.message as ToWorker;
    // A request is processed only when the thread is free.
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
    if (now - last < REPORT_MS) return;
    last = now;
    poll();
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
    send({ id, fault: faultOf(error, params.config) });
  } finally {
    running.delete(id);
  }
}

function faultOf(
  error: unknown,
  { directory, repository }: FolderConfig,
): Fault {
  const fault: Fault = { message: String(error) };
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = codeOf(at);
    if (at instanceof DeltarError) {
      const { path, object = "" } = at;
      const isOfRepository = object === repository ||
        object.startsWith(repository + sep);
      const isInside = object === directory ||
        object.startsWith(directory + sep);
      if (!isOfRepository && (path !== undefined || isInside)) {
        fault.isOfFolder = true;
      }
    }
    if (at === error) fault.message = at.message;
    if (code === undefined) continue;
    if (/^E[A-Z]+$/.test(code)) fault.system ??= code;
    else fault.code ??= code;
  }
  return fault;
}
