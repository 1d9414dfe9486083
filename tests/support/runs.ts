import process from "node:process";

/** Returns the number of cases of a property: few, or many with `SLOW=1`. */
export function runs(few: number, many = few * 20): { numRuns: number } {
  return { numRuns: process.env.SLOW ? many : few };
}
