import assert from "node:assert/strict";
import { test } from "node:test";
import {
  withoutIcons,
  withoutLinks,
} from "../../extension/src/host/ui/plain.ts";

test("withoutIcons() escapes only the names of icons", () => {
  const texts = [
    ["$(trash) a", "\\$(trash) a"],
    ["$(sync~spin)$(Git-Merge)", "\\$(sync~spin)\\$(Git-Merge)"],
    ["x=$(cat file); $()", "x=$(cat file); $()"],
    ["\\$(trash)", "\\\\$(trash)"],
  ];
  for (const [text, escaped] of texts) {
    assert.equal(withoutIcons(text), escaped);
  }
});

test("withoutLinks() separates the brackets of links that VS Code opens", () => {
  // The expression with which VS Code finds links in notifications, from its
  // file `linkedText.ts`.
  const link =
    /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/i;
  for (const target of ["command:a.b", "COMMAND:a", "https://a", "file:a"]) {
    const text = `No snapshot contains [a](${target}) yet.`;
    assert.match(text, link);
    const plain = withoutLinks(text);
    assert.doesNotMatch(plain, link);
    assert.equal(plain.replace("\u2060", ""), text);
  }
  assert.equal(withoutLinks("[slug](group)/a"), "[slug](group)/a");
});
