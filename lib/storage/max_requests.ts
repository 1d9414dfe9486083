/**
 * The maximum number of small objects that one operation requests from a
 * storage at the same time. Each request to a distant storage takes tens of
 * milliseconds, so requests that do not depend on each other are made together.
 */
export const MAX_REQUESTS_AT_ONCE = 16;
