/**
 * Verifying: finding the damage in a repository, and the effects of the damage.
 *
 * `verify_records.ts` reads all records and notes. `verify_noted.ts` compares
 * the keys and notes of an encrypted repository with their manifests.
 * `family.ts` makes passes over the trees of all snapshots that have the same
 * first layer. The first pass counts the entries and finds the volumes that
 * they need. With the option `data`, or if a needed volume is damaged or
 * missing, further passes follow. No entry is kept between passes.
 * `verify_objects.ts` checks that every needed volume exists and, with the
 * option `data`, that it matches its SHA-256. `verify_files.ts` rebuilds every
 * content with the option `data`, and otherwise only the contents in damaged
 * volumes. `unrecorded.ts` finds snapshots whose records are missing.
 * `untrusted.ts` finds records and notes whose cryptographic signature is
 * missing or not trusted. `findings.ts` collects the damage by object, with the
 * affected files and snapshots. `VerifyResult` lists all results.
 *
 * @module
 */
import { type HardLinkEntry, isSpecial } from "../../tree/entry.ts";
import { checkAborted } from "../../bytes/abort.ts";
import type { DeltarError } from "../../bytes/errors.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { together } from "../../bytes/together.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import { withoutAge } from "../../storage/names.ts";
import type { Storage, StoredObject } from "../../storage/storage.ts";
import { storedSize } from "../../tree/entry_line.ts";
import { hasXattrs } from "../../tree/xattrs.ts";
import type { TreeFileEntry } from "../layers/tree_layer.ts";
import { familiesOf, Family, type VisibleEntry } from "./family.ts";
import { type Damage, Findings } from "./findings.ts";
import {
  isOfAdmin,
  KEYS,
  RECIPIENTS,
  recordName,
  SETTINGS,
} from "../format/names.ts";
import type {
  LayerRecord,
  ObjectRecord,
  SnapshotRecord,
} from "../format/snapshot_record.ts";
import { findUnrecorded, type UnrecordedSnapshot } from "./unrecorded.ts";
import type { Store } from "../store/store.ts";
import { verifyNoted } from "./verify_noted.ts";
import { allPieces, FileCheck, referenceFault } from "./verify_files.ts";
import { kindOf, ObjectCheck } from "./verify_objects.ts";
import {
  verifyNotes,
  verifyRecords,
  verifySettings,
} from "./verify_records.ts";

