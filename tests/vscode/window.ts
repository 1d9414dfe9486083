import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";
import { CLEAR_NOTIFICATIONS, type Editor } from "./editor.ts";

/**
 * The maximum wait in milliseconds, which is long because the machine may be
 * busy.
 */
const PATIENCE = 120_000;

/**
 * The maximum wait for one attempt in milliseconds. An attempt that has no
 * effect is repeated.
 */
const ATTEMPT = 10_000;

/** The folder for the pictures of a failed test. */
export const FAILURES = join(import.meta.dirname!, "../../dist/screenshots");

/** The folder for the pictures of all tests; without it, none are taken. */
export const PICTURES = process.env.DELTAR_PICTURES || undefined;

/** The themes of the pictures: a short name, the theme, and its class. */
const THEMES = [
  ["light", "Default Light Modern", "vs"],
  ["dark", "Default Dark Modern", "vs-dark"],
  ["contrast", "Default High Contrast", "hc-black"],
  ["contrast-light", "Default High Contrast Light", "hc-light"],
] as const;

/**
 * A script that waits in the page until all animations that will end have
 * ended.
 */
const STILL = `Promise.allSettled(
  document.getAnimations()
    .filter(({ effect }) => effect?.getComputedTiming().endTime < Infinity)
    .map(({ finished }) => finished),
)`;

/** A script that records in the page which button receives a click. */
const NOTE_CLICKS = `addEventListener("click", ({ target }) => {
  globalThis.clicked = target.closest("[aria-label]")?.ariaLabel;
}, true)`;

/** Starts the browser. */
export function startBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

/** A window of VS Code, which is used as a user does. */
export class Window {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #editor: Editor;

  private constructor(page: Page, context: BrowserContext, editor: Editor) {
    this.page = page;
    this.#context = context;
    this.#editor = editor;
  }

