import * as vscode from "vscode";
import type { OwnKey } from "../../shared/protocol.ts";
import { EngineError } from "../engine.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { explain } from "../ui/explain.ts";
import { withoutLinks } from "../ui/plain.ts";

/**
 * Asks for the key of a folder's repository until the user cancels or enters a
 * key that opens the repository. Stores this key in the keychain.
 *
 * @returns Whether the repository is open now.
 */
export function askKey(folder: ProtectedFolder): Promise<boolean> {
  const { config } = folder;
  const input = vscode.window.createInputBox();
  input.title = `Key for the Snapshots of ${folder.name}`;
  input.prompt = "The repository is encrypted. Enter an age identity " +
    "(AGE-SECRET-KEY-1\u2026) or a passphrase. The key will be stored in " +
    "the keychain.";
  input.password = true;
  input.ignoreFocusOut = true;
  const tryKey = async () => {
    const key = keyIn(input.value);
    if (key === undefined) return false;
    input.enabled = false;
    input.busy = true;
    try {
      await folder.reader.call("list", { config: { ...config, key } });
      await folder.keys.store(config, key);
      return true;
    } catch (error) {
      input.validationMessage = withoutLinks(wrongKeyText(error));
      return false;
    } finally {
      input.busy = false;
      input.enabled = true;
    }
  };
  return new Promise((resolve) => {
    input.onDidChangeValue(() => input.validationMessage = undefined);
    input.onDidAccept(async () => {
      if (!await tryKey()) return;
      resolve(true);
      input.hide();
    });
    input.onDidHide(() => {
      resolve(false);
      input.dispose();
    });
    input.show();
  });
}

/** Returns the key that the user typed, or `undefined` if the text is blank. */
function keyIn(text: string): OwnKey | undefined {
  const typed = text.trim();
  if (typed === "") return undefined;
  return /^AGE-SECRET-KEY-/i.test(typed)
    ? typed.toUpperCase()
    : { passphrase: text };
}

function wrongKeyText(error: unknown): string {
  return error instanceof EngineError && error.code === "key"
    ? `Wrong key: ${error.message}`
    : explain(error);
}
