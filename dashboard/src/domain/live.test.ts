import { describe, expect, test } from "vitest";
import type { Progress } from "./documents";
import { historyOf, initialLive, type Live, liveColumns, type LiveEvent, MAX_HISTORY, reduceLive } from "./live";

function progress(evaluations: number, hypervolume: number | null = null, front: [number, number][] = [[1, 1]]): Progress {
  return { phase: "prefill", evaluations, total: 1000, designs_per_s: 10, eta_s: 1, feasible_fraction: 0.5, front, hypervolume };
}

function play(start: Live, ...events: LiveEvent[]): Live {
  return events.reduce(reduceLive, start);
}

describe("reduceLive", () => {
  test("follows a search from the queue to its end", () => {
    let live = play(initialLive("queued"), { type: "open" }, { type: "state", state: "queued" });
    expect([live.connection, live.state]).toEqual(["open", "queued"]);
    live = play(live, { type: "state", state: "running" }, { type: "progress", progress: progress(10) });
    expect(live.progress?.evaluations).toBe(10);
    live = play(live, { type: "done", state: "succeeded" });
    expect([live.connection, live.state]).toEqual(["closed", "succeeded"]);
  });

  test("keeps the last figures while the stream is away, and ignores what is told again", () => {
    const before = play(initialLive("running"), { type: "open" }, { type: "progress", progress: progress(500) });
    const away = play(before, { type: "lost" });
    expect([away.connection, away.progress?.evaluations]).toEqual(["reconnecting", 500]);
    const back = play(away, { type: "open" }, { type: "progress", progress: progress(300) });
    expect([back.connection, back.progress?.evaluations]).toEqual(["open", 500]);
  });

  test("another attempt starts from nothing", () => {
    const live = play(
      initialLive("running"),
      { type: "progress", progress: progress(500, 0.5) },
      { type: "state", state: "queued" },
      { type: "state", state: "running" },
      { type: "progress", progress: progress(20, 0.1) },
    );
    expect(live.progress?.evaluations).toBe(20);
    expect(live.history).toMatchObject([{ evaluations: 20, hypervolume: 0.1 }]);
  });

  test("nothing moves a finished search", () => {
    const done = play(initialLive("running"), { type: "done", state: "cancelled" });
    const after = play(done, { type: "state", state: "running" }, { type: "progress", progress: progress(1) }, { type: "lost" });
    expect(after).toEqual(done);
  });

  test("progress without a state event means running", () => {
    expect(play(initialLive("queued"), { type: "progress", progress: progress(1) }).state).toBe("running");
  });

  test("a front that is not below the reference point has a size and no volume", () => {
    const live = play(initialLive("running"), { type: "progress", progress: progress(1, null, []) }, { type: "progress", progress: progress(5, 0) }, { type: "progress", progress: progress(9, 0.2) });
    expect(live.history.map(({ evaluations, hypervolume, frontSize }) => [evaluations, hypervolume, frontSize])).toEqual([[5, null, 1], [9, 0.2, 1]]);
    const past = historyOf({ evaluations: [1, 2, 3], seconds: [0.1, 0.2, 0.3], hypervolume: [null, null, 0.3], front_size: [null, 4, 5] });
    expect(past.map(({ hypervolume, frontSize }) => [hypervolume, frontSize])).toEqual([[null, 4], [0.3, 5]]);
  });

  test("the history of the hypervolume stays bounded and keeps the newest point", () => {
    let live = initialLive("running");
    for (let i = 1; i <= 3 * MAX_HISTORY; i += 1) live = play(live, { type: "progress", progress: progress(i, i / 2000) });
    expect(live.history.length).toBeLessThanOrEqual(MAX_HISTORY);
    expect(live.history[live.history.length - 1]?.evaluations).toBe(3 * MAX_HISTORY);
  });
});

test("objective vectors become columns in the order of the request", () => {
  const columns = liveColumns(progress(1, null, [[1, 10], [2, 20]]), ["ttft_s", "tpot_s"]);
  expect([...columns["ttft_s"]!]).toEqual([1, 2]);
  expect([...columns["tpot_s"]!]).toEqual([10, 20]);
  expect(liveColumns(null, ["ttft_s"])["ttft_s"]).toHaveLength(0);
});
