import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import { isCount } from "../../bytes/is_count.ts";
import { readIfThere } from "../format/note.ts";

/**
 * The interval between heartbeats of running work, in milliseconds. A prune watches
 * silent work for three of them (`DEFAULT_PATIENCE_MS` in `../prune/defaults.ts`).
 */
const BEAT_MS = 15_000;

const FORMAT = "deltar-beat";
const VERSION = 1;

/** Returns the name of the object with the heartbeats of another object. */
export function beatName(name: string): string {
  return name.replace(/\.json$/, ".beat.json");
}

/**
 * Increases a count in an object beside `name` while work goes on. Other
 * processes recognize live work by a count that changes while they watch. No
 * clock is compared with that of another machine.
 */
export class Heartbeat {
  readonly #storage: Storage;
  readonly #name: string;
  #count = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #last: Promise<void> = Promise.resolve();

  /** Makes a heartbeat for the object `name`. It does not beat yet. */
  constructor(storage: Storage, name: string) {
    this.#storage = storage;
    this.#name = beatName(name);
  }

  /** Starts the heartbeats, the first after `every` milliseconds. */
  start(every: number = BEAT_MS): void {
    this.#timer ??= setInterval(() => {
      this.#last = this.#last.then(() => this.#beat());
    }, every);
  }

  /** Stops the heartbeats and deletes their object. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#last;
    if (this.#count > 0) await this.#storage.delete(this.#name);
  }

  async #beat(): Promise<void> {
    const bytes = encodeLines(FORMAT, VERSION, { count: ++this.#count }, []);
    // A failed heartbeat is skipped. The next one may succeed.
    await this.#storage.put(this.#name, bytes).catch(() => {});
  }
}

/** Returns the number of heartbeats of the work named `name` so far. */
export async function countHeartbeats(
  storage: Storage,
  name: string,
): Promise<number> {
  const bytes = await readIfThere(storage, beatName(name));
  if (bytes === undefined) return 0;
  const { header } = decodeLines(bytes, FORMAT, VERSION, beatName(name));
  return isCount(header.count) ? header.count : 0;
}
