import type { Method, Methods, Progress } from "../shared/protocol.ts";

/** The context of a request. */
export interface Work {
  /** The signal that is aborted when the request is cancelled. */
  signal: AbortSignal;
  /**
   * Sends the progress to the extension host. Does nothing if less than 100
   * milliseconds have passed since the start of the request or since the last
   * report was sent.
   */
  progress: (progress: Progress) => void;
}

/** A function that carries out a method of the worker. */
export type Handler<M extends Method> = (
  params: Methods[M][0],
  work: Work,
) => Promise<Methods[M][1]>;
