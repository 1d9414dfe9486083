import { sep } from "node:path";
import { DeltarError } from "../mod.ts";

/**
 * The names of objects in a repository: folders, and what begins with an id.
 */
const STORED =
  /^(?:deltar\.json$|lease\/\d+\.json$|(?:[a-z]+\/){1,2}\d{8}T\d{6}Z-)/;

/** The repositories that the command at hand works with. */
let opened: string[] = [];

/** Notes that the command at hand works with a repository. */
export function noteOpened(location: string): void {
  if (!opened.includes(location)) opened.push(location);
}

/** Another command begins. */
export function forgetOpened(): void {
  opened = [];
}

/** Whether an object's name is one of a repository. */
export function isInRepository(object: string): boolean {
  return opened.length > 0 &&
    (STORED.test(object) || opened.includes(object));
}

/**
 * The repository at hand that a file of this machine is in; without a file all
 * of them, as it may be any.
 */
export function openedAt(file: string): readonly string[] {
  return file === ""
    ? opened
    : opened.filter((location) =>
      file === location || file.startsWith(location + sep)
    );
}

/**
 * Which repository an error's object is in, where the message does not tell;
 * of several, which it may be.
 */
export function repositoryOf(error: unknown): string | undefined {
  if (!(error instanceof DeltarError)) return undefined;
  const { object = "", message } = error;
  if (!STORED.test(object) || opened.length === 0) return undefined;
  if (opened.some((location) => message.includes(location))) return undefined;
  return opened.join(" or ");
}
