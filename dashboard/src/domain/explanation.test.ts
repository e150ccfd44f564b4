import { expect, test } from "vitest";
import { type ExplanationDocument, knobText, knobTitle, knobWithValue, readExplanation } from "./explanation";

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
  expect(found.knobs[0]?.steps[0]).toEqual({ to: 8, feasible: true, floorplan: null, metrics: { ttft_s: 2 }, change: { ttft_s: 0.05, energy_j: null } });
  expect(found.target?.designs[0]?.changes).toEqual([{ knob: "decode.block_parallelism", from: "16", to: "32" }]);
  expect(found.target?.reason).toBeNull();
});

test("without a target there is none, and what is not there is empty", () => {
  const found = readExplanation({ binding: {}, sensitivity: {} } as unknown as ExplanationDocument);
  expect(found).toEqual({ binds: [], metrics: [], knobs: [], target: null });
});

test("variants of a module are names, and a refused floorplan is told", () => {
  const knobs = [{ knob: "decode.modules.attention", value: "online_softmax", steps: [{ to: "two_pass", feasible: false, floorplan: "refused", metrics: {}, change: {} }] }];
  const found = readExplanation({ binding: {}, sensitivity: { knobs } } as unknown as ExplanationDocument).knobs[0]!;
  expect([found.value, found.steps[0]!.to, found.steps[0]!.floorplan]).toEqual(["online_softmax", "two_pass", "refused"]);
  expect([knobText(found.value), knobText(1024)]).toEqual(["online softmax", "1,024"]);
});

test("knobs read as words", () => {
  expect(knobTitle("prefill.token_parallelism")).toBe("prefill: token parallelism");
  expect(knobWithValue("decode.modules.kv_read", "per_query_head")).toBe("decode: kv read = per query head");
  expect(knobWithValue("clock_target_mhz.prefill", 300)).toBe("prefill: clock target = 300 MHz");
  expect(knobTitle("deployment")).toBe("deployment");
});
