import { describe, expect, test } from "vitest";
import type { Exploration, SearchRecord } from "./documents";
import { estimateBasis, explorationTitle, keyFigures, phaseTitle, pricedShare } from "./exploration";
import { initialLive } from "./live";

const exploration = {
  name: "",
  model: "llama-3.2-1b",
  device: "u280",
  state: "running",
  front_size: null,
  progress: null,
  record: null,
} as unknown as Exploration;

const record = {
  space_size: 3e11,
  legal_designs: 4e11,
  exact_hypervolume: 5,
  evaluations: 1000,
  feasible_evaluations: 250,
  seconds: 2,
  designs_per_s: 500,
  exact: false,
  hypervolume: 4.5,
  hypervolume_ratio: 0.9,
} as unknown as SearchRecord;

test("an exploration without a name is called by its model and card", () => {
  expect(explorationTitle(exploration)).toBe("llama-3.2-1b on u280");
  expect(explorationTitle({ ...exploration, name: "night" })).toBe("night");
});

describe("keyFigures", () => {
  test("what is not known yet has a reason, never a zero", () => {
    const figures = keyFigures(exploration, initialLive("queued"));
    for (const key of ["evaluations", "rate", "legalDesigns", "feasible", "frontSize", "hypervolume", "seconds"] as const) {
      expect(figures[key].value).toBeNull();
      expect(figures[key].reason).toMatch(/\w+/);
    }
    expect(figures.phase).toBe("waiting for a worker");
    expect(figures.done).toBeNull();
  });

  test("progress while it runs", () => {
    const live = initialLive("running", {
      phase: "decode",
      evaluations: 250,
      total: 1000,
      designs_per_s: 100,
      eta_s: 7.5,
      feasible_fraction: 0.5,
      front: [[1], [2]],
      hypervolume: null,
    });
    const figures = keyFigures(exploration, live);
    expect(figures).toMatchObject({ phase: "pricing decode designs", done: 0.25, frontSize: { value: 2 }, seconds: { value: 7.5 } });
    expect(figures.hypervolume.value).toBeNull();
  });

  test("a phase that prices nothing has no share and no time left, and says where it stands", () => {
    const progress = { phase: "floorplan", detail: "round 2, 14 stage designs to place", evaluations: 1000, total: 1000, designs_per_s: 100, eta_s: null, feasible_fraction: 0.5, front: [[1]], hypervolume: null };
    const figures = keyFigures(exploration, initialLive("running", progress));
    expect(figures).toMatchObject({ phase: "checking the front on the SLRs: round 2, 14 stage designs to place", done: null, rate: { value: 100 } });
    expect(figures.seconds.value).toBeNull();
    const first = keyFigures(exploration, initialLive("running", { ...progress, phase: "yardstick", evaluations: 0, designs_per_s: 0, front: [] }));
    expect(first.rate).toMatchObject({ value: null, reason: "nothing is priced yet" });
    expect(pricedShare("nsga2", 250, 1000)).toBe(0.25);
    expect(pricedShare("done", 1000, 1000)).toBeNull();
    expect(phaseTitle("nsga2")).toBe("pricing designs (NSGA-II)");
  });

  test("the number of legal designs means the same while it runs and afterwards", () => {
    const progress = { phase: "decode", evaluations: 1, total: 2, designs_per_s: 1, eta_s: 1, feasible_fraction: 1, front: [], hypervolume: null, legal_designs: 4e11 };
    expect(keyFigures(exploration, initialLive("running", progress)).legalDesigns.value).toBe(4e11);
    const done = { ...exploration, state: "succeeded", front_size: 12, record } as Exploration;
    expect(keyFigures(done, null)).toMatchObject({ legalDesigns: { value: 4e11 }, differentDesigns: 3e11 });
  });

  test("a front of one design has no hypervolume, and says why", () => {
    const one = { ...record, exact: true, hypervolume: 0, exact_hypervolume: 0, hypervolume_ratio: 1 };
    const figures = keyFigures({ ...exploration, state: "succeeded", front_size: 1, record: one } as Exploration, null);
    expect(figures.hypervolume).toMatchObject({ value: null, reason: expect.stringContaining("one design") as string });
  });

  test("a sampled front that is nowhere below the reference point has a volume of its own, and says why", () => {
    const missing = { hypervolume: "no design of the front is better than the reference point in every objective" };
    const own = { ...record, hypervolume: null, hypervolume_ratio: null, own_hypervolume: 0.4, own_reference_point: [3, 4], missing };
    const figures = keyFigures({ ...exploration, state: "succeeded", front_size: 9, record: own } as Exploration, null);
    expect(figures).toMatchObject({ hypervolume: { value: null, reason: missing.hypervolume }, hypervolumeRatio: null, ownHypervolume: 0.4 });
    expect(keyFigures({ ...exploration, state: "succeeded", front_size: 9, record } as Exploration, null).ownHypervolume).toBeNull();
  });

  test("the record when it is done, with the distance from the optimum", () => {
    const done = { ...exploration, state: "succeeded", front_size: 12, record } as Exploration;
    expect(keyFigures(done, null)).toMatchObject({
      finished: true,
      feasible: { value: 0.25 },
      frontSize: { value: 12 },
      hypervolumeRatio: 0.9,
      seconds: { value: 2 },
    });
    expect(keyFigures({ ...done, record: { ...record, exact: true } }, null).hypervolumeRatio).toBeNull();
  });

  test("a search that failed says that there is no result", () => {
    const failed = { ...exploration, state: "failed" } as Exploration;
    expect(keyFigures(failed, null).evaluations.reason).toBe("the search ended without a result");
  });
});

test("the time before the start says what it rests on", () => {
  expect(estimateBasis({ estimated_from: 0, rate_from: 0, estimated_floorplan_seconds: 10 })).toBe("Time guessed for a common machine, as no search has ended here yet; 10 s of it for checking the front on the SLRs.");
  expect(estimateBasis({ estimated_from: 2, rate_from: 0, estimated_floorplan_seconds: 0 })).toBe("Time by the start of the last 2 searches here and the rate of a common machine.");
  expect(estimateBasis({ estimated_from: 1, rate_from: 1, estimated_floorplan_seconds: 0 })).toBe("Time by the last search here.");
});
