import type { Method, Methods, Progress } from "../shared/protocol.ts";

/** The context of a request. */
export interface Work {
  /** Fires when the request is cancelled. */
  signal: AbortSignal;
  /** Reports the progress. Reports in quick succession are dropped. */
  progress: (progress: Progress) => void;
}

/** The function that carries out a method. */
export type Handler<M extends Method> = (
  params: Methods[M][0],
  work: Work,
) => Promise<Methods[M][1]>;