/** Options for verifying. */
export interface VerifyOptions {
  /**
   * Whether to read all needed volumes, rebuild each file, and check the
   * SHA-256 of each volume and file. Default: `false`.
   */
  data?: boolean;
  /**
   * The public keys (`ssh-ed25519 AAAA…`) of the signers whose records are
   * trusted. By default, the admin key, the key of this machine and the keys of
   * the signers are trusted in an encrypted repository (see `Store.trustOf`).
   * In a repository that is not encrypted, every record is trusted by default.
   */
  signers?: readonly string[];
  /**
   * Called with the progress, at least once for each record, volume and file.
   */
  onProgress?: (progress: VerifyProgress) => void;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** The progress of a verification. */
export interface VerifyProgress {
  /**
   * The current phase, in which commit records, volumes (`objects`) or files
   * are checked.
   */
  phase: "records" | "objects" | "files";
  /** The number of objects or files checked since the current phase began. */
  done: number;
  /** The number of bytes of volumes and rebuilt files read so far. */
  bytes: number;
  /** The name of the current object, or the path of the current file. */
  name: string;
  /**
   * With `data`: the number of bytes of volumes and files checked so far. If
   * the content of a file was already checked for another file, its bytes are
   * counted again.
   */
  doneBytes: number;
  /**
   * With `data`: the expected final value of `doneBytes`. Absent until the
   * trees of all snapshots have been read.
   */
  allBytes?: number;
}

/** The result of a verification. */
export interface VerifyResult {
  /** The number of snapshots with a readable record. */
  snapshots: number;
  /** The number of checked objects: settings, records, layers and volumes. */
  objects: number;
  /** The total size of the checked objects, in bytes. */
  bytes: number;
  /**
   * The number of checked files in all snapshots. An entry of a layer counts
   * once, even if several snapshots share the layer.
   */
  files: number;
  /** The number of checked files that are sparse. */
  sparse: number;
  /**
   * The number of named pipes and devices, counted in the same way as `files`.
   */
  special: number;
  /**
   * The number of checked entries that have extended attributes or ACLs,
   * counted in the same way as `files`.
   */
  xattrs: number;
  /**
   * The number of contents that were rebuilt and match their SHA-256. A content
   * that is stored in several places counts once for each place.
   */
  rebuilt: number;
  /** The damage, with one element for each damaged or missing object. */
  damage: Damage[];
  /**
   * The objects that no snapshot needs, left behind by interrupted or removed
   * snapshots or by other programs. They do not count as damage. Notes, marks,
   * moves and similar objects are not included. The list is empty if a record
   * or layer cannot be read, because then not all needed objects are known.
   */
  leftOvers: StoredObject[];
  /** The snapshots whose tree is stored but whose record is missing. */
  unrecorded: UnrecordedSnapshot[];
  /** The snapshots whose cryptographic signature is missing or not trusted. */
  untrusted: UntrustedSnapshot[];
  /**
   * The labels and results of drills that are ignored because their
   * cryptographic signature is missing or not trusted.
   */
  untrustedNotes: UntrustedNote[];
}

/**
 * A note that is ignored because its cryptographic signature is missing or not
 * trusted.
 */
export interface UntrustedNote {
  /** The name of the note. */
  object: string;
  /** The id of the snapshot that the note is about. */
  id: string;
  /**
   * The reason: the note is not signed, or an unknown or revoked key signed it.
   */
  trust: "unsigned" | "unknown" | "revoked";
  /** The public half of the key that signed the note, if it is signed. */
  signer?: string;
}

/** A snapshot whose cryptographic signature is missing or not trusted. */
export interface UntrustedSnapshot {
  /** The id of the snapshot. */
  id: string;
  /**
   * The reason why the record is not trusted: it is not signed, an unknown or
   * revoked key signed it, or it was signed for another repository.
   */
  trust: "unsigned" | "unknown" | "revoked" | "foreign";
  /** The public half of the key that signed the record, if it is signed. */
  signer?: string;
}

/** The counts of a family's visible entries, and the volumes they need. */
interface Survey {
  /** The number of files. */
  files: number;
  /** The number of sparse files. */
  sparse: number;
  /** The number of named pipes and devices. */
  special: number;
  /** The number of entries with extended attributes or ACLs. */
  withXattrs: number;
  /**
   * The total size of all files in bytes. For a sparse file, the size of its
   * condensed form is counted.
   */
  bytes: number;
  /**
   * The offset in bytes at which the last needed range of each volume ends, by
   * the name of the volume.
   */
  ends: Map<string, number>;
}

/** The maximum number of files that are rebuilt at the same time. */
const MAX_FILES_AT_ONCE = 4;

/**
 * Verifies a repository and reports the damage. Changes nothing. See
 * `Repository.verify`.
 */
export async function verifyRepository(
  store: Store,
  options: VerifyOptions = {},
): Promise<Omit<VerifyResult, "untrusted" | "untrustedNotes">> {
  return await new Verification(store, options).run();
}

class Verification {
  readonly #store: Store;
  readonly #storage: Storage;
  readonly #options: VerifyOptions;
  readonly #findings = new Findings();
  readonly #files: FileCheck;
  readonly #needed = new Set<string>([SETTINGS]);
  #progress: VerifyProgress = {
    phase: "records",
    done: 0,
    bytes: 0,
    name: "",
    doneBytes: 0,
  };
  /**
   * The total size in bytes of the volumes and files of all trees read so far.
   */
  #known = 0;
  #entries = 0;
  #sparse = 0;
  #special = 0;
  #withXattrs = 0;

  constructor(store: Store, options: VerifyOptions) {
    this.#store = store;
    this.#storage = store.storage;
    this.#options = options;
    this.#files = new FileCheck(store.storage);
  }

