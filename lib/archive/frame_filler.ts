import { type FramePlace, PlacedContent } from "./content_reference.ts";
import { BLOCK, padding } from "./tar_member.ts";

/** Zeros for padding, more than a member needs. */
const ZEROS = new Uint8Array(BLOCK);

/** A run of members, or a piece of one, to be placed in a volume. */
export interface Frame {
  /** The location of the frame. All pieces of a large member share one. */
  place: FramePlace;
  /** The memory the plain frame was made in. */
  buffer: Uint8Array;
}

/** The maximum number of buffers that are kept for reuse. */
const MAX_SPARE_BUFFERS = 8;

/** Cuts a tar into frames: whole members together, large ones in pieces. */
export class FrameFiller {
  /** The maximum number of bytes of a frame, a multiple of a tar's block. */
  readonly size: number;
  readonly #send: (frame: Frame, plain: Uint8Array) => void;
  readonly #spare: Uint8Array[] = [];
  #buffer: Uint8Array | undefined;
  #used = 0;
  #place = newPlace();

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
  add(header: Uint8Array, content: Uint8Array): PlacedContent {
    const zeros = padding(content.length);
    const length = header.length + content.length + zeros;
    if (this.#used + length > this.size) this.seal();
    this.#put(header);
    const reference = new PlacedContent(this.#place, this.#used);
    this.#put(content);
    this.#pad(zeros);
    return reference;
  }

  /** Starts a member that has frames of its own. */
  begin(header: Uint8Array): PlacedContent {
    this.seal();
    const reference = new PlacedContent(this.#place, header.length);
    this.append(header);
    return reference;
  }

  /** Adds to the content of the member that was begun. */
  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#used === this.size) this.#sendFrame();
      const part = bytes.subarray(at, at + this.size - this.#used);
      this.#put(part);
      at += part.length;
    }
  }

  /** Ends the member that was begun, whose content has `size` bytes. */
  end(size: number): void {
    // A frame is of whole blocks, so there is room.
    this.#pad(padding(size));
    this.seal();
  }

  /** Sends what there is, if there is anything. */
  seal(): void {
    this.#sendFrame();
    this.#place = newPlace();
  }

  /** Takes a frame's memory back, once nobody needs it any more. */
  recycle(frame: Frame): void {
    if (this.#spare.length < MAX_SPARE_BUFFERS) this.#spare.push(frame.buffer);
  }

  #sendFrame(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    const frame = { place: this.#place, buffer };
    this.#send(frame, buffer.subarray(0, this.#used));
    this.#buffer = undefined;
    this.#used = 0;
  }

  #put(bytes: Uint8Array): void {
    this.#buffer ??= this.#spare.pop() ?? new Uint8Array(this.size);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #pad(zeros: number): void {
    if (zeros > 0) this.#put(ZEROS.subarray(0, zeros));
  }
}

function newPlace(): FramePlace {
  return { volume: "", offset: 0, length: 0 };
}
