/**
 * The Snapshots view in real VS Code with more snapshots of a day than it shows
 * at first.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { Dir, LocalStorage, Repository } from "../../mod.ts";
import { repositoryName } from "../../lib/repository/mod.ts";
import { NO_AUTOMATIC_SNAPSHOTS, suite } from "./suite.ts";

const SNAPSHOTS = 80;

suite([
  ["the rows of a day are shown in pages", async (suite) => {
    const folder = join(suite.folder, "folder");
    fs.mkdirSync(folder);
    const editor = await suite.editor("editor", {
      settings: NO_AUTOMATIC_SNAPSHOTS,
    });
    const place = join(editor.storage, "repositories", repositoryName(folder));
    fs.mkdirSync(place, { recursive: true });
    const repository = await Repository.create(new LocalStorage(place));
    // All snapshots are of yesterday.
    const yesterday = new Date();
    yesterday.setDate(yesterday.getDate() - 1);
    const noon = yesterday.setHours(12, 0, 0, 0);
    for (let at = 0; at < SNAPSHOTS; at++) {
      fs.writeFileSync(join(folder, `${at}.txt`), `${at}`);
      await repository.snapshot(new Dir(folder), { time: noon + at * 1000 });
    }
    const window = await suite.open(editor, { folder });
    await window.command("View: Show Deltar");
    const newest = window.row(`${SNAPSHOTS - 1}.txt`);
    await newest.waitFor();
    await window.hoverFor(
      newest,
      window.page.locator(".monaco-hover").getByText(/ stored/),
    );
    const list = window.page.locator(".pane-body .monaco-list").first();
    const more = window.row("Show More");
    await list.focus();
    await window.page.keyboard.press("End");
    await window.row(/Show More.*30 older/).waitFor();
    await window.picture("show-more");
    await more.click();
    await window.until("the oldest snapshot", async () => {
      await list.focus();
      await window.page.keyboard.press("End");
      return await window.row("12:00:00").isVisible();
    }, 30_000);
    await more.waitFor({ state: "detached" });
  }],
]);
