/** The type or values that an option must have. */
export interface Expected {
  /** In words, as a message has it: "a string". */
  words: string;
  /** Whether a value is. */
  is: (value: unknown) => boolean;
}

const isNumber = (value: unknown): value is number =>
  typeof value === "number" && !Number.isNaN(value);

/** A string. */
export const text: Expected = {
  words: "a string",
  is: (value) => typeof value === "string",
};

/** A string of at most `most` UTF-16 code units. */
export function textUpTo(most: number): Expected {
  return {
    words: `a string of at most ${most} characters`,
    is: (value) => typeof value === "string" && value.length <= most,
  };
}

/** Checks for a list of strings. */
export const texts: Expected = {
  words: "a list of strings",
  is: (value) => Array.isArray(value) && value.every(text.is),
};

/** A boolean. */
export const flag: Expected = {
  words: "true or false",
  is: (value) => typeof value === "boolean",
};

/** A function. */
export const callback: Expected = {
  words: "a function",
  is: (value) => typeof value === "function",
};

/** An `AbortSignal`. */
export const signal: Expected = {
  words: "an AbortSignal",
  is: (value) =>
    typeof value === "object" && value !== null && "aborted" in value &&
    "addEventListener" in value,
};

/** A number of at least `least`. */
export function atLeast(least: number): Expected {
  return {
    words: `a number of at least ${least}`,
    is: (value) => isNumber(value) && value >= least,
  };
}

/** A whole number of at least `least`, or `Infinity`. */
export function countFrom(least: number): Expected {
  return {
    words: `a whole number of at least ${least}`,
    is: (value) =>
      isNumber(value) && value >= least &&
      (Number.isSafeInteger(value) || value === Infinity),
  };
}

/** Returns the expectation of one of several values. */
export function oneOf(...values: readonly unknown[]): Expected {
  const all = values.map((value) => JSON.stringify(value));
  return {
    words: all.join(" or "),
    is: (value) => values.includes(value),
  };
}

/** Either of two. */
export function either(one: Expected, other: Expected): Expected {
  return {
    words: `${one.words} or ${other.words}`,
    is: (value) => one.is(value) || other.is(value),
  };
}

/**
 * Refuses options of the wrong type or out of range, as callers in plain
 * JavaScript may give them, before anything is done. Options that are not known
 * are passed over.
 *
 * @param call What the options are of, as a message has it.
 * @param options The options.
 * @param expected What each of them has to be, if it is there.
 * @throws {TypeError} If one is of the wrong type.
 * @throws {RangeError} If one is a number out of range.
 */
export function checkOptions(
  call: string,
  options: unknown,
  expected: Readonly<Record<string, Expected>>,
): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `${call}: the options have to be an object, not ${show(options)}`,
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
 * Refuses a value of the wrong type or out of range; `undefined` passes.
 *
 * @param name What it is, as a message has it.
 */
export function checkValue(
  name: string,
  value: unknown,
  { words, is }: Expected,
): void {
  if (value === undefined || is(value)) return;
  const message = `${name} has to be ${words}, not ${show(value)}`;
  throw typeof value === "number" && words.includes("number")
    ? new RangeError(message)
    : new TypeError(message);
}

/** A value as a message has it. */
function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  }
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}
