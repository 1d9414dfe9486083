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
import { Repositories } from "./repositories.ts";

/** The minimum interval between progress reports, in milliseconds. */
const REPORT_MS = 100;

/**
 * The time without requests after which the worker can be ended, in
 * milliseconds.
 */
const IDLE_MS = 60_000;

/**
 * The maximum number of elements of a list in one message. The thread that
 * receives a message is busy until the whole message is decoded.
 */
const MAX_SENT = 2000;

const port = parentPort as MessagePort;
const repositories = new Repositories();
const methods = createMethods(repositories);
const running = new Map<number, AbortController>();
/** The timer that began after the last request. */
let idle: ReturnType<typeof setTimeout> | undefined;
/**
 * The functions that send the next piece of a long list, by the ids of
 * requests.
 */
const sending = new Map<number, () => void>();

port.on("message", receive);

function receive(message: ToWorker): void {
  if ("cancel" in message) running.get(message.cancel)?.abort();
  else if ("next" in message) sending.get(message.next)?.();
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
  { id, method, params }: Extract<ToWorker, { id: number }>,
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
    if (Array.isArray(result) && result.length > MAX_SENT) {
      await sendList(id, result, send);
      return;
    }
    send(
      { id, result },
      result instanceof Uint8Array ? [result.buffer as ArrayBuffer] : [],
    );
  } catch (error) {
    send({ id, fault: faultOf(error, params.config) });
  } finally {
    running.delete(id);
    clearTimeout(idle);
    idle = setTimeout(() => {
      if (running.size > 0 || repositories.hasDrafts) return;
      port.postMessage({ idle: true } satisfies FromWorker);
    }, IDLE_MS);
  }
}

/** Sends a long list in pieces, each after the receiver has decoded the last. */
async function sendList(
  id: number,
  list: readonly unknown[],
  send: (message: FromWorker) => void,
): Promise<void> {
  for (let at = 0; at < list.length; at += MAX_SENT) {
    const { promise, resolve } = Promise.withResolvers<void>();
    sending.set(id, resolve);
    send({ id, piece: list.slice(at, at + MAX_SENT) });
    await promise;
  }
  sending.delete(id);
  send({ id, result: [] });
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
