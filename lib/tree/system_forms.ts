/**
 * The flag that stops `getattrlist` and `setattrlist` of macOS from following a
 * symlink.
 */
export const FSOPT_NOFOLLOW = 1;
/** The number of bit maps in a `struct attrlist` (`sys/attr.h`). */
const ATTR_BIT_MAP_COUNT = 5;

/**
 * Returns a `struct attrlist` of macOS.
 *
 * @param common The bits of the wanted common attributes.
 */
export function attributeList(common: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(24));
  view.setUint16(0, ATTR_BIT_MAP_COUNT, true);
  view.setUint32(4, common, true);
  return new Uint8Array(view.buffer);
}

/** Returns a text in the form that Windows expects: UTF-16 with a final NUL. */
export function asWideText(text: string): Uint8Array {
  const words = new Uint16Array(text.length + 1);
  for (let at = 0; at < text.length; at++) words[at] = text.charCodeAt(at);
  return new Uint8Array(words.buffer);
}
