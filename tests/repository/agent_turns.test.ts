import assert from "node:assert/strict";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import { agentTurns } from "../../lib/repository/search/agent_turns.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";

test("agentTurns() finds the snapshot before a turn by the time in its id", () =>
  withTemp(async (temp) => {
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(new Dir(temp));
    // The digits after the time count upwards, and start again after `fff`.
    const at = (id: string) => `20261101T120000Z-${id}`;
    const replaced = { ...record, id: at("000001"), repairs: at("000ffe") };
    const changes = { ...record, id: at("100000") };
    const turn = {
      agent: "codex",
      turn: 1,
      at: "end" as const,
      since: at("000fff"),
    };
    const end = { ...record, id: at("200000"), turn };
    const [{ spans }] = agentTurns([
      replaced,
      changes,
      end,
    ]);
    assert.deepEqual(
      spans.map(({ before, after }) => [before.id, after.id]),
      [[replaced.id, end.id]],
    );
  }));
