import { pause } from "../../bytes/pause.ts";
import { DeltarError, isDamage } from "../../bytes/errors.ts";
import { isRunning, owner, processOf } from "../../storage/temporary.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import { LEASES } from "../format/names.ts";
import { namesUnder, readIfThere } from "../format/note.ts";
import { countHeartbeats, Heartbeat } from "../runs/heartbeat.ts";
import { checkAborted } from "../../bytes/abort.ts";
import type { PruneProgress } from "./prune.ts";

/** The holder of a lease: the id of the prune, or the name of its lease. */
type Holder = Omit<Watched, "most">;

/** Options for taking a lease. */
export interface LeaseOptions {
  /**
   * The time for which a silent holder is watched before it counts as dead, in
   * milliseconds.
   */
  patience: number;
  /** Called before a holder is watched, because it may have died. */
  onWait?: (holder: Holder) => void;
  /** Ends the waiting with an error of code `aborted`. */
  signal?: AbortSignal;
}

const FORMAT = "deltar-lease";
const VERSION = 1;
const NAME = /^lease\/([1-9]\d{0,14})\.json$/;

/**
 * The right to prune: one holder at a time. A process that dies leaves it behind; another
 * takes it over after having watched, by its own monotonic clock, that the
 * holder's count does not change. The name has a number that grows, so of
 * several that take over one succeeds, and a holder that was only asleep finds
 * a higher number.
 *
 * It keeps prunes from doing the same work twice. That nothing is lost does
 * not rest on it.
 */
export class Lease {
  readonly #storage: Storage;
  readonly #name: string;
  readonly #holder: string;
  readonly #heartbeat: Heartbeat;

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
   * @param holder What tells this holder from others.
   * @throws {DeltarError} `exists` if a living one has it.
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
    for (const { name } of old) {
      await storage.delete(name);
      await storage.delete(name.replace(/\.json$/, ".beat.json"));
    }
    return lease;
  }

  /**
   * Whether the lease is still this holder's.
   *
   * @throws {DeltarError} `conflict` if it was taken over.
   */
  async check(): Promise<void> {
    const bytes = await readIfThere(this.#storage, this.#name);
    const last = (await leases(this.#storage)).at(-1);
    if (bytes !== undefined && last?.name === this.#name) {
      const { header } = decodeLines(bytes, FORMAT, VERSION, this.#name);
      if (header.holder === this.#holder) return;
    }
    throw new DeltarError(
      "conflict",
      "another prune took over, as this one stood still; nothing is lost",
      { object: this.#name },
    );
  }

  /** Gives the lease back; what fails here is waited for by the next. */
  async end(): Promise<void> {
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

/** Returns the holder of a lease, or `undefined` if it was released. */
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
    // Whoever holds it, it is watched.
    if (isDamage(error)) return { ids: [name] };
    throw error;
  }
}

/**
 * Whether a holder surely is no more. The number of a process may be used
 * again: one that runs may not be the holder, and is watched.
 */
function isGone({ process }: Holder): boolean {
  return process !== undefined && isRunning(process) === false;
}

/** Watches whether a holder gives a sign of life. */
async function isBeating(
  storage: Storage,
  name: string,
  holder: Holder,
  options: LeaseOptions,
): Promise<boolean> {
  options.onWait?.(holder);
  return await watch(async () => {
    const now = await leases(storage);
    // One that is given back, or taken over, changes as well.
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
    `another prune${who} is at work in this repository; wait for its end`,
    { object },
  );
}

/** Others that gave no sign of life, and are watched for one. */
export interface Watched {
  /** The ids of a prune or of runs; each tells when it began. */
  ids: string[];
  /** The process, if it is known to be one of this machine. */
  process?: number;
  /** For how long at most, in milliseconds. */
  most: number;
}

/** Returns the progress of a prune that waits for others. */
export function waitsFor(
  watched: Omit<Watched, "most">,
  { patience }: { patience: number },
): PruneProgress {
  const waitsFor = { ...watched, most: patience };
  return { phase: "waiting", done: 0, all: 1, waitsFor };
}

/** The number of looks at what is watched during the wait. */
const LOOKS = 4;

/**
 * Watches a value for a while, by this machine's monotonic clock.
 *
 * @param look Gives the value.
 * @param options How long, in milliseconds, and what ends the waiting.
 * @returns Whether it changed.
 * @throws {DeltarError} `aborted`.
 */
export async function watch(
  look: () => Promise<number>,
  { patience, signal }: { patience: number; signal?: AbortSignal },
): Promise<boolean> {
  const first = await look();
  for (let at = 0; at < LOOKS; at++) {
    await pause(patience / LOOKS, signal);
    checkAborted(signal);
    if (await look() !== first) return true;
  }
  return false;
}
