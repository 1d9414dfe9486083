import { concat } from "../../lib/bytes/source.ts";
import { utf8 } from "./helpers.ts";

/**
 * The fields of a header, which are written unchanged, even if they are
 * invalid.
 */
export interface RawHeader {
  name?: string;
  type?: string;
  /** The text of the size field, or a number, which is written as octal. */
  size?: number | string;
  mode?: string;
  mtime?: string;
  link?: string;
  magic?: string;
  prefix?: string;
  /** Bytes that replace a part of the block before its checksum is computed. */
  patch?: [at: number, bytes: number[]];
  /** A number that is added to the checksum. */
  sumOff?: number;
}

/** Returns a header block with the given fields. */
export function rawHeader(header: RawHeader): Uint8Array {
  const block = new Uint8Array(512);
  const put = (at: number, text: string) => block.set(utf8(text), at);
  const { size = 0 } = header;
  put(0, header.name ?? "name");
  put(100, header.mode ?? "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(
    124,
    typeof size === "string" ? size : size.toString(8).padStart(11, "0") + "\0",
  );
  put(136, header.mtime ?? "00000000000\0");
  put(156, header.type ?? "0");
  put(157, header.link ?? "");
  put(257, header.magic ?? "ustar\x0000");
  put(345, header.prefix ?? "");
  if (header.patch) block.set(header.patch[1], header.patch[0]);
  block.fill(0x20, 148, 156);
  let sum = header.sumOff ?? 0;
  for (const byte of block) sum += byte;
  put(148, sum.toString(8).padStart(6, "0") + "\0 ");
  return block;
}

/** Pads bytes to a whole number of blocks. */
export function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
  whole.set(bytes);
  return whole;
}

/** Returns a tar of the given parts, with the end marker. */
export function rawTar(...parts: Uint8Array[]): Uint8Array {
  return concat([...parts, new Uint8Array(1024)]);
}

/** Returns an extended header with a body. */
export function rawPax(body: string | Uint8Array, type = "x"): Uint8Array {
  const bytes = typeof body === "string" ? utf8(body) : body;
  return concat([
    rawHeader({ name: "pax", type, size: bytes.length }),
    padded(bytes),
  ]);
}

/** Returns a pax record with its length. */
export function record(key: string, value: string): string {
  const rest = utf8(` ${key}=${value}\n`).length;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length += 1;
  return `${length} ${key}=${value}\n`;
}
