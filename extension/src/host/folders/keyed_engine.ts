import type { FolderConfig, Method, Methods } from "../../shared/protocol.ts";
import type { Caller, CallOptions } from "../engine.ts";
import type { KeyStore } from "./key_store.ts";
import type { RepositoryIdentities } from "./repository_identities.ts";

/**
 * An engine that adds the user's key of the repository to each request, so that
 * callers do not have to.
 */
export class KeyedEngine implements Caller {
  readonly #engine: Caller;
  readonly #keys: Pick<KeyStore, "get">;
  readonly #identities: RepositoryIdentities;

  constructor(
    engine: Caller,
    keys: Pick<KeyStore, "get">,
    identities: RepositoryIdentities,
  ) {
    this.#engine = engine;
    this.#keys = keys;
    this.#identities = identities;
  }

  /**
   * Calls a method with the user's keys of the repositories. Keeps a key that a
   * configuration already has.
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
    const result = await this.#engine.call(method, keyed, options);
    for (const config of [keyed.config, keyed.from]) {
      if (config === undefined) continue;
      this.#identities.remember(
        config,
        () => this.#engine.call("identities", { config }),
      );
    }
    return result;
  }

  async #keyed(config: FolderConfig): Promise<FolderConfig> {
    const key = config.key ?? await this.#keys.get(config);
    const keyed = { ...config, ...key !== undefined && { key } };
    const identities = await this.#identities.get(keyed);
    return identities.length === 0 ? keyed : { ...keyed, identities };
  }
}
