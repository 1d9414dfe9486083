import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import { isCount } from "../../bytes/is_count.ts";
import { readIfThere } from "../format/note.ts";

/**
 * The interval between the heartbeats of a run or lease, in milliseconds. A
 * prune waits for three intervals without a heartbeat before it considers the
 * run dead or takes over the lease (`DEFAULT_PATIENCE_MS` in
 * `../prune/defaults.ts`).
 */
const BEAT_MS = 15_000;

const FORMAT = "deltar-beat";
const VERSION = 1;

/** Returns the name of the heartbeat object of an intent or lease. */
export function beatName(name: string): string {
  return name.replace(/\.json$/, ".beat.json");
}

/**
 * The heartbeat of a run or lease. It increases the count in the heartbeat
 * object of the intent or lease until `stop` is called. Other processes watch
 * the count. A changing count shows that the run or prune is alive, even if the
 * clocks of its machine and of the watching machine differ.
 */
export class Heartbeat {
  readonly #storage: Storage;
  readonly #name: string;
  #count = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #last: Promise<void> = Promise.resolve();

  /**
   * Prepares heartbeats for the intent or lease `name`. Call `start` to begin.
   */
  constructor(storage: Storage, name: string) {
    this.#storage = storage;
    this.#name = beatName(name);
  }

  /** Starts to increase the count at intervals of `every` milliseconds. */
  start(every: number = BEAT_MS): void {
    this.#timer ??= setInterval(() => {
      this.#last = this.#last.then(() => this.#beat());
    }, every);
  }

  /** Stops the heartbeats and deletes the heartbeat object. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#last;
    if (this.#count > 0) await this.#storage.delete(this.#name);
  }

  async #beat(): Promise<void> {
    const bytes = encodeLines(FORMAT, VERSION, { count: ++this.#count }, []);
    // A failed heartbeat is ignored, because the next one may succeed.
    await this.#storage.put(this.#name, bytes).catch(() => {});
  }
}

/**
 * Returns the current heartbeat count of the intent or lease `name`, or 0
 * before the first heartbeat.
 *
 * @param storage The repository's storage.
 * @param name The name of the intent or lease.
 */
export async function countHeartbeats(
  storage: Storage,
  name: string,
): Promise<number> {
  const bytes = await readIfThere(storage, beatName(name));
  if (bytes === undefined) return 0;
  const { header } = decodeLines(bytes, FORMAT, VERSION, beatName(name));
  return isCount(header.count) ? header.count : 0;
}
