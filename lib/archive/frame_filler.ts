import type { ContentReference } from "./content_reference.ts";
import { padding } from "./tar_member.ts";

/** A run of members, or a piece of one, to be placed in a volume. */
export interface Frame {
  /** The members whose content lies wholly in this frame. */
  references: ContentReference[];
  /** The member of which this is a piece, if it is one. */
  piece: ContentReference | undefined;
  /** The memory the plain frame was made in. */
  buffer: Uint8Array;
}

/** How many buffers are kept to be filled again. */
const MOST_SPARE = 8;

/** Cuts a tar into frames: whole members together, large ones in pieces. */
export class FrameFiller {
  /** The most bytes of a frame, a multiple of a tar's block. */
  readonly size: number;
  readonly #send: (frame: Frame, plain: Uint8Array) => void;
  readonly #spare: Uint8Array[] = [];
  #buffer: Uint8Array | undefined;
  #used = 0;
  #references: ContentReference[] = [];

  /**
   * Makes a filler.
   *
   * @param size The most bytes of a frame, a multiple of a tar's block.
   * @param send Is given each frame when it is full.
   */
  constructor(size: number, send: (frame: Frame, plain: Uint8Array) => void) {
    this.size = size;
    this.#send = send;
  }

  /** Adds a member that is no longer than a frame, with its padding. */
  add(header: Uint8Array, content: Uint8Array): ContentReference {
    const zeros = padding(content.length);
    const length = header.length + content.length + zeros;
    if (this.#used + length > this.size) this.seal();
    this.#put(header);
    const reference = newReference(this.#used);
    this.#references.push(reference);
    this.#put(content);
    this.#pad(zeros);
    return reference;
  }

  /** Starts a member that has frames of its own. */
  begin(header: Uint8Array): ContentReference {
    this.seal();
    const reference = newReference(header.length);
    this.append(reference, header);
    return reference;
  }

  /** Adds to the content of the member that was begun. */
  append(reference: ContentReference, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#used === this.size) this.seal(reference);
      const part = bytes.subarray(at, at + this.size - this.#used);
      this.#put(part);
      at += part.length;
    }
  }

  /** Ends the member that was begun, whose content has `size` bytes. */
  end(reference: ContentReference, size: number): void {
    // A frame is of whole blocks, so there is room.
    this.#pad(padding(size));
    this.seal(reference);
  }

  /** Sends what there is, if there is anything. */
  seal(piece?: ContentReference): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    const frame = { references: this.#references, piece, buffer };
    this.#send(frame, buffer.subarray(0, this.#used));
    this.#buffer = undefined;
    this.#used = 0;
    this.#references = [];
  }

  /** Takes a frame's memory back, once nobody needs it any more. */
  recycle(frame: Frame): void {
    if (this.#spare.length < MOST_SPARE) this.#spare.push(frame.buffer);
  }

  #put(bytes: Uint8Array): void {
    this.#buffer ??= this.#spare.pop() ?? new Uint8Array(this.size);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #pad(zeros: number): void {
    this.#buffer!.fill(0, this.#used, this.#used + zeros);
    this.#used += zeros;
  }
}

function newReference(skip: number): ContentReference {
  return { volume: "", offset: 0, length: 0, skip };
}
