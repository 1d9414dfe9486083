import * as vscode from "vscode";
import { withoutLinks } from "./plain.ts";

type Show = (message: string, ...rest: never[]) => unknown;

/**
 * Returns a function that shows messages like the given function, but without
 * links. Messages contain paths, labels and names of folders, and any of these
 * can look like a link that runs a command.
 */
function plain<F extends Show>(show: F): F {
  const showPlain: Show = (message, ...rest) =>
    show(withoutLinks(message), ...rest);
  return showPlain as F;
}

/** Shows an information message. */
export const showInformation = plain(vscode.window.showInformationMessage);

/** Shows a warning. */
export const showWarning = plain(vscode.window.showWarningMessage);

/** Shows an error message. */
export const showError = plain(vscode.window.showErrorMessage);
