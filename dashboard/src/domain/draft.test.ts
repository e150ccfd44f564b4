import { expect, test } from "vitest";
import type { Exploration } from "./documents";
import { draftOf, draftProblems, initialDraft, toRequest } from "./draft";

const draft = initialDraft(["ttft_s", "tpot_s"], 2000);

test("an empty or crooked number is said beside its field", () => {
  expect(draftProblems(draft)).toEqual({});
  const wrong = draftProblems({ ...draft, promptTokens: "", outputTokens: "1.5", seed: "x", space: "a", budget: "lots" });
  expect(Object.keys(wrong).sort()).toEqual(["seed", "space", "workload.output_tokens", "workload.prompt_tokens"]);
  expect(draftProblems({ ...draft, method: "random", budget: "lots" }).budget).toEqual(["“lots” is no whole number"]);
});

test("constraints and the space go along", () => {
  const request = toRequest({ ...draft, constraints: "tpot_s <= 0.01\n\n max_utilization <= 0.7 ", space: "prefill.token_parallelism = 8" });
  expect(request.constraints).toEqual(["tpot_s <= 0.01", "max_utilization <= 0.7"]);
  expect(request.space).toEqual({ fix: { "prefill.token_parallelism": 8 } });
  expect(toRequest(draft)).not.toHaveProperty("space");
});

test("an exploration that is run again asks for all that it asked for", () => {
  const asked = {
    model: "smollm2-135m",
    device: "u55c",
    workload: { prompt_tokens: 64, output_tokens: 16 },
    objectives: ["ttft_s"],
    method: "nsga2",
    budget: 500,
    seed: 7,
    constraints: ["tpot_s <= 0.01"],
    space: { fix: {}, restrict: { "prefill.token_parallelism": [8, 16] }, extend: {}, forbid: [], modules: {}, deployments: ["two_bitstreams"], quant_schemes: ["w4a4kv8"] },
    epsilon: 0.05,
    floorplan: false,
  };
  const request = toRequest(draftOf(asked as unknown as Exploration));
  const { space, ...rest } = asked;
  expect(request).toEqual({ name: "", ...rest, space: { restrict: space.restrict } });
});
