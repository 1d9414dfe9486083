import type { ByteSource } from "../bytes/source.ts";
import type { Entry, Metadata, Skipped } from "../tree/entry.ts";

/**
 * A receiver of extracted members: a directory, or something else that holds a
 * tree. Paths are relative, `/`-separated, and have no `.` or `..`. A folder
 * may come after its content, or not at all. An implementation must not write
 * through symlinks that it was given. It fails with code `unsafe` instead.
 */
export interface TreeSink {
  /** Makes a directory. */
  directory(path: string, metadata: Metadata): void | Promise<void>;
  /**
   * Makes a file. If the source fails, the file must not appear.
   */
  file(
    path: string,
    source: ByteSource,
    metadata: Metadata,
  ): void | Promise<void>;
  /**
   * Makes a symlink; the target is what the archive says, be it what it may.
   */
  symlink(
    path: string,
    target: string,
    metadata: Metadata,
  ): void | Promise<void>;
  /** Makes `path` another name of `existing`, which was given before. */
  hardLink(
    path: string,
    existing: string,
    metadata: Metadata,
  ): void | Promise<void>;
  /** Called after the last entry. */
  finish(): void | Promise<void>;
}

/** Options for walking a tree. */
export interface TreeWalkOptions {
  /** Called with each path that is left out, and the reason. */
  onSkip?: (skipped: Skipped) => void;
  /** Ends the walk. */
  signal?: AbortSignal;
}

/**
 * A source of members: a directory, or something else that holds a tree.
 */
export interface TreeSource {
  /** The entries, folders before what is in them. */
  walk(options?: TreeWalkOptions): AsyncIterable<Entry>;
  /** A file's content; a small one preferably in one piece. */
  open(path: string): ByteSource;
}
