import { chmod, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { showError, showInformation } from "../ui/messages.ts";

/** The title of the button and command that save a recovery sheet. */
export const SAVE_SHEET = "Save Recovery Sheet\u2026";

/** The title of the button and command that add a passphrase. */
export const ADD_PASSPHRASE = "Add Passphrase\u2026";

/**
 * Saves the recovery sheet of a folder's repository to a file of the user's
 * choice.
 *
 * @returns Whether the sheet was saved.
 */
export async function saveRecoverySheet(
  folder: ProtectedFolder,
): Promise<boolean> {
  const name = `deltar recovery sheet of ${folder.name}.txt`;
  const file = await vscode.window.showSaveDialog({
    title: `Save Recovery Sheet of ${folder.name}`,
    saveLabel: "Save",
    defaultUri: vscode.Uri.file(join(homedir(), name)),
  });
  if (file === undefined) return false;
  if (vscode.workspace.getWorkspaceFolder(file) !== undefined) {
    void showError(
      "The recovery sheet was not saved, because a sheet in the workspace " +
        "can be lost together with it. Save the sheet outside the workspace.",
    );
    return false;
  }
  const { config } = folder;
  const text = await folder.writer.call("recoverySheet", { config });
  if (file.scheme === "file") {
    await writeFile(file.fsPath, text, { mode: 0o600 });
    // `writeFile` does not change the mode of a file that already exists.
    await chmod(file.fsPath, 0o600);
  } else {
    await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(text));
  }
  void showInformation(
    `The recovery sheet of ${folder.name} was saved. Print it, keep the ` +
      "paper in a safe place, and delete the file: whoever has the sheet can " +
      "read the snapshots.",
  );
  return true;
}

/**
 * Asks for a new passphrase, and adds a key with this passphrase to a folder's
 * repository.
 *
 * @returns Whether the passphrase was added.
 */
export async function addPassphrase(folder: ProtectedFolder): Promise<boolean> {
  const title = `Add a Passphrase for the Snapshots of ${folder.name}`;
  const ask = (prompt: string, validateInput: (typed: string) => string) =>
    vscode.window.showInputBox({
      title,
      prompt,
      password: true,
      ignoreFocusOut: true,
      validateInput,
    });
  const passphrase = await ask(
    "New passphrase. Use one that cannot be guessed, such as six random words.",
    (typed) =>
      typed.trim() === ""
        ? "The passphrase is empty."
        : /^\s*AGE-SECRET-KEY-/i.test(typed)
        ? "This is an age identity. Enter a passphrase."
        : "",
  );
  if (passphrase === undefined) return false;
  const again = await ask(
    "Enter the same passphrase again",
    (typed) => typed === passphrase ? "" : "The passphrases differ.",
  );
  if (again === undefined) return false;
  const { config } = folder;
  const { name } = await folder.writer.call("addPassphrase", {
    config,
    passphrase,
  });
  void showInformation(
    `The passphrase opens the snapshots of ${folder.name}. The name of its ` +
      `key is ${name}.`,
  );
  return true;
}
