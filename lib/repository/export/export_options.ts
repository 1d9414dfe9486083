import type { StreamFormat } from "../../archive/archive_stream.ts";
import type { DeltarError } from "../../bytes/errors.ts";

/** Options for exporting. */
export interface ExportOptions {
  /** The format of the archive. Default: `tar`. */
  format?: StreamFormat;
  /**
   * The path of a folder of the snapshot. The content of this folder is
   * exported, and the paths in the archive and in `paths` are relative to it.
   * Default: the root.
   */
  from?: string;
  /**
   * The files and folders to export, with all their content and with the
   * folders above them. Default: all.
   */
  paths?: readonly string[];
  /**
   * Called after each entry, and after each part of a large file, with the
   * progress.
   */
  onProgress?: (progress: ExportProgress) => void;
  /** Called with each entry that the format cannot represent completely. */
  onFailure?: (failure: ExportFailure) => void;
  /**
   * The signal that ends the work and the stream with an error of code
   * `aborted`.
   */
  signal?: AbortSignal;
}

/** The progress of an export. */
export interface ExportProgress {
  /**
   * The number of files exported so far. A file with hard links counts once in
   * a tar. In a zip, which has no hard links, each name of the file counts.
   */
  files: number;
  /** The number of directories exported so far. */
  directories: number;
  /**
   * The number of symlinks and hard links exported so far. The first name of a
   * file with hard links does not count.
   */
  links: number;
  /** The number of named pipes and devices exported so far. */
  special: number;
  /**
   * The number of hard links exported so far as copies of their files. The
   * copies also count as files.
   */
  copies: number;
  /** The number of bytes of the files exported so far. */
  bytes: number;
  /** The path of the current entry in the archive. */
  path: string;
}

/** An entry that an archive cannot represent completely. */
export interface ExportFailure {
  /** The path of the entry, relative to the exported folder. */
  path: string;
  /** The error that says what the format cannot represent. */
  error: DeltarError;
  /**
   * Whether the entry is in the archive without a part of its metadata. If
   * `false`, the entry is not in the archive.
   */
  exported: boolean;
}
