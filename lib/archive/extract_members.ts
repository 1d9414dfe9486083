import { checkAborted } from "../bytes/abort.ts";
import { codeOf, errorMessage } from "../bytes/errors.ts";
import { collect } from "../bytes/source.ts";
import { withTurns } from "../bytes/turns.ts";
import {
  type DeviceNumber,
  isSpecialKind,
  type Metadata,
  type Skipped,
  type SpecialKind,
} from "../tree/entry.ts";
import { isWithin } from "../tree/path.ts";
import { SparseSource } from "../tree/sparse.ts";
import type { ScannedMember } from "./archive_scan.ts";
import type { TarLinkMember } from "./tar_member.ts";
import type { TreeSink } from "./tree_sink.ts";

/**
 * The maximum size of a file that is passed to a sink as one array, in bytes.
 */
export const SMALL_BYTES = 1024 * 1024;

/** Options for extracting. */
export interface ExtractOptions {
  /**
   * Called with each member that cannot be extracted: a named pipe or device
   * that cannot be made, a member of an unknown type, or a member whose name or
   * link target is not valid UTF-8 if the runtime or the system does not
   * support such names.
   * Also called with each member whose extended attributes could not be set.
   */
  onSkip?: (skipped: Skipped) => void;
  /**
   * Whether the owners and groups of members that are extracted into a
   * directory are set by number, even if the archive has names that exist on
   * this system. Only root can set owners. Default: `false`.
   */
  numericOwner?: boolean;
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Writes scanned members to a sink.
 *
 * @param members The members.
 * @param within The path to extract, with everything below it. `""` extracts
 *   everything.
 * @param sink The sink that the members are written to.
 * @param find Called with the target of each hard link whose target is not
 *   extracted and is not a named pipe or a device. Returns the content of the
 *   target.
 * @param options Options for extracting.
 * @returns The number of members at or below `within`, including skipped ones.
 */
export async function extractMembers(
  members: AsyncIterable<ScannedMember>,
  within: string,
  sink: TreeSink,
  find: (path: string) => AsyncIterable<Uint8Array>,
  options: ExtractOptions,
): Promise<number> {
  const linksOut: TarLinkMember[] = [];
  /**
   * The named pipes and devices outside `within`, by path. Hard links inside
   * `within` can point to them.
   */
  const specialsOut = new Map<string, SpecialMember & { kind: SpecialKind }>();
  let count = 0;
  const { signal } = options;
  checkAborted(signal);
  for await (const { member, body } of withTurns(members, signal)) {
    const { path } = member;
    if (!isWithin(path, within)) {
      const { kind } = member;
      if (isSpecialKind(kind)) specialsOut.set(path, { ...member, kind });
      continue;
    }
    count += 1;
    if (member.kind === "directory") await sink.directory(path, member);
    else if (member.kind === "symlink") {
      await sink.symlink(path, member.target, member);
    } else if (member.kind === "hardlink") {
      if (isWithin(member.target, within)) {
        await sink.hardLink(path, member.target, member);
      } else linksOut.push(member);
    } else if (member.kind === "file") {
      const content = member.size <= SMALL_BYTES
        ? await collect(body)
        : body instanceof SparseSource
        ? new SparseSource(withTurns(body.data, signal), body.size)
        : withTurns(body, signal);
      await sink.file(path, content, member);
    } else if (member.kind === "other") {
      options.onSkip?.({
        path,
        reason: "special",
        detail: "the member has an unknown type",
      });
    } else await giveSpecial(sink, member, member.kind, options);
  }
  for (const member of linksOut) {
    const special = specialsOut.get(member.target);
    if (special !== undefined) {
      const named = { ...special, path: member.path };
      await giveSpecial(sink, named, special.kind, options);
      continue;
    }
    const content = withTurns(find(member.target), signal);
    await sink.file(member.path, content, member);
  }
  await sink.finish();
  return count;
}

/** A member that is a named pipe or a device. */
interface SpecialMember extends Metadata {
  path: string;
  device?: DeviceNumber;
}

/**
 * Passes a named pipe or a device to a sink. If the sink cannot make it, the
 * member is reported as skipped.
 *
 * @throws {DeltarError} The errors of the sink, except those of code `io`.
 */
export async function giveSpecial(
  sink: TreeSink,
  member: SpecialMember,
  kind: SpecialKind,
  options: ExtractOptions,
): Promise<void> {
  const { path, device } = member;
  let detail = "the target cannot hold named pipes and devices";
  try {
    if (sink.special) return await sink.special(path, kind, device, member);
  } catch (error) {
    if (codeOf(error) !== "io") throw error;
    detail = errorMessage(error);
  }
  options.onSkip?.({ path, reason: "special", detail });
}
