/**
 * A thread of the child process. It answers the requests of the extension host
 * by calling the library, and receives cancellations even while the library is
 * busy.
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
  Piece,
  Progress,
  ToWorker,
} from "../shared/protocol.ts";
import type { Handler } from "./handler.ts";
import { createMethods } from "./methods.ts";
import { Repositories } from "./repositories.ts";

/** The minimum interval between progress reports, in milliseconds. */
const REPORT_MS = 100;

/**
 * The time without requests after which the thread can be ended, in
 * milliseconds.
 */
const IDLE_MS = 60_000;

/**
 * The maximum number of elements of a list in one message. While the extension
 * host decodes a message, it cannot do anything else.
 */
const MAX_SENT = 1000;

/** The maximum number of bytes of a content in one message. */
const MAX_SENT_BYTES = 2 ** 19;

const port = parentPort as MessagePort;
const repositories = new Repositories();
const methods = createMethods(repositories);
const running = new Map<number, AbortController>();
/**
 * The timer that was started after the last request. When it fires, the host
 * is told that the thread is idle.
 */
let idle: ReturnType<typeof setTimeout> | undefined;
/**
 * The functions to call when the host asks for the next piece of a long result,
 * by the id of the request.
 */
const sending = new Map<number, () => void>();

port.on("message", receive);

function receive(message: ToWorker): void {
  if ("cancel" in message) cancel(message.cancel);
  else if ("next" in message) sending.get(message.next)?.();
  else void run(message);
}

/** Cancels a request, even if it is still in the queue of the event loop. */
function cancel(id: number): void {
  const controller = running.get(id);
  if (controller !== undefined) controller.abort();
  else setImmediate(() => running.get(id)?.abort());
}

/**
 * Receives the messages that arrived while the thread was busy. Cancellations
 * take effect immediately. Other messages are queued until the thread is free.
 */
function poll(): void {
  for (;;) {
    const received = receiveMessageOnPort(port);
    if (received === undefined) return;
    const message = received.message as ToWorker;
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
    await sendResult(id, result, send);
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

/**
 * Sends a result. Long lists and contents are sent in pieces. Each piece is
 * sent after the host has decoded the previous one.
 */
async function sendResult(
  id: number,
  result: unknown,
  send: (message: FromWorker, transfer?: ArrayBuffer[]) => void,
): Promise<void> {
  const sendPiece = async (piece: Piece, transfer?: ArrayBuffer[]) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    sending.set(id, resolve);
    send({ id, piece }, transfer);
    await promise;
    sending.delete(id);
  };
  const sendList = async (list: readonly unknown[], of?: string) => {
    for (let at = 0; at < list.length; at += MAX_SENT) {
      await sendPiece({ list: list.slice(at, at + MAX_SENT), of });
    }
  };
  if (result instanceof Uint8Array && result.length > 0) {
    const size = result.length;
    for (let offset = 0; offset < size; offset += MAX_SENT_BYTES) {
      const bytes = result.slice(offset, offset + MAX_SENT_BYTES);
      await sendPiece({ bytes, offset, size }, [bytes.buffer]);
    }
    send({ id, result: undefined });
  } else if (isLong(result)) {
    await sendList(result);
    send({ id, result: [] });
  } else {
    const rest = isRecord(result) ? { ...result } : result;
    if (isRecord(rest)) {
      for (const [name, list] of Object.entries(rest)) {
        if (!isLong(list)) continue;
        await sendList(list, name);
        rest[name] = [];
      }
    }
    send({ id, result: rest });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null &&
    Object.getPrototypeOf(value) === Object.prototype;
}

function isLong(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > MAX_SENT;
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
