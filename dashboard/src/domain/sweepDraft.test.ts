import { expect, test } from "vitest";
import { initialSweep, sweepFile, sweepProblems } from "./sweepDraft";

const draft = initialSweep(["ttft_s", "tpot_s"], 2000, "Europe/Zurich");

test("the form stands for the sweep file of the command line", () => {
  const file = sweepFile({ ...draft, workloads: "1024 1024\n128, 64\n", seeds: "0, 1", methods: ["exact", "nsga2"], nightSeconds: "3600", space: "prefill.token_parallelism = 8", constraints: "tpot_s <= 0.01" });
  expect(file).toEqual({
    schema: "flexdse/sweep/v1",
    name: "Night",
    grid: {
      models: ["llama-3.2-1b"],
      devices: ["u280"],
      workloads: [{ prompt_tokens: 1024, output_tokens: 1024 }, { prompt_tokens: 128, output_tokens: 64 }],
      objectives: [["ttft_s", "tpot_s"]],
      methods: ["exact", "nsga2"],
      seeds: [0, 1],
      constraints: ["tpot_s <= 0.01"],
      space: { fix: { "prefill.token_parallelism": 8 } },
    },
    window: { time_zone: "Europe/Zurich", start: "22:00", end: "06:00", days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] },
    concurrency: 1,
    budget: { evaluations: 2000, night_s: 3600 },
  });
  const anyTime = sweepFile({ ...draft, hasWindow: false, nightSeconds: "60", evaluations: "" });
  expect(anyTime).not.toHaveProperty("window");
  expect(anyTime.budget).toEqual({});
});

test("what is missing or crooked is said beside its field", () => {
  expect(sweepProblems(draft)).toEqual({});
  const wrong = sweepProblems({ ...draft, models: [], workloads: "1024\n1 2", seeds: "0,", concurrency: "x", caseSeconds: "-1", days: [] });
  expect(Object.keys(wrong).sort()).toEqual(["budget.case_s", "concurrency", "grid.models", "grid.seeds", "grid.workloads", "window.days"]);
  expect(wrong["grid.workloads"]![0]).toContain("Line 1 “1024”");
  expect(sweepProblems({ ...draft, workloads: "" })).toHaveProperty(["grid.workloads"]);
});
