import { type FrameLocation, PlacedContent } from "./content_reference.ts";
import { BLOCK, padding } from "./tar_member.ts";

/** Zeros for the padding of a member. */
const ZEROS = new Uint8Array(BLOCK);

/**
 * The bytes that are compressed together: one or more members, or a part of a
 * large member.
 */
export interface Frame {
  /**
   * The location of the frame. All frames of a large member share one location.
   */
  place: FrameLocation;
  /** The buffer that holds the uncompressed frame. */
  buffer: Uint8Array;
}

/** The maximum number of buffers that are kept for reuse. */
const MAX_SPARE_BUFFERS = 8;

/**
 * Cuts a tar into frames. Small members share a frame, and a large member is
 * cut into several frames.
 */
export class FrameFiller {
  /** The maximum size of a frame in bytes, a multiple of 512. */
  readonly size: number;
  readonly #send: (frame: Frame, plain: Uint8Array) => void;
  readonly #spare: Uint8Array[] = [];
  #buffer: Uint8Array | undefined;
  #used = 0;
  #place = newPlace();

  /**
   * Makes a filler.
   *
   * @param size The maximum size of a frame in bytes, a multiple of 512.
   * @param send Called with each complete frame and its uncompressed bytes.
   */
  constructor(size: number, send: (frame: Frame, plain: Uint8Array) => void) {
    this.size = size;
    this.#send = send;
  }

  /**
   * Adds a member whose header, content and padding fit in one frame. Returns a
   * reference to the content.
   */
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

  /**
   * Begins a member whose frames hold no other members. Returns a reference to
   * the content.
   */
  begin(header: Uint8Array): PlacedContent {
    this.seal();
    const reference = new PlacedContent(this.#place, header.length);
    this.append(header);
    return reference;
  }

  /** Appends bytes to the content of the member that was begun. */
  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#used === this.size) this.#sendFrame();
      const part = bytes.subarray(at, at + this.size - this.#used);
      this.#put(part);
      at += part.length;
    }
  }

  /** Ends the member that was begun. `size` is its content's size in bytes. */
  end(size: number): void {
    // The size of a frame is a multiple of the block size, so the padding fits.
    this.#pad(padding(size));
    this.seal();
  }

  /** Sends the current frame, unless it is empty. */
  seal(): void {
    this.#sendFrame();
    this.#place = newPlace();
  }

  /** Keeps the buffer of a frame that is no longer needed, for reuse. */
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

function newPlace(): FrameLocation {
  return { volume: "", offset: 0, length: 0 };
}
