import { expect, test } from "vitest";
import { FIELDS, initialDraft, toRequest } from "./draft";
import { placeProblems, toProblem } from "./problem";

test("each error stands at its field", () => {
  const problem = toProblem(
    {
      title: "bad input",
      status: 422,
      detail: "two rules are broken",
      errors: [
        { field: "workload.prompt_tokens", value: "0", rule: "at least 1", hint: "type a positive number" },
        { field: "body.budget", rule: "at least 1" },
        { field: "objectives[1]", rule: "must be the name of a known metric" },
      ],
    },
    422,
  );
  expect(placeProblems(problem, FIELDS)).toEqual({
    fields: {
      "workload.prompt_tokens": ["At least 1 — type a positive number"],
      budget: ["At least 1"],
      objectives: ["Must be the name of a known metric"],
    },
    general: [],
  });
});

test("an error of a group stands at its first field, one of no field above the form", () => {
  const problem = toProblem({ detail: "d", errors: [{ field: "workload", rule: "too long" }, { field: "device.hbm", rule: "no HBM" }, { rule: "no" }] }, 422);
  const placed = placeProblems(problem, FIELDS);
  expect(placed.fields["workload.prompt_tokens"]).toEqual(["Too long"]);
  expect(placed.fields["device"]).toEqual(["hbm: No HBM"]);
  expect(placed.general).toEqual(["No"]);
});

test("an answer that is no problem document is one all the same", () => {
  expect(toProblem("<html>", 500)).toMatchObject({ status: 500, title: "The server answered 500", errors: [] });
  expect(placeProblems(toProblem(null, 500), FIELDS).general).toHaveLength(1);
});

test("a draft goes out as typed: numbers as numbers, nonsense as text for the server to refuse", () => {
  const draft = { ...initialDraft(["ttft_s"], 2000), promptTokens: " 512 ", outputTokens: "many", budget: "none" };
  expect(toRequest(draft)).toMatchObject({ workload: { prompt_tokens: 512, output_tokens: "many" }, seed: 0 });
  expect(toRequest(draft)).not.toHaveProperty("budget");
  expect(toRequest({ ...draft, method: "nsga2" })).toMatchObject({ budget: "none" });
});
