import { codeOf } from "../bytes/errors.ts";
import { nodeUtil } from "../bytes/node.ts";

/**
 * Returns an error like those that `node:fs` throws.
 *
 * @param code The code of the error, such as `ENOENT`.
 * @param call The system call that failed.
 * @param place The path for which the call failed.
 * @param words The reason. Default: the system's message for the code.
 */
export function systemError(
  code: string,
  call: string,
  place: string,
  words: string = wordsOf(code),
): Error {
  return Object.assign(new Error(`${code}: ${words}, ${call} '${place}'`), {
    code,
    syscall: call,
    path: place,
  });
}

/**
 * Returns the error for an error number of this system.
 *
 * @param errno The error number, which is positive.
 * @param call The system call that failed.
 * @param place The path for which the call failed.
 */
export function errorOfNumber(
  errno: number,
  call: string,
  place: string,
): Error {
  const code = nodeUtil.getSystemErrorMap().get(-errno)?.[0] ?? `E${errno}`;
  return systemError(code, call, place);
}

/**
 * Returns an error with the same code as an error of `node:fs`, but with the
 * given call and path. An error without the code of a system error is returned
 * unchanged.
 *
 * @param error The error of `node:fs`.
 * @param call The system call that failed.
 * @param place The path for which the call failed.
 */
export function errorAt(error: unknown, call: string, place: string): Error {
  const code = codeOf(error);
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) {
    return error as Error;
  }
  return systemError(code, call, place);
}

function wordsOf(code: string): string {
  // The message is looked up by the code, such as `ENOENT`, because on Windows
  // the error numbers in this map differ from those in `os.constants`.
  for (const [name, words] of nodeUtil.getSystemErrorMap().values()) {
    if (name === code) return words;
  }
  return "the system refused the call";
}
