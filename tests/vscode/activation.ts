import type { Editor } from "./editor.ts";
import type { Window } from "./window.ts";

/** The times of the start of the extension, in milliseconds. */
export interface Activation {
  /** The time that VS Code shows. It includes waiting for other extensions. */
  shown: number;
  /**
   * The time that VS Code shows for an extension that does nothing when it
   * starts, at the same events.
   */
  control: number;
  /** The processor time in which the bundle of the extension was loaded. */
  load: number;
  /** The processor time of `activate`. */
  activate: number;
}

/**
 * Reads and prints the times of the last start of the extension.
 *
 * @param editor An editor with the companion and the control.
 */
export async function readActivation(
  editor: Editor,
  window: Window,
  start: string,
): Promise<Activation> {
  const { page } = window;
  const size = page.viewportSize()!;
  // All rows are drawn only in a high window.
  await page.setViewportSize({ ...size, height: 4000 });
  await window.command("Developer: Show Running Extensions");
  const timeOf = async (name: string) => {
    const row = page.locator(".runtime-extensions-editor .extension", {
      has: page.locator(".name").getByText(name, { exact: true }),
    });
    const text = await row.locator(".activation-time")
      .filter({ hasText: /\d ?ms/ }).innerText();
    return Number(/(\d+) ?ms/.exec(text)![1]);
  };
  const times: Activation = {
    shown: await timeOf("Deltar: Workspace Snapshots"),
    control: await timeOf("control"),
    ...await editor.ask<{ load: number; activate: number }>(
      "return globalThis.startOfDeltar;",
    ),
  };
  await page.setViewportSize(size);
  await window.command("View: Close All Editors");
  console.log(
    `# ${start}: VS Code shows ${times.shown} ms, and ${times.control} ms for ` +
      `an extension that does nothing; processor time: ` +
      `${times.load.toFixed(1)} ms to load, ` +
      `${times.activate.toFixed(1)} ms to activate`,
  );
  return times;
}
