import { pause } from "../../bytes/pause.ts";
import { together } from "../../bytes/together.ts";
import { DeltarError, isDamage } from "../../bytes/errors.ts";
import { isRunning, owner, processOf } from "../../storage/temporary.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import { LEASES } from "../format/names.ts";
import { deleteEach, namesUnder, readIfThere } from "../format/note.ts";
import { beatName, countHeartbeats, Heartbeat } from "../runs/heartbeat.ts";
import { checkAborted } from "../../bytes/abort.ts";
import type { PruneProgress } from "./prune.ts";

/**
 * The holder of a lease: the id of the prune, rekey or purge, and the process
 * id if it is known. If the lease is damaged, its name is used as the id.
 */
type Holder = Omit<Watched, "most">;

/** Options for taking a lease. */
export interface LeaseOptions {
  /**
   * The time for which a silent holder is watched before it is considered dead,
   * in milliseconds.
   */
  patience: number;
  /**
   * Called with the holder of the lease before this process waits to see
   * whether the holder is alive.
   */
  onWait?: (holder: Holder) => void;
  /** The signal that ends the wait with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * The time for which a successful check of the lease remains valid, in
 * milliseconds. It is much shorter than the time after which another process
 * takes over the lease of a silent holder.
 */
const CHECK_COUNTS_MS = 5000;

const FORMAT = "deltar-lease";
const VERSION = 1;
const NAME = /^lease\/([1-9]\d{0,14})\.json$/;

/**
 * The right to prune, rekey or purge. Only one holder can have it at a time.
 *
 * If the holder's process is killed, the lease remains. Another process takes
 * the lease over if the holder's heartbeat count does not change for some time,
 * measured by the other process's monotonic clock. If the holder's process was
 * on the same machine and has ended, the lease is taken over without waiting.
 * The name of each lease contains a number. A process takes a lease over by
 * creating a lease with the next number, which only one process can do. A
 * holder that was only suspended then finds a lease with a higher number, and
 * stops.
 *
 * The lease prevents prunes from doing the same work twice. It also prevents a
 * suspended prune from deleting objects that a copy has stored again, and a
 * rekey from bringing back objects that a prune deletes. Snapshots do not
 * depend on the lease.
 */
export class Lease {
  readonly #storage: Storage;
  readonly #name: string;
  readonly #holder: string;
  readonly #heartbeat: Heartbeat;
  /** The start of the last check that succeeded, in milliseconds since 1970. */
  #checked = -Infinity;
  #checking: Promise<void> | undefined;

  private constructor(storage: Storage, name: string, holder: string) {
    this.#storage = storage;
    this.#name = name;
    this.#holder = holder;
    this.#heartbeat = new Heartbeat(storage, name);
    this.#heartbeat.start();
  }

  /**
   * Takes the lease.
   *
   * @param storage The repository's storage.
   * @param holder The id of this holder. No other holder has the same id.
   * @param options The duration of the watch, the callback and the signal.
   * @throws {DeltarError} `exists` if a live holder has the lease, or another
   * process takes it at the same time; `aborted` if the signal ends the wait;
   * also the errors of the storage.
   */
  static async take(
    storage: Storage,
    holder: string,
    options: LeaseOptions,
  ): Promise<Lease> {
    const old = await leases(storage);
    const last = old.at(-1);
    if (last !== undefined) {
      const found = await holderOf(storage, last.name);
      const isAlive = found !== undefined && !isGone(found) &&
        await isBeating(storage, last.name, found, options);
      if (isAlive && (await leases(storage)).length > 0) {
        throw taken(last.name, found);
      }
    }
    const name = `${LEASES}${(last?.number ?? 0) + 1}.json`;
    const header = { holder, process: owner() };
    const bytes = encodeLines(FORMAT, VERSION, header, []);
    try {
      await storage.put(name, bytes, { ifAbsent: true });
    } catch (error) {
      const { code } = error as DeltarError;
      if (code === "exists") throw taken(name);
      throw error;
    }
    const lease = new Lease(storage, name, holder);
    await deleteEach(
      storage,
      old.flatMap(({ name }) => [name, beatName(name)]),
    );
    return lease;
  }

