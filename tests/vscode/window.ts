import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";
import type { Editor } from "./editor.ts";

/** The maximum wait in milliseconds: the machine may be busy. */
const PATIENCE = 120_000;

/** Waits, in the page, for what moves and will end. */
const STILL = `Promise.allSettled(
  document.getAnimations()
    .filter(({ effect }) => effect?.getComputedTiming().endTime < Infinity)
    .map(({ finished }) => finished),
)`;

/** Starts the browser. */
export function startBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

/** A window of VS Code, as its user sees it. */
export class Window {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #pictures: string;

  private constructor(page: Page, context: BrowserContext, pictures: string) {
    this.page = page;
    this.#context = context;
    this.#pictures = pictures;
  }

  /** Opens a folder or a workspace file. */
  static async open(
    browser: Browser,
    editor: Editor,
    what: { folder: string } | { workspace: string },
    pictures: string,
  ): Promise<Window> {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
    });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    const query = new URLSearchParams({ ...what });
    await page.goto(`${editor.url}/?${query}`);
    const window = new Window(page, context, pictures);
    // On a busy machine VS Code may open a workspace without its folders.
    await window.until("the folders are open", async () => {
      const ready = window.status().waitFor({ timeout: PATIENCE / 3 });
      if (await ready.then(() => true, () => false)) return true;
      await page.reload();
      return false;
    });
    return window;
  }

  /** Waits until the extension has started. */
  async isReady(): Promise<void> {
    await this.status().waitFor();
  }

  /** Reloads it as its user does, and waits until it is there again. */
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
    const input = this.page.locator(".quick-input-widget input.input");
    // An editor or a view that takes the focus closes the palette.
    await this.until(`the palette for ${title}`, async () => {
      await this.page.keyboard.press("Escape");
      await this.page.keyboard.press("F1");
      const filled = input.fill(`>${title}`, { timeout: 5000 });
      return await filled.then(() => true, () => false);
    });
    // There may be others whose names go on, and were used before.
    const name = title.replaceAll(/[.()]/g, "\\$&");
    await this.page.locator(".quick-input-list .monaco-list-row").filter({
      has: this.page.locator(".label-name", {
        hasText: RegExp(`^${name}\u2026?$`),
      }),
    }).first().click();
  }

  /** A line of the open list. */
  line(text: string | RegExp): Locator {
    return this.page.locator(".quick-input-list .monaco-list-row")
      .filter({ hasText: text });
  }

  /** Chooses a line of the open list. */
  async choose(text: string | RegExp): Promise<void> {
    // What the pointer rests on may show a hint that covers the list.
    await this.page.mouse.move(640, 600);
    await this.line(text).first().click();
  }

  /**
   * Chooses from the open menu, which takes no click as soon as it is there.
   */
  async chooseFromMenu(name: string): Promise<void> {
    const item = this.page.getByRole("menuitem", { name });
    await item.waitFor();
    await this.until(`chosen ${name}`, async () => {
      await item.click({ timeout: 2000 }).catch(() => {});
      const gone = item.waitFor({ state: "detached", timeout: 2000 });
      return await gone.then(() => true, () => false);
    });
  }

  /**
   * Presses a button of a row, and again if no question comes: a row that is
   * drawn anew at that moment swallows it.
   */
  async press(row: Locator, name: string): Promise<void> {
    await this.until(`a question after ${name}`, async () => {
      await row.hover();
      await row.getByRole("button", { name }).click();
      const asked = this.dialog().waitFor({ timeout: 10_000 });
      return await asked.then(() => true, () => false);
    });
  }

  /** Waits for a notification, and gives it. */
  async isTold(text: string | RegExp): Promise<Locator> {
    const told = this.page.locator(
      ".notification-toast, .notification-list-item",
    )
      .filter({ hasText: text }).first();
    // Of many at a time VS Code shows some only in the list below the bell.
    const unseen = this.page.locator(".statusbar-item", {
      has: this.page.locator(".codicon-bell-dot"),
    });
    await this.until(`told ${text}`, async () => {
      const wait = told.waitFor({ timeout: 2000 });
      if (await wait.then(() => true, () => false)) return true;
      const toasts = this.page.locator(".notification-toast");
      if (await toasts.count() === 0 && await unseen.count() > 0) {
        await unseen.click();
      }
      return false;
    });
    return told;
  }

  /**
   * Presses a button of a notification: again if it moved at that moment, as
   * they do while others come and go.
   */
  async pressTold(text: string | RegExp, name: string): Promise<void> {
    await this.until(`pressed ${name}`, async () => {
      const told = await this.isTold(text);
      await told.hover({ timeout: 2000 }).catch(() => {});
      const press = told.getByRole("button", { name }).click({ timeout: 2000 });
      if (!await press.then(() => true, () => false)) return false;
      const gone = told.waitFor({ state: "detached", timeout: 5000 });
      return await gone.then(() => true, () => false);
    });
  }

  /** Clears all notifications away. */
  async hush(): Promise<void> {
    await this.command("Notifications: Clear All Notifications");
    await this.page.locator(".notification-toast").first()
      .waitFor({ state: "detached" });
  }

  /** The question that is open. */
  dialog(): Locator {
    return this.page.locator(".monaco-dialog-box");
  }

  /** Answers the question that is open. */
  async answer(button: string | RegExp): Promise<void> {
    await this.dialog().locator(".monaco-button")
      .filter({ hasText: button }).first().click();
    await this.dialog().waitFor({ state: "detached" });
  }

  /** A line of a view in the side bar. */
  row(text: string | RegExp): Locator {
    return this.page.locator(".pane-body .monaco-list-row")
      .filter({ hasText: text }).first();
  }

  /** All lines of the view of that title. */
  rows(view: string): Locator {
    return this.page.locator(".pane")
      .filter({ has: this.page.locator(`.pane-header[aria-label^="${view}"]`) })
      .locator(".monaco-list-row");
  }

  /**
   * Waits until a line has the letter and the colour of a file decoration.
   *
   * @param colour The name of the theme's colour.
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
    await this.until(`marked ${letter}`, isSo, 20_000);
  }

  /** Waits until a view says something in place of lines, or above them. */
  async says(text: RegExp): Promise<void> {
    await this.page.locator(".tree-explorer-viewlet-tree-view .message")
      .filter({ hasText: text }).first().waitFor();
  }

  /** The lines of a view, as they read. */
  async texts(view: string): Promise<string[]> {
    return (await this.rows(view).allInnerTexts())
      .map((text) => text.replaceAll(/\s+/g, " ").trim());
  }

  /** Opens a file by its absolute path. */
  async openFile(path: string): Promise<void> {
    await this.page.keyboard.press("Escape");
    await this.page.keyboard.press("Control+P");
    const input = this.page.locator(".quick-input-widget input.input");
    await input.waitFor({ state: "visible" });
    await input.fill(path);
    await this.line(path.split("/").at(-1)!).first().waitFor();
    await this.page.keyboard.press("Enter");
    await this.page.locator(".tab.active")
      .filter({ hasText: path.split("/").at(-1)! }).waitFor();
    // A notebook lies above its group, and has no lines before it is clicked.
    await this.page.locator(
      ".editor-group-container.active .view-lines:visible, " +
        ".notebookOverlay .cell-list-container:visible",
    ).first().waitFor();
  }

  /** Replaces all that is in the active editor. */
  async type(text: string): Promise<void> {
    await this.page.locator(".editor-group-container.active .view-lines")
      .first()
      .click();
    await this.page.keyboard.press("Control+A");
    await this.page.keyboard.insertText(text);
  }

  /** Saves the active editor. */
  async save(): Promise<void> {
    await this.page.keyboard.press("Control+S");
    await this.page.locator(".tab.active:not(.dirty)").waitFor();
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

  /** Waits until something holds. */
  async until(
    what: string,
    check: () => boolean | Promise<boolean>,
    patience = PATIENCE,
  ): Promise<void> {
    for (const end = Date.now() + patience; Date.now() < end;) {
      if (await check()) return;
      await this.page.waitForTimeout(100);
    }
    await this.picture(`failed-${what.replaceAll(/\W+/g, "-")}`);
    assert.fail(`waited in vain: ${what}`);
  }

  /** Keeps how it looks, once nothing fades in or out any more. */
  async picture(name: string): Promise<void> {
    await this.page.evaluate(STILL);
    fs.mkdirSync(this.#pictures, { recursive: true });
    await this.page.screenshot({ path: join(this.#pictures, `${name}.png`) });
  }

  /** Closes it. */
  async close(): Promise<void> {
    await this.#context.close();
  }
}
