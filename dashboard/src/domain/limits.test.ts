import { describe, expect, test } from "vitest";
import { limitText, ruleTitle, searchVerdict, verdictText } from "./limits";

// Every unit that a rule of the models or of the space can have; tests/dashboard/test_contract.py compares this list with them.
const UNITS = {
  "LUT sites": [120_000, 100_000, "120,000 LUT sites needed, 100,000 LUT sites allowed"],
  MHz: [400, 300, "400 MHz needed, 300 MHz allowed"],
  W: [80.25, 75, "80.25 W needed, 75 W allowed"],
  bits: [3, 2, "3 bits needed, 2 bits allowed"],
  "bits beyond the first": [512, 256, "512 bits beyond the first needed, 256 bits beyond the first allowed"],
  bytes: [268_435_457 * 2, 268_435_456, "536.9 MB needed, 268.4 MB allowed"],
  "bytes/s": [2.5e10, 1.25e10, "25 GB/s needed, 12.5 GB/s allowed"],
  channel: [32, 31, "32 channel needed, 31 channel allowed"],
  channels: [33, 32, "33 channels needed, 32 channels allowed"],
  fraction: [0.7221, 0.55, "72.2 % needed, 55 % allowed"],
  keys: [24, 16, "24 keys needed, 16 keys allowed"],
  lanes: [24, 16, "24 lanes needed, 16 lanes allowed"],
  layouts: [2, 1, "2 layouts needed, 1 layouts allowed"],
  "layouts too many": [1, 0, ""],
  "missing order": [1, 0, ""],
  "of the largest SLR": [1.2, 1, "120 % of the largest SLR needed, 100 % of the largest SLR allowed"],
  parts: [2, 1, "2 parts needed, 1 parts allowed"],
  passes: [7, 6, "7 passes needed, 6 passes allowed"],
  ports: [34, 32, "34 ports needed, 32 ports allowed"],
  projections: [3, 2, "3 projections needed, 2 projections allowed"],
  remainder: [3, 0, ""],
  roles: [2, 1, "2 roles needed, 1 roles allowed"],
  scores: [5, 4, "5 scores needed, 4 scores allowed"],
  segments: [5, 4, "5 segments needed, 4 segments allowed"],
  streams: [5, 4, "5 streams needed, 4 streams allowed"],
  words: [5, 4, "5 words needed, 4 words allowed"],
  lut: [120_000, 100_000, "120,000 LUT needed, 100,000 LUT allowed"],
  ff: [120_000, 100_000, "120,000 FF needed, 100,000 FF allowed"],
  bram_18k: [700, 672, "700 BRAM 18K needed, 672 BRAM 18K allowed"],
} as const;

describe("a broken limit", () => {
  test.each(Object.entries(UNITS))("in %s", (unit, [demand, bound, text]) => {
    expect(limitText({ demand, bound, unit })).toBe(text);
  });

  test("that is broken by a hair shows it", () => {
    expect(limitText({ demand: 0.80001, bound: 0.8, unit: "fraction" })).toBe("0.80001 needed, 0.8 allowed (fraction)");
  });
});

test("rules read as words", () => {
  expect(["lut_utilization", "slr_largest_unit_clb", "bram_18k_utilization", "hbm_channel_capacity", "tpot_s <= 0.01"].map(ruleTitle)).toEqual([
    "LUT utilization",
    "SLR largest unit CLB",
    "BRAM 18K utilization",
    "HBM channel capacity",
    "tpot_s <= 0.01",
  ]);
});

describe("the verdict", () => {
  const violation = { constraint: "dsp_utilization", where: "prefill", demand: 0.8287, bound: 0.8, unit: "fraction", message: "", levers: [], partial_levers: [] };

  test("has three states, and a limit within the band is not met", () => {
    expect(verdictText([], [])).toBe("Every constraint is met, error bands included.");
    expect(verdictText([], [1])).toMatch(/^It fits as estimated, but one limit lies within the error band/);
    expect(verdictText([], [1, 2])).not.toMatch(/\bmet\b/);
    expect(verdictText([violation], [1])).toBeNull();
  });

  test("of a search takes estimates as they are, and says where the band would have it open", () => {
    const row = { feasible: false, violated: "dsp_utilization", violations: [violation] };
    expect(searchVerdict(row, "within_band")).toBe("infeasible as estimated: over the limit of DSP utilization by less than the error band");
    expect(searchVerdict(row, "does_not_fit")).toBe("infeasible: breaks DSP utilization");
    // A constraint of the request is no limit of the card.
    expect(searchVerdict({ feasible: false, violated: "ttft_s <= 1", violations: [] }, "within_band")).toBe("infeasible: breaks ttft_s <= 1");
    expect(searchVerdict({ feasible: true, violated: null, violations: [] }, "within_band")).toMatch(/^feasible: it fits as estimated; a limit/);
  });
});
