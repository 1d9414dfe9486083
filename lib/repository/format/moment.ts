/** The first time that no id can hold, in milliseconds since 1970. */
const END = Date.UTC(2200, 0, 1);

/** A time as RFC 3339 has it. */
const RFC_3339 =
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/**
 * Whether a clock can have shown a time: it lies in the years 1970 to 2199.
 *
 * @param time Milliseconds since 1970.
 */
export function isPlausibleTime(time: number): boolean {
  return time >= 0 && time < END;
}

/**
 * Reads a time of a record or note.
 *
 * @param value The text, as in RFC 3339.
 * @returns Milliseconds since 1970; `undefined` if it is not such a text, or
 * no clock can have shown that time.
 */
export function parseTime(value: unknown): number | undefined {
  if (typeof value !== "string" || !RFC_3339.test(value)) return undefined;
  const time = Date.parse(value);
  return isPlausibleTime(time) ? time : undefined;
}
