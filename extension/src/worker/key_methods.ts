import { recoverySheet } from "../../../shared/recovery_sheet.ts";
import { codeOf } from "../../../shared/error_code.ts";
import type { Method } from "../shared/protocol.ts";
import type { Handler } from "./handler.ts";
import type { Repositories } from "./repositories.ts";

type Methods =
  | "encryption"
  | "identities"
  | "draft"
  | "create"
  | "recoverySheet"
  | "addPassphrase";

/** Returns the methods of the worker for encrypted repositories. */
export function keyMethods(
  repositories: Repositories,
): { [M in Methods & Method]: Handler<M> } {
  return {
    encryption: ({ config }) => repositories.encryption(config),

    async identities({ config }) {
      const repository = await repositories.tryOpen(config);
      return repository?.keys?.identities() ?? [];
    },

    async draft({ config }) {
      const { id, made } = await repositories.draft(config);
      return { id, ...(made !== undefined && { identity: made }) };
    },

    create: ({ config, id }) => repositories.create(config, id),

    async recoverySheet({ config }) {
      const { id, keys } = await repositories.keysOf(config);
      const endpoint = config.env?.AWS_ENDPOINT_URL;
      return recoverySheet({
        location: config.repository,
        ...(endpoint !== undefined && { endpoint }),
        id,
        recipient: keys.recipient(),
        identities: keys.identities(),
        printed: Date.now(),
      });
    },

    async addPassphrase({ config, passphrase }) {
      const { keys } = await repositories.keysOf(config);
      for (let count = 1;; count++) {
        const name = count === 1 ? "passphrase" : `passphrase-${count}`;
        try {
          await keys.add({ name, to: { passphrase } });
          return { name };
        } catch (error) {
          // If the name is taken, the loop tries the next name.
          if (codeOf(error) !== "exists") throw error;
        }
      }
    },
  };
}