  /**
   * Checks that the lease still belongs to this holder.
   *
   * @throws {DeltarError} `conflict` if the lease was taken over.
   */
  async check(): Promise<void> {
    const start = Date.now();
    const [bytes, all] = await together([
      readIfThere(this.#storage, this.#name),
      leases(this.#storage),
    ]);
    const last = all.at(-1);
    if (bytes !== undefined && last?.name === this.#name) {
      const { header } = decodeLines(bytes, FORMAT, VERSION, this.#name);
      if (header.holder === this.#holder) {
        this.#checked = start;
        return;
      }
    }
    throw new DeltarError(
      "conflict",
      "another prune, rekey or purge took over the lease, because this process " +
        "did not respond. Nothing is lost. Start the operation again to finish " +
        "it.",
      { object: this.#name },
    );
  }

  /**
   * Checks the lease as `check` does, unless a check succeeded in the last few
   * seconds. Long operations call `checkAgain` before each irreversible step,
   * so that a process that was suspended checks the lease before it continues.
   *
   * @throws {DeltarError} `conflict` if the lease was taken over.
   */
  async checkAgain(): Promise<void> {
    if (Math.abs(Date.now() - this.#checked) < CHECK_COUNTS_MS) return;
    this.#checking ??= this.check().finally(() => this.#checking = undefined);
    await this.#checking;
  }

  /**
   * Releases the lease at the end of an `await using` block. If that fails, the
   * next prune, rekey or purge takes the lease over.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#heartbeat.stop().catch(() => {});
    await this.#storage.delete(this.#name).catch(() => {});
  }
}

async function leases(
  storage: Storage,
): Promise<{ name: string; number: number }[]> {
  const found: { name: string; number: number }[] = [];
  for (const name of await namesUnder(storage, LEASES)) {
    const number = Number(NAME.exec(name)?.[1]);
    if (number > 0) found.push({ name, number });
  }
  return found.sort((a, b) => a.number - b.number);
}

/** Returns the holder of a lease, or `undefined` if the lease was released. */
async function holderOf(
  storage: Storage,
  name: string,
): Promise<Holder | undefined> {
  const bytes = await readIfThere(storage, name);
  if (bytes === undefined) return undefined;
  try {
    const { header } = decodeLines(bytes, FORMAT, VERSION, name);
    return {
      ids: [String(header.holder)],
      process: processOf(String(header.process)),
    };
  } catch (error) {
    // The lease is damaged, so the holder is unknown. The holder's heartbeat
    // can still be watched.
    if (isDamage(error)) return { ids: [name] };
    throw error;
  }
}

/**
 * Returns whether a holder's process is known to have ended. Process ids are
 * reused, so another process may now have the holder's id. In that case, the
 * function returns `false`, and the holder's heartbeat is watched.
 */
function isGone({ process }: Holder): boolean {
  return process !== undefined && isRunning(process) === false;
}

/**
 * Watches a holder's heartbeat count. Returns whether the count changed or the
 * lease was released or taken over.
 */
async function isBeating(
  storage: Storage,
  name: string,
  holder: Holder,
  options: LeaseOptions,
): Promise<boolean> {
  options.onWait?.(holder);
  return await watch(async () => {
    const now = await leases(storage);
    // -1 means that the lease was released or taken over. It differs from every
    // count.
    return now.at(-1)?.name === name
      ? await countHeartbeats(storage, name)
      : -1;
  }, options);
}

function taken(object: string, holder?: Holder): DeltarError {
  const who = holder?.process === undefined
    ? ""
    : ` (process ${holder.process})`;
  return new DeltarError(
    "exists",
    `another prune, rekey or purge${who} of this repository is running; wait ` +
      "until it ends",
    { object },
  );
}

/**
 * The holder of the lease, or the runs, that a process watches because they may
 * be dead.
 */
export interface Watched {
  /**
   * The id of the holder, or the ids of the runs. An id contains the start time
   * of the operation. If the lease is damaged, its name is used as the id.
   */
  ids: string[];
  /**
   * The process id of the holder, if its process is known to be on this
   * machine.
   */
  process?: number;
  /** The maximum duration of the watch, in milliseconds. */
  most: number;
}

/** Returns the progress of a prune that is watching another prune or runs. */
export function waitsFor(
  watched: Omit<Watched, "most">,
  { patience }: { patience: number },
): PruneProgress {
  const waitsFor = { ...watched, most: patience };
  return { phase: "waiting", done: 0, all: 1, waitsFor };
}

/** The number of times that a value is read again during a watch. */
const READS_PER_WATCH = 4;

/**
 * Watches a value for some time, measured by this machine's monotonic clock.
 *
 * @param look Called to read the value.
 * @param options The duration in milliseconds, and the signal.
 * @returns Whether the value changed.
 * @throws {DeltarError} `aborted` if the signal ends the watch.
 */
export async function watch(
  look: () => Promise<number>,
  { patience, signal }: { patience: number; signal?: AbortSignal },
): Promise<boolean> {
  const first = await look();
  for (let at = 0; at < READS_PER_WATCH; at++) {
    await pause(patience / READS_PER_WATCH, signal);
    checkAborted(signal);
    if (await look() !== first) return true;
  }
  return false;
}
