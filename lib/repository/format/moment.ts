/**
 * The first time that is too late to be plausible, in milliseconds since 1970.
 */
const END_MS = Date.UTC(2200, 0, 1);

/** The pattern of a time in RFC 3339 format. */
const RFC_3339 =
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/**
 * Returns whether a time is plausible: in the years 1970 to 2199.
 *
 * @param time The time, in milliseconds since 1970.
 */
export function isPlausibleTime(time: number): boolean {
  return time >= 0 && time < END_MS;
}

/**
 * Parses the time of a record or note.
 *
 * @param value The field with the time, which should be a string in RFC 3339
 * format.
 * @returns The time in milliseconds since 1970; `undefined` if the value is not
 * in that format or the time is not plausible.
 */
export function parseTime(value: unknown): number | undefined {
  if (typeof value !== "string" || !RFC_3339.test(value)) return undefined;
  const time = Date.parse(value);
  return isPlausibleTime(time) ? time : undefined;
}
