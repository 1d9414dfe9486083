import process from "node:process";
import { concat } from "../../lib/bytes/source.ts";
import type {
  TarMember,
  TarMemberFields,
} from "../../lib/archive/tar_member.ts";

/** Returns the number of cases: more if `SLOW` is set. */
export function runs(few: number): number {
  return process.env.SLOW ? few * 20 : few;
}

/** Yields bytes in pieces of `length`. */
export async function* pieces(
  bytes: Uint8Array,
  length: number,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) {
    yield bytes.subarray(at, at + length);
  }
}

/** Returns a file as a member, with default values for omitted fields. */
export function file(
  path: string,
  size: number,
  more: Partial<TarMemberFields> = {},
): TarMember & { kind: "file" } {
  return {
    path,
    kind: "file",
    size,
    mode: 0o644,
    mtime: 1_700_000_000_000_000_000n,
    uid: 1000,
    gid: 1000,
    ...more,
  };
}

/** Returns a member other than a file. */
export function special(
  path: string,
  kind: TarMember["kind"],
  target?: string,
): TarMember {
  const member = { ...file(path, 0, { mode: 0o755 }), kind };
  if (target !== undefined) Object.assign(member, { target });
  return member as TarMember;
}

/** Returns a text in UTF-8. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export { noise } from "../support/noise.ts";

/** Returns all chunks of an iterable in one array. */
export async function gather(
  source: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return concat(parts);
}
