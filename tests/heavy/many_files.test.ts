import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { withPlace } from "../cli/helpers.ts";
import { finish, start } from "./child.ts";

const MEBIBYTE = 2 ** 20;
const FILES = 300_000;
const FOLDERS = 1000;

test(
  "a snapshot and a verification of many files need little memory for each file",
  {
    skip: process.env.CI || process.env.SLOW
      ? process.platform !== "linux"
      : "takes minutes: set SLOW=1",
    timeout: 1_800_000,
  },
  async () => {
    await withPlace(async ({ root, folder, env }) => {
      for (let at = 0; at < FILES; at++) {
        const inside = join(root, `folder ${at % FOLDERS}`);
        if (at < FOLDERS) fs.mkdirSync(inside);
        fs.writeFileSync(join(inside, `file ${at}`), `${at}\n`.repeat(50));
      }
      const repo = join(folder, "repo");
      const words = ["snapshot", root, "--repo", repo];
      const takesAtMost = async (words: string[], most: number) => {
        const peak = await finish(start(words, env));
        console.log(`# ${words[0]}: ${peak / MEBIBYTE} MiB`);
        assert.ok(
          peak > 0 && peak < most * MEBIBYTE,
          `${words}: ${peak} bytes`,
        );
      };
      await takesAtMost(words, 500);
      await takesAtMost(["verify", "--repo", repo], 310);
      await takesAtMost(["verify", "--repo", repo, "--data"], 430);
    });
  },
);
