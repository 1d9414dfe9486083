import type { TreeSink } from "../../lib/archive/tree_sink.ts";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { type ByteSource, collect } from "../../lib/bytes/source.ts";
import type { GetOptions, Storage } from "../../lib/storage/storage.ts";
import type { Metadata } from "../../lib/tree/entry.ts";

/** The data that a sink received for a path. */
export interface SunkEntry {
  kind: string;
  metadata: Metadata;
  content?: Uint8Array;
  target?: string;
}

/** A tree in memory that refuses everything that a `TreeSink` has to refuse. */
export class MemorySink implements TreeSink {
  readonly entries = new Map<string, SunkEntry>();
  finished = false;

  directory(path: string, metadata: Metadata): void {
    this.#check(path);
    this.entries.set(path, { kind: "directory", metadata });
  }

  async file(
    path: string,
    source: ByteSource,
    metadata: Metadata,
  ): Promise<void> {
    this.#check(path);
    const content = await collect(source);
    this.entries.set(path, { kind: "file", metadata, content });
  }

  symlink(path: string, target: string, metadata: Metadata): void {
    this.#check(path);
    this.entries.set(path, { kind: "symlink", metadata, target });
  }

  hardLink(path: string, existing: string, metadata: Metadata): void {
    this.#check(path);
    this.#check(existing);
    this.entries.set(path, { kind: "hardlink", metadata, target: existing });
  }

  finish(): void {
    this.finished = true;
  }

  #check(path: string): void {
    const segments = path.split("/");
    for (let depth = 1; depth < segments.length; depth++) {
      const above = this.entries.get(segments.slice(0, depth).join("/"));
      if (above !== undefined && above.kind !== "directory") {
        throw new DeltarError("unsafe", "through a link", { path });
      }
    }
  }
}

/** A storage that records the reads of another storage. */
export class CountingStorage implements Storage {
  readonly location = "counting";
  readonly reads: { name: string; offset?: number; length?: number }[] = [];
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  get(name: string, options: GetOptions = {}): AsyncIterable<Uint8Array> {
    const { offset, length } = options;
    this.reads.push({ name, offset, length });
    return this.#storage.get(name, options);
  }

  put(...args: Parameters<Storage["put"]>): Promise<void> {
    return this.#storage.put(...args);
  }

  list(prefix?: string): ReturnType<Storage["list"]> {
    return this.#storage.list(prefix);
  }

  delete(name: string): Promise<void> {
    return this.#storage.delete(name);
  }
}
