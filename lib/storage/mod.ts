/**
 * Where bytes live: the interface that drivers implement, and the drivers.
 *
 * @module
 */
export { LocalStorage } from "./local.ts";
export { MemoryStorage } from "./memory.ts";
export type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "./storage.ts";
