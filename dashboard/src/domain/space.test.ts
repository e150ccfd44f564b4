import { expect, test } from "vitest";
import { leavesOut, type SpaceOverrides, spaceOf, spaceProblems, spaceText } from "./space";

test("each kind of line", () => {
  expect(spaceOf("")).toBeUndefined();
  expect(
    spaceOf(`prefill.token_parallelism = 8
      decode.block_parallelism = 16, 32

      decode.weight_parallelism = 64..256
      decode.head_parallelism = ..4
      extend decode.engine_splits = 3
      forbid prefill.token_parallelism = 8, 16 and prefill.ffn_weight_blocks = 1
      modules decode.attention = two_pass
      quant_schemes = w4a4kv8, w4a8kv8
      deployments = two_cards`),
  ).toEqual({
    fix: { "prefill.token_parallelism": 8 },
    restrict: { "decode.block_parallelism": [16, 32], "decode.weight_parallelism": { min: 64, max: 256 }, "decode.head_parallelism": { max: 4 } },
    extend: { "decode.engine_splits": [3] },
    forbid: [{ "prefill.token_parallelism": [8, 16], "prefill.ffn_weight_blocks": 1 }],
    modules: { "decode.attention": ["two_pass"] },
    quant_schemes: ["w4a4kv8", "w4a8kv8"],
    deployments: ["two_cards"],
  });
});

test("what is no number goes to the server as it was typed", () => {
  expect(spaceOf("prefill.token_parallelism")).toEqual({ fix: { "prefill.token_parallelism": "" } });
  expect(spaceOf("prefill.token_parallelism = eight")).toEqual({ fix: { "prefill.token_parallelism": "eight" } });
});

test("the text of a space reads back as the same space", () => {
  const space = {
    schema: "flexdse/space/v1",
    fix: { "prefill.token_parallelism": 8 },
    restrict: { "decode.block_parallelism": [16, 32], "decode.weight_parallelism": { min: 64, max: 256 }, "decode.head_parallelism": { min: 2, max: null } },
    extend: { "decode.engine_splits": [3, 5] },
    forbid: [{ "prefill.token_parallelism": [8, 16], "prefill.ffn_weight_blocks": 1 }, { "decode.head_parallelism": 2 }],
    modules: { "decode.attention": ["two_pass"] },
    deployments: ["two_bitstreams"],
    quant_schemes: ["w4a4kv8", "w8a8kv8"],
  } as unknown as SpaceOverrides;
  const { fix, restrict, extend, forbid, modules, quant_schemes } = space;
  expect(spaceOf(spaceText(space))).toEqual({ fix, restrict: { ...restrict, "decode.head_parallelism": { min: 2 } }, extend, forbid, modules, quant_schemes });
  expect(spaceText(null)).toBe("");
});

test("a line that is cut off or contradicts another is said with its number", () => {
  expect(spaceProblems("prefill.token_parallelism = 8, 16\n\nquant_schemes = w4a4kv8\nextend prefill.token_parallelism = 24")).toEqual([]);
  const said = (text: string): string => spaceProblems(text).join();
  expect(said("prefill.token_parallelism = 8\nprefill.token_parallelism = 16")).toMatch(/^Line 2: prefill.token_parallelism stands in line 1/);
  expect(said("\nprefill.token_parallelism")).toMatch(/^Line 2 .*NAME = VALUE/);
  expect(said("prefill.token_parallelism =")).toMatch(/^Line 1 .*NAME = VALUE/);
  expect(said("= 8")).toMatch(/^Line 1 .*NAME = VALUE/);
  expect(said("nonsense = 3")).toMatch(/nonsense is no parameter/);
  expect(said("prefill.token_parallelism = eight")).toMatch(/whole numbers, not “eight”/);
  expect(said("forbid prefill.token_parallelism = 8 and")).toMatch(/^Line 1/);
  expect(said("prefill.token_parallelism = 8..32")).toBe("");
});

test("values that a search left out", () => {
  const space = spaceOf("prefill.token_parallelism = 8\ndecode.block_parallelism = 8, 16\ndecode.weight_parallelism = 64..256\ndecode.head_parallelism = ..4") as SpaceOverrides;
  const out = (knob: string, ...values: (number | string)[]): boolean[] => values.map((value) => leavesOut(space, knob, value));
  expect(out("prefill.token_parallelism", 8, "8", 16)).toEqual([false, false, true]);
  expect(out("decode.block_parallelism", 8, 32)).toEqual([false, true]);
  expect(out("decode.weight_parallelism", 32, 64, 256, 512)).toEqual([true, false, false, true]);
  expect(out("decode.head_parallelism", 1, 8)).toEqual([false, true]);
  expect(out("decode.engine_splits", 4)).toEqual([false]);
  expect(leavesOut(null, "prefill.token_parallelism", 4)).toBe(false);
});
