import assert from "node:assert/strict";
import { mock, test } from "node:test";
import {
  BurstTimer,
  CHECK_MS,
  MAX_CHECKS,
  MAX_PAUSE_MS,
  MIN_PAUSE_MS,
} from "../../extension/src/host/snapshots/burst_timer.ts";

/** A burst timer with a clock that only the test moves. */
class Bench {
  calls = 0;
  duration = 0;
  /** The duration that the function returns. */
  reported: number | undefined;
  #time = 0;
  readonly timer = new BurstTimer(
    () => {
      this.calls++;
      this.#time += this.duration;
      return Promise.resolve(this.reported);
    },
    () => this.#time,
  );

  /** Moves the clock, and waits until the due work has ended. */
  async pass(time: number): Promise<void> {
    mock.timers.tick(time);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
}

async function withBench(work: (bench: Bench) => Promise<void>): Promise<void> {
  mock.timers.enable({ apis: ["setTimeout"] });
  const bench = new Bench();
  try {
    await work(bench);
  } finally {
    bench.timer.dispose();
    mock.timers.reset();
  }
}

test("BurstTimer calls once after a burst", () =>
  withBench(async (bench) => {
    await bench.pass(10 * MIN_PAUSE_MS);
    assert.equal(bench.calls, 0);
    bench.timer.note();
    await bench.pass(CHECK_MS - 1);
    assert.equal(bench.calls, 0);
    await bench.pass(1);
    assert.equal(bench.calls, 1);
    await bench.pass(10 * MIN_PAUSE_MS);
    assert.equal(bench.calls, 1);
  }));

test("BurstTimer waits while changes go on, but not forever", () =>
  withBench(async (bench) => {
    bench.timer.note();
    for (let check = 1; check < MAX_CHECKS; check++) {
      bench.timer.note();
      await bench.pass(CHECK_MS);
      assert.equal(bench.calls, 0);
    }
    bench.timer.note();
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 1);
  }));

test("BurstTimer keeps changes of a pause for the next burst", () =>
  withBench(async (bench) => {
    bench.timer.note();
    await bench.pass(CHECK_MS);
    bench.timer.note();
    await bench.pass(MIN_PAUSE_MS - 1);
    await bench.pass(1);
    assert.equal(bench.calls, 1);
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 2);
  }));

test("BurstTimer calls at most twice a minute while changes never stop", () =>
  withBench(async (bench) => {
    for (let second = 0; second < 600; second++) {
      bench.timer.note();
      await bench.pass(1000);
    }
    assert.ok(bench.calls >= 10, `${bench.calls}`);
    assert.ok(bench.calls <= 20, `${bench.calls}`);
  }));

test("BurstTimer pauses longer after a long call", () =>
  withBench(async (bench) => {
    bench.duration = 3000;
    bench.timer.note();
    await bench.pass(CHECK_MS);
    bench.timer.note();
    await bench.pass(60_000 - 1);
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 1);
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 2);
    // The long duration simulates that the machine has slept.
    bench.duration = 1e9;
    bench.timer.note();
    await bench.pass(60_000);
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 3);
    bench.timer.note();
    await bench.pass(MAX_PAUSE_MS);
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 4);
  }));

test("BurstTimer ignores the time in which a call waited", () =>
  withBench(async (bench) => {
    bench.duration = 30_000;
    bench.reported = 50;
    bench.timer.note();
    await bench.pass(CHECK_MS);
    bench.timer.note();
    await bench.pass(MIN_PAUSE_MS);
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 2);
    bench.reported = 3000;
    bench.timer.note();
    await bench.pass(MIN_PAUSE_MS);
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 3);
    bench.timer.note();
    await bench.pass(60_000 - 1);
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 3);
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 4);
  }));

test("BurstTimer sets no timer for each of millions of changes", () =>
  withBench(async (bench) => {
    const set = mock.method(globalThis, "setTimeout");
    for (let change = 0; change < 5_000_000; change++) bench.timer.note();
    assert.equal(set.mock.callCount(), 1);
    await bench.pass(CHECK_MS);
    await bench.pass(CHECK_MS);
    assert.equal(bench.calls, 1);
    assert.ok(set.mock.callCount() <= 3);
    set.mock.restore();
  }));

test("BurstTimer does nothing after dispose()", () =>
  withBench(async (bench) => {
    bench.timer.note();
    bench.timer.dispose();
    bench.timer.note();
    await bench.pass(10 * MIN_PAUSE_MS);
    assert.equal(bench.calls, 0);
  }));
