import { loadSystemCalls } from "../bytes/native_library.ts";
import { nodePath } from "../bytes/node.ts";
import { systemError } from "./system_error.ts";
import { asWideText } from "./system_forms.ts";
import { PLATFORM } from "./this_system.ts";
import type { XattrAccess } from "./xattrs.ts";

/**
 * The extended attribute that represents the attributes "hidden" and "system"
 * of a file on Windows. Its value is the bits of these attributes as a
 * hexadecimal number, such as `0x2`. Wine stores the attribute under this name
 * and in this form on Linux.
 */
export const DOS_ATTRIBUTES = "user.DOSATTRIB";

/** The attribute "hidden" (`winnt.h`). */
const HIDDEN = 2;
/** The attribute "system" (`winnt.h`). */
const SYSTEM = 4;
/** The attribute of a file that has no other attributes (`winnt.h`). */
const NORMAL = 0x80;
/**
 * The attributes that can be set: "read-only", "hidden", "system", "archive",
 * "temporary", "offline" and "not content indexed" (`fileapi.h`).
 */
const SETTABLE = 1 | HIDDEN | SYSTEM | 0x20 | 0x100 | 0x1000 | 0x2000;
/**
 * The value that `GetFileAttributesW` returns for a path that does not exist
 * (`fileapi.h`).
 */
const INVALID_ATTRIBUTES = 0xffff_ffff;

/** Returns the value of {@linkcode DOS_ATTRIBUTES} for a file's attributes. */
export function encodeDosAttributes(attributes: number): Uint8Array {
  const bits = attributes & (HIDDEN | SYSTEM);
  return new TextEncoder().encode(`0x${bits.toString(16)}`);
}

/**
 * Returns the attributes "hidden" and "system" in a value of
 * {@linkcode DOS_ATTRIBUTES}, or `undefined` if the value has another form.
 * Other attributes in the value are ignored.
 */
export function decodeDosAttributes(value: Uint8Array): number | undefined {
  const text = new TextDecoder().decode(value);
  const [, digits] = /^0x([0-9a-f]{1,8})(?:\0|$)/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  return Number.parseInt(digits, 16) & (HIDDEN | SYSTEM);
}

/**
 * Returns the function that gives access to the attributes "hidden" and
 * "system" of the entry at a path, as the extended attribute
 * {@linkcode DOS_ATTRIBUTES}. The function is available in Deno and Bun on
 * Windows.
 *
 * @returns The function, or `undefined` if the system is not Windows or the
 * runtime cannot call functions of Windows.
 */
export function dosAttributes(): ((path: string) => XattrAccess) | undefined {
  if (!isLoaded) {
    access = PLATFORM === "win32" ? load() : undefined;
    isLoaded = true;
  }
  return access;
}

let access: ((path: string) => XattrAccess) | undefined;
let isLoaded = false;

function load(): ((path: string) => XattrAccess) | undefined {
  const calls = loadSystemCalls("win32", "kernel32.dll", {
    GetFileAttributesW: ["buffer"],
    SetFileAttributesW: ["buffer", "u32"],
  });
  return calls && ((path) => {
    const text = asWideText(nodePath.toNamespacedPath(path));
    return new DosAttributes(path, {
      read: () => calls.GetFileAttributesW(text) >>> 0,
      write: (attributes) => calls.SetFileAttributesW(text, attributes) !== 0,
    });
  });
}

/**
 * Access to the attributes of one path. Each attribute is a bit of a number.
 */
export interface FileAttributes {
  /** Returns the attributes. */
  read(): number;
  /** Sets the attributes, and returns whether the system has set them. */
  write(attributes: number): boolean;
}

/**
 * Access to the attributes "hidden" and "system" of an entry, for
 * {@linkcode dosAttributes}.
 */
export class DosAttributes implements XattrAccess {
  readonly #path: string;
  readonly #file: FileAttributes;

  constructor(path: string, file: FileAttributes) {
    this.#path = path;
    this.#file = file;
  }

  list(): string[] {
    const isSet = (this.#read() & (HIDDEN | SYSTEM)) !== 0;
    return isSet ? [DOS_ATTRIBUTES] : [];
  }

  takes(name: string): boolean {
    return name === DOS_ATTRIBUTES;
  }

  get(name: string): Uint8Array {
    if (!this.list().includes(name)) throw this.#error("ENODATA", "getxattr");
    return encodeDosAttributes(this.#read());
  }

  set(name: string, value: Uint8Array): void {
    if (!this.takes(name)) throw this.#error("ENOTSUP", "setxattr");
    const bits = decodeDosAttributes(value);
    if (bits === undefined) throw this.#error("EINVAL", "setxattr");
    this.#write(bits);
  }

  remove(name: string): void {
    if (!this.takes(name)) throw this.#error("ENODATA", "removexattr");
    this.#write(0);
  }

  #read(): number {
    const attributes = this.#file.read();
    if (attributes !== INVALID_ATTRIBUTES) return attributes;
    throw this.#error("ENOENT", "getxattr");
  }

  /**
   * Sets the attributes "hidden" and "system" to the given bits, and keeps the
   * other attributes that can be set.
   */
  #write(bits: number): void {
    const others = this.#read() & SETTABLE & ~(HIDDEN | SYSTEM);
    if (!this.#file.write(others | bits || NORMAL)) {
      throw this.#error("EACCES", "setxattr");
    }
  }

  #error(code: string, call: string): Error {
    return systemError(code, call, this.#path);
  }
}