  /** Opens a folder or a workspace file. */
  static async open(
    browser: Browser,
    editor: Editor,
    what: { folder: string } | { workspace: string },
  ): Promise<Window> {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
    });
    context.setDefaultTimeout(PATIENCE);
    await context.addInitScript(NOTE_CLICKS);
    const page = await context.newPage();
    const query = new URLSearchParams({ ...what });
    await page.goto(`${editor.url}/?${query}`);
    const window = new Window(page, context, editor);
    await window.hasFolders();
    return window;
  }

  /**
   * Waits until the extension has started. Loads the page again if this takes
   * too long, because on a busy machine VS Code may open a workspace without its
   * folders.
   */
  async hasFolders(): Promise<void> {
    await this.until("the folders are open", async () => {
      const ready = this.status().waitFor({ timeout: PATIENCE / 3 });
      if (await isDone(ready)) return true;
      await this.page.reload();
      return false;
    });
  }

  /** Waits until the extension has started. */
  async isReady(): Promise<void> {
    await this.status().waitFor();
  }

  /** Reloads the window, and waits until the extension has started again. */
  async reload(): Promise<void> {
    const before = await this.page.evaluate(() => performance.timeOrigin);
    await this.command("Developer: Reload Window");
    await this.page.waitForFunction(
      (before) => performance.timeOrigin !== before,
      before,
    );
    await this.isReady();
  }

  /** The extension's item in the status bar. */
  status(): Locator {
    return this.page.locator(
      '.statusbar-item[id="deltar.deltar.deltar.status"]',
    );
  }

  /** Waits for a text in the status bar's item. */
  async hasStatus(text: RegExp): Promise<void> {
    await this.status().filter({ hasText: text }).waitFor();
  }

  /** Runs a command as a user does, by its title in the command palette. */
  async command(title: string): Promise<void> {
    const input = this.#input();
    // Other commands may have longer names that begin alike, and may have been
    // used before.
    const name = title.replaceAll(/[.()]/g, "\\$&");
    const line = this.page.locator(".quick-input-list .monaco-list-row").filter(
      {
        has: this.page.locator(".label-name", {
          hasText: RegExp(`^${name}\u2026?$`),
        }),
      },
    ).first();
    // An editor or a view that takes the focus closes the palette.
    await this.until(`the command ${title}`, async () => {
      await this.page.keyboard.press("Escape");
      await this.page.keyboard.press("F1");
      return await isDone(input.fill(`>${title}`, { timeout: ATTEMPT })) &&
        await isDone(line.click({ timeout: ATTEMPT })) &&
        await this.#becomes(async () =>
          await input.inputValue({ timeout: 100 }).catch(() => "") !==
            `>${title}` || !await input.isVisible()
        );
    });
  }

  /** The field of the open list. */
  #input(): Locator {
    return this.page.locator(".quick-input-widget input.input");
  }

  /** Returns a row of the open list. */
  line(text: string | RegExp): Locator {
    return this.page.locator(".quick-input-list .monaco-list-row")
      .filter({ hasText: text });
  }

  /**
   * Chooses a line of the open list. The list then closes, or another list
   * takes its place.
   *
   * @param at The position among the lines with the text.
   */
  async choose(text: string | RegExp, at = 0): Promise<void> {
    const line = this.line(text).nth(at);
    await line.waitFor();
    const input = this.#input();
    const asked = await input.getAttribute("placeholder");
    await this.until(`chosen ${text}`, async () => {
      // The pointer may show a tooltip that covers the list.
      await this.page.mouse.move(640, 600);
      await isDone(line.click({ timeout: ATTEMPT }));
      return await this.#becomes(async () =>
        !await line.isVisible() ||
        await input.getAttribute("placeholder", { timeout: 100 })
            .catch(() => asked) !== asked
      );
    });
  }

  /**
   * Scrolls a list down and up until a row appears. VS Code draws only the
   * visible rows.
   */
  async scrollTo(row: Locator, list: Locator): Promise<void> {
    let step = 0;
    await this.until("a line is in view", async () => {
      if (await row.isVisible()) return true;
      await isDone(list.hover({ timeout: ATTEMPT }));
      const isDown = step++ % 40 < 20;
      await this.page.mouse.wheel(0, isDown ? 300 : -300);
      return false;
    });
  }

  /** Expands a row of a tree. */
  async expand(row: Locator): Promise<void> {
    await this.until("a line is expanded", async () => {
      const isExpanded = async () =>
        await row.getAttribute("aria-expanded", { timeout: ATTEMPT })
          .catch(() => null) === "true";
      if (await isExpanded()) return true;
      await isDone(row.click({ timeout: ATTEMPT }));
      return await this.#becomes(isExpanded);
    });
  }

  /** Clicks an element, and again if nothing appears. */
  async clickFor(target: Locator, shown: Locator): Promise<void> {
    await this.until("a click has an effect", async () => {
      await isDone(target.click({ timeout: ATTEMPT }));
      return await isDone(shown.first().waitFor({ timeout: ATTEMPT }));
    });
  }

  /**
   * Holds the pointer above an element until a tooltip appears. Moves the
   * pointer away and back if it does not, because no tooltip opens if a list
   * changes below the pointer.
   */
  async hoverFor(target: Locator, shown: Locator): Promise<void> {
    await this.until("a tooltip", async () => {
      await this.page.mouse.move(640, 600);
      await isDone(target.hover({ timeout: ATTEMPT }));
      return await isDone(shown.first().waitFor({ timeout: ATTEMPT / 2 }));
    });
  }

  /** Clicks the status bar's item, and waits for a line of its list. */
  async openStatus(text: string | RegExp): Promise<void> {
    await this.clickFor(this.status(), this.line(text).first());
  }

  /** Opens the menu of an element, and waits until it has an item. */
  async openMenu(target: Locator, name: string): Promise<void> {
    await this.until(`a menu with ${name}`, async () => {
      // If no menu were open, Escape would clear the selection of a list.
      const menu = this.page.locator(".monaco-menu:visible");
      if (await menu.count() > 0) await this.page.keyboard.press("Escape");
      const item = this.page.getByRole("menuitem", { name });
      return await isDone(
        target.click({ button: "right", timeout: ATTEMPT }),
      ) && await isDone(item.waitFor({ timeout: ATTEMPT }));
    });
  }

  /**
   * Chooses an item from the menu of an element.
   *
   * @param names The name of the item and, before it, the names of its menus.
   */
  async chooseFromMenu(target: Locator, ...names: string[]): Promise<void> {
    const items = names.map((name) =>
      this.page.getByRole("menuitem", { name })
    );
    const item = items[items.length - 1];
    await this.until(`chosen ${names.at(-1)}`, async () => {
      await this.openMenu(target, names[0]);
      for (const menu of items.slice(0, -1)) {
        if (!await isDone(menu.hover({ timeout: ATTEMPT }))) return false;
      }
      // A menu ignores clicks for 100 ms after it has opened.
      await item.waitFor({ timeout: ATTEMPT }).catch(() => {});
      await this.page.waitForTimeout(150);
      while (await isDone(item.click({ timeout: ATTEMPT }))) {
        const gone = item.waitFor({ state: "detached", timeout: 2000 });
        if (await isDone(gone)) return true;
      }
      return false;
    });
  }

  /**
   * Presses a button of a row and waits for the question. Presses again if the
   * row was drawn again at that moment, so that the button did not receive the
   * click, or the extension did not receive the row.
   */
  async press(row: Locator, name: string): Promise<void> {
    const again = this.page.locator(".notification-toast")
      .filter({ hasText: "The list has just changed" });
    await this.until(`pressed ${name}`, async () => {
      await isDone(row.hover({ timeout: ATTEMPT }));
      if (!await this.#receives(row, name)) return false;
      await this.dialog().or(again).first().waitFor();
      if (await this.dialog().isVisible()) return true;
      await this.hush();
      return false;
    });
  }

  /** Clicks a button, and again if another element received the click. */
  async click(name: string, place: Page | Locator = this.page): Promise<void> {
    await this.until(`clicked ${name}`, () => this.#receives(place, name));
  }

  /** Clicks a button, and returns whether the button received the click. */
  async #receives(place: Page | Locator, name: string): Promise<boolean> {
    await this.page.evaluate("globalThis.clicked = undefined");
    const button = place.getByRole("button", { name }).first();
    await isDone(button.click({ timeout: ATTEMPT }));
    const clicked = await this.page.evaluate<unknown>("globalThis.clicked");
    return String(clicked).includes(name);
  }

  /** Waits for a notification, and returns it. */
  async isTold(text: string | RegExp): Promise<Locator> {
    const told = this.page.locator(
      ".notification-toast, .notification-list-item",
    )
      .filter({ hasText: text }).first();
    // If there are many notifications, VS Code shows some of them only in the
    // list below the bell.
    const unseen = this.page.locator(".statusbar-item", {
      has: this.page.locator(".codicon-bell-dot"),
    });
    const bell = this.page.locator(
      '.statusbar-item[id="status.notifications"]',
    );
    const list = this.page.locator(".notifications-center:visible");
    let tries = 0;
    await this.until(`told ${text}`, async () => {
      if (await isDone(told.waitFor({ timeout: 2000 }))) return true;
      const toasts = this.page.locator(".notification-toast");
      if (await toasts.count() > 0 || await list.count() > 0) return false;
      // If the list was open when the notification came, the bell has no dot.
      if (await unseen.count() > 0 || ++tries % 5 === 0) {
        await isDone(bell.click({ timeout: ATTEMPT }));
      }
      return false;
    });
    return told;
  }

  /**
   * Presses a button of a notification, and again if the notification moved at
   * that moment, as notifications do while others appear and vanish.
   */
  async pressTold(text: string | RegExp, name: string): Promise<void> {
    await this.until(`pressed ${name}`, async () => {
      const told = await this.isTold(text);
      await isDone(told.hover({ timeout: ATTEMPT }));
      const button = told.getByRole("button", { name });
      return await isDone(button.click({ timeout: ATTEMPT })) &&
        await isDone(told.waitFor({ state: "detached", timeout: ATTEMPT }));
    });
  }

  /** Closes a notification without an answer. */
  async closeTold(text: string | RegExp): Promise<void> {
    const told = await this.isTold(text);
    await told.hover();
    await this.click("Clear Notification", told);
  }

  /** Closes all notifications. */
  async hush(): Promise<void> {
    const toast = this.page.locator(".notification-toast").first();
    await this.until("no notifications", async () => {
      await this.page.keyboard.press(CLEAR_NOTIFICATIONS);
      return await isDone(toast.waitFor({ state: "detached", timeout: 1000 }));
    });
  }

  /** Returns the open question. */
  dialog(): Locator {
    return this.page.locator(".monaco-dialog-box");
  }

  /** Answers the open question. */
  async answer(button: string | RegExp): Promise<void> {
    const choice = this.dialog().locator(".monaco-button")
      .filter({ hasText: button }).first();
    await choice.waitFor();
    const asked = await this.dialog().innerText();
    await this.until(`answered ${button}`, async () => {
      await isDone(choice.click({ timeout: ATTEMPT }));
      // Another question may follow immediately.
      return await this.#becomes(async () =>
        !await this.dialog().isVisible() ||
        await this.dialog().innerText({ timeout: 100 }).catch(() => asked) !==
          asked
      );
    });
  }

  /** Returns a row of a view in the side bar. */
  row(text: string | RegExp): Locator {
    return this.page.locator(".pane-body .monaco-list-row")
      .filter({ hasText: text }).first();
  }

  /** Returns all rows of the view with a title. */
  rows(view: string): Locator {
    return this.page.locator(".pane")
      .filter({ has: this.page.locator(`.pane-header[aria-label^="${view}"]`) })
      .locator(".monaco-list-row");
  }

  /** Returns a button in the title of the view with a title. */
  action(view: string, name: string): Locator {
    return this.page.locator(`.pane-header[aria-label^="${view}"]`)
      .locator(`.action-label[aria-label^="${name}"]`);
  }

  /**
   * Waits until a row has the letter and the color of a file decoration.
   *
   * @param colour The name of the color in the theme.
   */
  async isMarked(row: Locator, letter: string, colour: string): Promise<void> {
    const name = `--vscode-${colour.replaceAll(".", "-")}`;
    let looks = "";
    const isSo = async () => {
      looks = await row.evaluate((row, name) => {
        const { ownerDocument } = row;
        const { getComputedStyle } = ownerDocument.defaultView!;
        const label = row.querySelector(".monaco-icon-label")!;
        const probe = row.appendChild(ownerDocument.createElement("i"));
        probe.style.color = `var(${name})`;
        const [own, wanted] = [label, probe]
          .map((of) => getComputedStyle(of).color);
        probe.remove();
        const { content } = getComputedStyle(label, "::after");
        return `${content} ${own === wanted}`;
      }, name);
      return looks === `"${letter}" true`;
    };
    await this.until(`marked ${letter}`, isSo);
  }

  /** Waits until a view shows a text instead of its rows, or above them. */
  async says(text: RegExp): Promise<void> {
    await this.page.locator(".tree-explorer-viewlet-tree-view .message")
      .filter({ hasText: text }).first().waitFor();
  }

  /** Returns the texts of the rows of a view. */
  async texts(view: string): Promise<string[]> {
    return (await this.rows(view).allInnerTexts())
      .map((text) => text.replaceAll(/\s+/g, " ").trim());
  }

  /** Opens a file by its absolute path. */
  async openFile(path: string): Promise<void> {
    const name = path.split("/").at(-1)!;
    await this.until(`opened ${name}`, async () => {
      await this.page.keyboard.press("Escape");
      await this.page.keyboard.press("Control+P");
      const timeout = ATTEMPT;
      if (!await isDone(this.#input().fill(path, { timeout }))) return false;
      // Enter opens the focused row. At first, this can be a row of recent files.
      const focused = this.page
        .locator(".quick-input-list .monaco-list-row.focused")
        .filter({ hasText: name });
      if (!await isDone(focused.waitFor({ timeout }))) return false;
      await this.page.keyboard.press("Enter");
      const tab = this.page.locator(".tab.active").filter({ hasText: name });
      return await isDone(tab.waitFor({ timeout }));
    });
    // A notebook is above its editor group, and has no lines before it is
    // clicked.
    await this.page.locator(
      ".editor-group-container.active .view-lines:visible, " +
        ".notebookOverlay .cell-list-container:visible",
    ).first().waitFor();
  }

  /**
   * Replaces the text of the active editor.
   *
   * @param lines The element to click: the lines of the editor, or a cell of a
   * notebook.
   */
  async type(
    text: string,
    lines: Locator = this.page.locator(
      ".editor-group-container.active .view-lines",
    ).first(),
  ): Promise<void> {
    const timeout = ATTEMPT;
    const dirty = this.page.locator(".tab.active.dirty").first();
    await this.until("typed", async () => {
      // A cell that an earlier attempt has replaced no longer has the old text.
      if (await isDone(lines.click({ timeout }))) {
        await this.page.keyboard.press("Control+A");
        await this.page.keyboard.insertText(text);
      }
      return await isDone(dirty.waitFor({ timeout }));
    });
  }

  /** Saves the active editor. */
  async save(): Promise<void> {
    const saved = this.page.locator(".tab.active:not(.dirty)");
    await this.until("saved", async () => {
      await this.page.keyboard.press("Control+S");
      return await isDone(saved.waitFor({ timeout: ATTEMPT }));
    });
  }

  /** Returns the text of both sides of the open diff editor. */
  async sides(): Promise<[string, string]> {
    const text = async (side: string) => {
      const lines = this.page.locator(
        `.editor-group-container.active .monaco-diff-editor .editor.${side} .view-line`,
      );
      await lines.first().waitFor();
      return (await lines.allInnerTexts()).join("\n").replaceAll("\u00a0", " ");
    };
    return [await text("original"), await text("modified")];
  }

  /** Waits until a condition holds. */
  async until(
    what: string,
    check: () => boolean | Promise<boolean>,
    patience = PATIENCE,
  ): Promise<void> {
    for (const end = Date.now() + patience; Date.now() < end;) {
      if (await check()) return;
      await this.page.waitForTimeout(100);
    }
    const name = `failed-${what.replaceAll(/\W+/g, "-")}.png`;
    await this.#keep(join(FAILURES, name));
    assert.fail(`waited in vain: ${what}`);
  }

  /** Returns whether a condition holds within the time of an attempt. */
  async #becomes(check: () => Promise<boolean>): Promise<boolean> {
    for (const end = Date.now() + ATTEMPT; Date.now() < end;) {
      if (await check()) return true;
      await this.page.waitForTimeout(50);
    }
    return false;
  }

  /**
   * Takes a picture in each theme, if `DELTAR_PICTURES` names a folder for the
   * pictures.
   *
   * @param show Called before each picture, to open what a change of the theme
   * closes, such as a tooltip.
   */
  async picture(name: string, show?: () => Promise<void>): Promise<void> {
    if (PICTURES === undefined) return;
    for (const [kind, theme, looks] of THEMES) {
      await this.#editor.set({ "workbench.colorTheme": theme });
      await this.page.locator(`.monaco-workbench.${looks}`).waitFor();
      await show?.();
      await this.#keep(join(PICTURES, `${name}-${kind}.png`));
    }
    await this.#editor.set({ "workbench.colorTheme": null });
  }

  /** Stores a picture of the window when all animations have ended. */
  async #keep(path: string): Promise<void> {
    await this.page.evaluate(STILL);
    await this.page.screenshot({ path });
  }

  /** Closes the window. */
  async close(): Promise<void> {
    await this.#context.close();
  }
}

/** Returns whether an attempt succeeded, such as a wait within its time. */
function isDone(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(() => true, () => false);
}
