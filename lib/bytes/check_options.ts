/** The type or values that an option must have. */
export interface Expected {
  /** The expectation in words, for messages, such as "a string". */
  words: string;
  /**
   * Called with the value to check. Returns whether the value is as expected.
   */
  is: (value: unknown) => boolean;
}

const isNumber = (value: unknown): value is number =>
  typeof value === "number" && !Number.isNaN(value);

/** The expectation that a value is a string. */
export const text: Expected = {
  words: "a string",
  is: (value) => typeof value === "string",
};

/**
 * Returns the expectation that a value is a string of a limited length.
 *
 * @param most The maximum number of UTF-16 code units.
 * @param least The minimum number of code units.
 */
export function textUpTo(most: number, least = 0): Expected {
  return {
    words: `a string of ${least === 0 ? "at most" : `${least} to`} ` +
      `${most} characters`,
    is: (value) =>
      typeof value === "string" && value.length >= least &&
      value.length <= most,
  };
}

/** The expectation that a value is a list of strings. */
export const texts: Expected = {
  words: "a list of strings",
  is: (value) => Array.isArray(value) && value.every(text.is),
};

/** The expectation that a value is a boolean. */
export const flag: Expected = {
  words: "true or false",
  is: (value) => typeof value === "boolean",
};

/** The expectation that a value is a function. */
export const callback: Expected = {
  words: "a function",
  is: (value) => typeof value === "function",
};

/** The expectation that a value is an `AbortSignal`. */
export const signal: Expected = {
  words: "an AbortSignal",
  is: (value) =>
    typeof value === "object" && value !== null && "aborted" in value &&
    "addEventListener" in value,
};

/** Returns the expectation that a value is a number of at least `least`. */
export function atLeast(least: number): Expected {
  return {
    words: `a number of at least ${least}`,
    is: (value) => isNumber(value) && value >= least,
  };
}

/**
 * Returns the expectation that a value is a whole number of at least `least`,
 * or `Infinity`.
 */
export function countFrom(least: number): Expected {
  return {
    words: `a whole number of at least ${least}`,
    is: (value) =>
      isNumber(value) && value >= least &&
      (Number.isSafeInteger(value) || value === Infinity),
  };
}

/** Returns the expectation that a value is one of the given values. */
export function oneOf(...values: readonly unknown[]): Expected {
  const all = values.map((value) => JSON.stringify(value));
  return {
    words: all.join(" or "),
    is: (value) => values.includes(value),
  };
}

/**
 * Returns the expectation that a value meets at least one of two expectations.
 */
export function either(one: Expected, other: Expected): Expected {
  return {
    words: `${one.words} or ${other.words}`,
    is: (value) => one.is(value) || other.is(value),
  };
}

/**
 * Checks the types and ranges of options, because callers in plain JavaScript
 * can pass any value. Unknown options are ignored.
 *
 * @param call The name of the call or class that the options belong to, for
 *   messages.
 * @param options The options to check.
 * @param expected The expectation for each known option.
 * @throws {RangeError} If an option can be a number, and its value is a number
 *   that is not as expected.
 * @throws {TypeError} If any other option is not as expected, or if `options`
 *   is not an object.
 */
export function checkOptions(
  call: string,
  options: unknown,
  expected: Readonly<Record<string, Expected>>,
): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `${call}: the options must be an object, not ${show(options)}`,
    );
  }
  for (const [name, one] of Object.entries(expected)) {
    checkValue(
      `${call}: ${name}`,
      (options as Record<string, unknown>)[name],
      one,
    );
  }
}

/**
 * Checks the type and range of a value. `undefined` is accepted.
 *
 * @param name The name of the value, for messages.
 * @param value The value to check.
 * @param expected The expectation.
 * @throws {RangeError} If the expected value can be a number, and the value is
 *   a number that is not as expected.
 * @throws {TypeError} If any other value is not as expected.
 */
export function checkValue(
  name: string,
  value: unknown,
  { words, is }: Expected,
): void {
  if (value === undefined || is(value)) return;
  const message = `${name} must be ${words}, not ${show(value)}`;
  throw typeof value === "number" && words.includes("number")
    ? new RangeError(message)
    : new TypeError(message);
}

/** Returns the text that stands for a value in a message. */
function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  }
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}