  async run(): Promise<Omit<VerifyResult, "untrusted" | "untrustedNotes">> {
    const { data = false } = this.#options;
    const sizes = new Map<string, number>();
    const listAll = async () => {
      for await (const { name, size } of this.#storage.list()) {
        sizes.set(name, size);
      }
    };
    await together([
      listAll(),
      verifySettings(this.#storage, this.#findings),
    ]);
    const records = await verifyRecords(
      this.#storage,
      sizes.keys(),
      this.#findings,
      (name) => this.#tell("records", name, 0, 1),
    );
    await verifyNotes(this.#storage, sizes.keys(), this.#findings);
    await this.#verifyNoted();
    const objects = new ObjectCheck(
      this.#storage,
      sizes,
      this.#findings,
      data,
    );
    const count = familiesOf(records).length;
    let begun = 0;
    const families = Family.of(this.#storage, records, {
      onFailure: (error, { name }, harmed) => {
        const damage = this.#findings
          .object(name, "layer", error);
        this.#findings.lose(damage, harmed.map(({ id }) => id));
      },
      signal: this.#options.signal,
    });
    for await (const family of families) {
      checkAborted(this.#options.signal);
      await this.#verifyFamily(family, objects, ++begun === count);
    }
    const listings = new Set([
      SETTINGS,
      ...records.map(({ id }) => recordName(id)),
      ...records.flatMap(({ layers }) => layers.map(({ name }) => name)),
    ]);
    const leftOvers = this.#leftOvers(sizes, records);
    return {
      snapshots: records.length,
      objects: objects.objects + listings.size,
      bytes: [...listings].reduce(
        (sum, name) => sum + (sizes.get(name) ?? 0),
        objects.bytes,
      ),
      files: this.#entries,
      sparse: this.#sparse,
      special: this.#special,
      xattrs: this.#withXattrs,
      rebuilt: this.#files.files,
      damage: await this.#stillThere(),
      leftOvers,
      unrecorded: await findUnrecorded(
        this.#storage,
        sizes,
        records,
        leftOvers,
      ),
    };
  }

  /**
   * Compares the keys and notes of an encrypted repository with their
   * manifests. The comparison detects changes by a person who can write to the
   * storage but has no trusted key, and so cannot sign manifests.
   */
  async #verifyNoted(): Promise<void> {
    const { keys } = this.#store;
    if (keys === undefined) return;
    await verifyNoted(keys.files, {
      refuse: async ({ signer, objects }) => {
        const isOurs = objects.every(({ name }) => isOfAdmin(name))
          ? signer === keys.adminPublicKey
          // A manifest is also used if the key that signed it was revoked,
          // because the revocation does not damage the listed notes.
          : ["trusted", "revoked"].includes(
            await this.#store.trustOfSigner(signer),
          );
        return isOurs ? undefined : "no trusted key signed the manifest";
      },
      data: true,
      fail: (object, message) => {
        const isKey = object.startsWith(KEYS);
        const name = isKey ? object : withoutAge(object);
        this.#findings.object(name, isKey ? "key" : "note", message);
      },
      signal: this.#options.signal,
    });
  }

  /**
   * Verifies the trees of a family of snapshots, and the objects that they
   * need. With `data`, sets `allBytes` after the trees have been read, if this
   * is the last family.
   */
  async #verifyFamily(
    family: Family,
    check: ObjectCheck,
    isLast: boolean,
  ): Promise<void> {
    const { data, signal } = this.#options;
    const survey = await family.pass((batches) => this.#survey(batches));
    this.#entries += survey.files;
    this.#sparse += survey.sparse;
    this.#special += survey.special;
    this.#withXattrs += survey.withXattrs;
    this.#known += survey.bytes;
    const layers = new Map<string, LayerRecord>();
    for (const { layers: all } of family.all) {
      for (const layer of all) layers.set(layer.name, layer);
    }
    for (const name of layers.keys()) this.#needed.add(name);
    for (const layer of layers.values()) check.checkSize(layer, "layer");
    const needed: ObjectRecord[] = [];
    let isPossible = true;
    for (const [volume, end] of survey.ends) {
      const object = family.objects.get(volume);
      if (object === undefined || end > object.size) isPossible = false;
      if (object === undefined) continue;
      needed.push(object);
      this.#needed.add(object.name);
      this.#known += object.size;
    }
    if (isLast && data) {
      this.#progress = { ...this.#progress, allBytes: this.#known };
    }
    await check.check(
      needed,
      signal,
      (name, bytes) => this.#tell("objects", name, bytes, bytes === 0 ? 1 : 0),
    );
    for (const { name } of needed) this.#needed.add(check.placeOf(name));
    const isIntact = needed
      .every(({ name }) =>
        !check.isMissing(name) && this.#findings.of(name) === undefined
      );
    if (!data && isPossible && isIntact) {
      this.#noteLayers(family);
      return;
    }
    await family.pass((batches) =>
      forEachConcurrent(
        filesOf(batches),
        MAX_FILES_AT_ONCE,
        (visible) => this.#verifyFile(visible, family, check),
      )
    );
    this.#noteLayers(family);
    if (this.#findings.all().length > 0) {
      await family.pass((batches) => this.#noteEffects(batches, family));
    }
  }

  /** Counts the entries of a family, and finds the volumes that they need. */
  async #survey(batches: AsyncIterable<VisibleEntry[]>): Promise<Survey> {
    const survey: Survey = {
      files: 0,
      sparse: 0,
      special: 0,
      withXattrs: 0,
      bytes: 0,
      ends: new Map(),
    };
    for await (const batch of batches) {
      checkAborted(this.#options.signal);
      for (const { entry } of batch) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        if (hasXattrs(entry.xattrs)) survey.withXattrs++;
        if (isSpecial(entry)) survey.special++;
        if (entry.kind !== "file") continue;
        survey.files++;
        if (entry.sparse !== undefined) survey.sparse++;
        survey.bytes += storedSize(entry);
        for (const { reference } of allPieces(entry)) {
          const { volume, offset, length } = reference;
          const end = survey.ends.get(volume) ?? 0;
          survey.ends.set(volume, Math.max(end, offset + length));
        }
        if (!this.#options.data) this.#tell("files", entry.path, 0, 1);
      }
    }
    return survey;
  }

  async #verifyFile(
    visible: VisibleFile,
    family: Family,
    check: ObjectCheck,
  ): Promise<void> {
    const { entry, layer } = visible;
    checkAborted(this.#options.signal);
    if (this.#options.data) this.#tell("files", entry.path, 0, 1);
    const impossible = referenceFault(entry, family.objects);
    if (impossible !== undefined) {
      this.#harm(visible, family, layer.name, impossible);
      return;
    }
    const pieces = entry.content.map((piece) => piece.reference.volume);
    const missing = pieces.find((name) => check.isMissing(name));
    const suspect = pieces.find((name) => this.#findings.of(name));
    if (missing !== undefined) {
      this.#harm(visible, family, missing);
    } else if (suspect !== undefined || this.#options.data) {
      let left = storedSize(entry);
      const fault = await this.#files.check(
        entry,
        this.#options.signal,
        (bytes) => {
          left -= bytes;
          this.#tell("files", entry.path, bytes, 0);
        },
      );
      this.#tell("files", entry.path, 0, 0, left);
      if (fault !== undefined) {
        this.#harm(
          visible,
          family,
          suspect ?? fault.object ?? pieces[0],
          fault,
        );
      }
    }
    if (this.#options.data && entry.signature !== undefined) {
      const { volume } = entry.signature.reference;
      if (this.#findings.of(volume) !== undefined) return;
      const fault = await this.#files
        .checkSignature(entry, this.#options.signal);
      if (fault !== undefined) {
        this.#findings.object(volume, "signature", fault);
      }
    }
  }

  #harm(
    visible: VisibleEntry,
    family: Family,
    object: string,
    fault?: DeltarError,
  ): void {
    const damage = this.#findings.of(object) ?? this.#findings.object(
      object,
      object === visible.layer.name ? "layer" : kindOf(object),
      fault ?? "the object is missing",
    );
    const ids = family.having(visible).map(({ id }) => id);
    this.#findings.harm(damage, visible.entry.path, ids);
  }

  /** Records which snapshots need a damaged layer. */
  #noteLayers(family: Family): void {
    for (const { id, layers } of family.all) {
      for (const { name } of layers) {
        const damage = this.#findings.of(name);
        if (damage !== undefined) this.#findings.need(damage, [id]);
      }
    }
  }

  /**
   * Records for each damaged volume which snapshots need the volume, even if
   * none of their files is affected. Also records which hard links refer to
   * damaged files. The contents of all files of the family must have been
   * checked before, because the target of a link can be in any layer.
   */
  async #noteEffects(
    batches: AsyncIterable<VisibleEntry[]>,
    family: Family,
  ): Promise<void> {
    for await (const batch of batches) {
      for (const visible of batch) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        if (isLink(visible)) this.#harmLink(visible, family);
        for (const { reference } of allPieces(visible.entry)) {
          const damage = this.#findings.of(reference.volume);
          if (damage === undefined) continue;
          const having = family.having(visible).map(({ id }) => id);
          this.#findings.need(damage, having);
        }
      }
    }
  }

  /** Records that the damage to a file also affects a hard link to the file. */
  #harmLink(link: VisibleLink, family: Family): void {
    const { path, target } = link.entry;
    const having = new Set(family.having(link).map(({ id }) => id));
    for (const { damage, ids } of this.#findings.harming(target)) {
      const both = ids.filter((id) => having.has(id));
      if (both.length > 0) this.#findings.harm(damage, path, both);
    }
  }

  #leftOvers(
    sizes: ReadonlyMap<string, number>,
    records: readonly SnapshotRecord[],
  ): StoredObject[] {
    const isKnown = this.#findings.all()
      .every(({ lost }) => lost.length === 0);
    if (!isKnown) return [];
    for (const { id } of records) this.#needed.add(recordName(id));
    return [...sizes]
      .filter(([name]) => !this.#needed.has(name) && !isOwn(name))
      .map(([name, size]) => ({ name, size }));
  }

  /**
   * Returns the damage without the snapshots that another process removed
   * during the verification. Damage that affects only such snapshots is
   * omitted.
   */
  async #stillThere(): Promise<Damage[]> {
    const all = this.#findings.all();
    if (all.length === 0) return all;
    const names = new Set<string>();
    for await (const { name } of this.#storage.list()) names.add(name);
    const isThere = (id: string) => names.has(recordName(id));
    return all.flatMap((damage) => {
      const lost = damage.lost.filter(isThere);
      const needing = damage.needing.filter(isThere);
      const files = damage.files
        .map(({ path, snapshots }) => ({
          path,
          snapshots: snapshots.filter(isThere),
        }))
        .filter(({ snapshots }) => snapshots.length > 0);
      const left = { ...damage, lost, needing, files };
      return isHarmful(damage) && !isHarmful(left) ? [] : [left];
    });
  }

  #tell(
    phase: VerifyProgress["phase"],
    name: string,
    bytes: number,
    done: number,
    skipped = 0,
  ): void {
    const before = this.#progress;
    this.#progress = {
      ...before,
      phase,
      done: (before.phase === phase ? before.done : 0) + done,
      bytes: before.bytes + bytes,
      name,
      doneBytes: before.doneBytes + bytes + skipped,
    };
    this.#options.onProgress?.(this.#progress);
  }
}

