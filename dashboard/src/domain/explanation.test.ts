import { expect, test } from "vitest";
import { type ExplanationDocument, knobTitle, readExplanation } from "./explanation";

const document = {
  binding: { binds: ["prefill: down_proj takes 78% of the cycles"] },
  sensitivity: {
    metrics: { ttft_s: 1.9 },
    knobs: [{ knob: "decode.block_parallelism", value: 16, steps: [{ to: 8, feasible: true, metrics: { ttft_s: 2 }, change: { ttft_s: 0.05, energy_j: null } }] }],
  },
  target: {
    target: "decode_tokens_per_s >= 150",
    now: 145.6,
    met: false,
    designs: [{ changes: [{ knob: "decode.block_parallelism", from: 16, to: 32 }], metrics: { ttft_s: 1.8 }, design: { decode: {} } }],
    best_possible: null,
    reason: null,
  },
} as unknown as ExplanationDocument;

test("the document is read as it is written", () => {
  const found = readExplanation(document);
  expect(found.binds).toEqual(["prefill: down_proj takes 78% of the cycles"]);
  expect(found.metrics).toEqual(["ttft_s"]);
  expect(found.knobs[0]?.steps[0]).toEqual({ to: 8, feasible: true, metrics: { ttft_s: 2 }, change: { ttft_s: 0.05, energy_j: null } });
  expect(found.target?.designs[0]?.changes).toEqual([{ knob: "decode.block_parallelism", from: "16", to: "32" }]);
  expect(found.target?.reason).toBeNull();
});

test("without a target there is none, and what is not there is empty", () => {
  const found = readExplanation({ binding: {}, sensitivity: {} } as unknown as ExplanationDocument);
  expect(found).toEqual({ binds: [], metrics: [], knobs: [], target: null });
});

test("knobs read as words", () => {
  expect(knobTitle("prefill.token_parallelism")).toBe("prefill: token parallelism");
  expect(knobTitle("deployment")).toBe("deployment");
});
