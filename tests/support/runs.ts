import process from "node:process";

/** How many cases a property is tried on: few, or many with `SLOW=1`. */
export function runs(few: number, many = few * 20): { numRuns: number } {
  return { numRuns: process.env.SLOW ? many : few };
}
