import type { Method, Methods, Progress } from "../shared/protocol.ts";

/** The context of a request. */
export interface Work {
  /** The signal that is aborted when the request is cancelled. */
  signal: AbortSignal;
  /**
   * Reports the progress. A report within 100 milliseconds of the start of the
   * request, or of the previous report that was sent, is dropped.
   */
  progress: (progress: Progress) => void;
}

/** A function that carries out a method. */
export type Handler<M extends Method> = (
  params: Methods[M][0],
  work: Work,
) => Promise<Methods[M][1]>;
