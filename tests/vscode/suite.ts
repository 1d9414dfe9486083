import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import type { Browser } from "playwright-core";
import { LocalStorage, Repository, type SnapshotRecord } from "../../mod.ts";
import { Editor, type EditorOptions } from "./editor.ts";
import {
  buildPackage,
  findBrowser,
  installEditor,
  packForTests,
} from "./install.ts";
import { makeProject } from "./project.ts";
import { FAILURES, PICTURES, startBrowser, Window } from "./window.ts";

/** The folder of this clone. */
export const root = dirname(dirname(import.meta.dirname!));

/** The settings with which no snapshot is taken automatically. */
export const NO_AUTOMATIC_SNAPSHOTS = {
  "deltar.snapshot.onOpen": false,
  "deltar.snapshot.onSave": false,
  "deltar.snapshot.onExternalChange": false,
  "deltar.snapshot.everyMinutes": 0,
  "deltar.snapshot.onClose": false,
};

/** The things that all tests of a file share. */
export interface Suite {
  /** A folder that is deleted at the end. */
  folder: string;
  /** The browser. */
  browser: Browser;
  /** Returns the package of the extension with which `ask` runs code. */
  companion(): string;
  /** Returns the package of the extension that measures the start of Deltar. */
  control(): string;
  /** Makes a new real project. */
  project(name: string): string;
  /** Starts another editor with the extension. */
  editor(
    name: string,
    options?: Partial<EditorOptions>,
  ): Promise<Editor>;
  /** Opens a window. */
  open(
    editor: Editor,
    what: { folder: string } | { workspace: string },
  ): Promise<Window>;
}

/**
 * Runs tests that share one browser and one project, one after the other. Each
 * test depends on the tests before it. If the browser or another program is
 * missing, the tests are skipped, except in continuous integration.
 */
export function suite(
  tests: [name: string, work: (suite: Suite) => Promise<void>][],
  needs: { skip?: string } = {},
): void {
  const browserFile = findBrowser();
  const skip = browserFile === undefined && !process.env.CI
    ? "needs chromium"
    : needs.skip ?? false;
  let ready: Promise<Suite> | undefined;
  const open: { close(): Promise<void> }[] = [];
  let folder: string | undefined;
  const prepare = async (): Promise<Suite> => {
    if (browserFile === undefined) throw new Error("there is no chromium");
    folder = fs.mkdtempSync(join(tmpdir(), "deltar-vscode-"));
    const code = installEditor();
    const packed = buildPackage(root);
    const browser = await startBrowser(browserFile);
    open.push(browser);
    const companion = () => packForTests(root, "companion");
    return {
      folder,
      browser,
      companion,
      control: () => packForTests(root, "control"),
      project(name) {
        const project = join(folder!, name);
        makeProject(project, root, code);
        return project;
      },
      async editor(name, options = {}) {
        const place = join(folder!, name);
        fs.mkdirSync(place, { recursive: true });
        const packages = new Set([packed, ...options.packages ?? []]);
        // The companion changes the theme for the pictures.
        if (PICTURES !== undefined) packages.add(companion());
        const editor = await Editor.start({
          editor: code,
          folder: place,
          ...options,
          packages: [...packages],
        });
        open.push({ close: () => editor.stop() });
        return editor;
      },
      open: (editor, what) => Window.open(browser, editor, what),
    };
  };
  after(async () => {
    for (const one of open.reverse()) await one.close();
    if (folder !== undefined && !process.env.KEEP) {
      fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });
  let failed = false;
  for (const [name, work] of tests) {
    test(name, { skip }, async (context) => {
      // Each test needs the results of the tests before it.
      if (failed) return context.skip("one before it failed");
      try {
        await work(await (ready ??= prepare()));
      } catch (error) {
        failed = true;
        await keepLooks(await ready?.catch(() => undefined), name);
        throw error;
      }
    });
  }
}

/** Stores pictures of all windows after a test has failed. */
async function keepLooks(
  suite: Suite | undefined,
  name: string,
): Promise<void> {
  const pages = suite?.browser.contexts().flatMap((one) => one.pages()) ?? [];
  for (const [at, page] of pages.entries()) {
    const file = `failed ${name} ${at}.png`.replaceAll(/[^\w.]+/g, "-");
    await page.screenshot({ path: join(FAILURES, file) });
  }
}

/** Opens the repository that the extension uses for a folder. */
export async function repositoryOf(
  editor: Editor,
  folder: string,
): Promise<{ repository: Repository; records: SnapshotRecord[] }> {
  const base = join(editor.storage, "repositories");
  const name = folder.split("/").at(-1)!;
  const found = fs.readdirSync(base).find((one) => one.startsWith(`${name}-`));
  const repository = await Repository.open(
    new LocalStorage(join(base, found!)),
  );
  const records = (await repository.snapshots())
    .filter(({ directory }) => directory === folder);
  return { repository, records };
}
