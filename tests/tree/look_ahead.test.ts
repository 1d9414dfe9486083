import assert from "node:assert/strict";
import { test } from "node:test";
import { lookAhead } from "../../lib/tree/look_ahead.ts";

/**
 * Looks ahead in numbers, of which every nth is chosen. Returns what was taken
 * at which time.
 */
function look(count: number, every: number, size?: number) {
  let taken = 0;
  let given = 0;
  let ahead = 0;
  let chosenAhead = 0;
  const chosen: number[] = [];
  const source = function* () {
    for (; taken < count; taken++) yield taken;
  };
  const result: number[] = [];
  const isChosen = (one: number) => one % every === 0;
  const choose = (one: number) => {
    assert.ok(!chosen.includes(one), `${one} is asked of once`);
    if (isChosen(one)) chosen.push(one);
    return isChosen(one);
  };
  for (
    const one of lookAhead(
      source(),
      choose,
      size === undefined ? undefined : () => size,
    )
  ) {
    if (isChosen(one)) {
      assert.ok(chosen.includes(one), `${one} was told of before its turn`);
      given++;
    }
    result.push(one);
    ahead = Math.max(ahead, taken - one);
    chosenAhead = Math.max(chosenAhead, chosen.length - given);
  }
  return { result, ahead, chosenAhead };
}

test("lookAhead() yields all items once and in order, however many are chosen", () => {
  for (const every of [1, 2, 7, 1000, 1e9]) {
    for (const count of [0, 1, 8, 9, 4096, 4097, 10_000]) {
      const { result } = look(count, every);
      assert.deepEqual(result, Array.from({ length: count }, (_, at) => at));
    }
  }
});

test("lookAhead() looks ahead for a limited number of chosen items", () => {
  assert.equal(look(1000, 1).ahead, 8);
  // One more item is chosen while the items between them are yielded.
  assert.equal(look(10_000, 100).chosenAhead, 9);
  const sparse = look(10_000, 100).ahead;
  assert.ok(sparse >= 800 && sparse <= 900, `${sparse}`);
  assert.equal(look(10_000, 1e9).ahead, 4096);
  assert.equal(look(10_000, 1e9, 100).ahead, 40);
});

test("lookAhead() does not read further than it looks ahead", () => {
  let taken = 0;
  const source = function* () {
    for (;;) yield taken++;
  };
  for (const one of lookAhead(source(), () => true)) if (one === 5) break;
  assert.ok(taken < 20, `${taken}`);
});
