import type { FolderConfig, Method, Methods } from "../../shared/protocol.ts";
import type { Caller, CallOptions } from "../engine.ts";
import type { KeyStore } from "./key_store.ts";

/**
 * An engine that adds the user's keys of the repositories to each request, so
 * that no other part of the extension handles keys.
 */
export class KeyedEngine implements Caller {
  readonly #engine: Caller;
  readonly #keys: KeyStore;

  constructor(engine: Caller, keys: KeyStore) {
    this.#engine = engine;
    this.#keys = keys;
  }

  /**
   * Calls a method of the worker. If the configuration already has a key, uses
   * that key.
   */
  async call<M extends Method>(
    method: M,
    params: Methods[M][0],
    options?: CallOptions,
  ): Promise<Methods[M][1]> {
    const { config, from }: { config: FolderConfig; from?: FolderConfig } =
      params;
    const keyed = {
      ...params,
      config: await this.#keyed(config),
      ...from && { from: await this.#keyed(from) },
    };
    return await this.#engine.call(method, keyed, options);
  }

  async #keyed(config: FolderConfig): Promise<FolderConfig> {
    const key = config.key ?? await this.#keys.get(config);
    return key === undefined ? config : { ...config, key };
  }
}