/**
 * Returns whether any snapshot needs the damaged object or is affected by the
 * damage.
 */
function isHarmful({ lost, needing, files }: Damage): boolean {
  return lost.length + needing.length + files.length > 0;
}

/**
 * Returns whether an object belongs to the repository even if no snapshot needs
 * the object. This is true of the list of recipients, and of the objects in
 * folders such as those for notes, marks and checkpoints.
 */
function isOwn(name: string): boolean {
  return name === RECIPIENTS ||
    /^(?:checkpoints|copied|damaged|garbage|holders|judged|labels|lease|manifests|moves|proofs|removed|replaced|restores|running|settings|signers)\//
      .test(name);
}

/** A hard link that is visible in at least one snapshot of a family. */
type VisibleLink = VisibleEntry & { entry: HardLinkEntry };

function isLink(visible: VisibleEntry): visible is VisibleLink {
  return visible.entry.kind === "hardlink";
}

/** A file that is visible in at least one snapshot of a family. */
type VisibleFile = VisibleEntry & { entry: TreeFileEntry };

function isFile(visible: VisibleEntry): visible is VisibleFile {
  return visible.entry.kind === "file";
}

/** Yields the files among the entries of a family. */
async function* filesOf(
  batches: AsyncIterable<VisibleEntry[]>,
): AsyncGenerator<VisibleFile> {
  for await (const batch of batches) yield* batch.filter(isFile);
}
