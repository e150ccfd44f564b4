import { expect, test } from "vitest";
import { plainBound } from "./bounds";

test.each([
  ["tpot_s <= 4 ms", "tpot_s <= 0.004"],
  ["tpot_s<=4ms", "tpot_s <= 0.004"],
  ["ttft_s <= 1.5 s", "ttft_s <= 1.5"],
  ["ttft_s >= 200 µs", "ttft_s >= 0.0002"],
  ["max_utilization <= 70 %", "max_utilization <= 0.7"],
  ["decode_tokens_per_s >= 100 tokens/s", "decode_tokens_per_s >= 100"],
  ["hbm_bytes_per_s <= 400 GB/s", "hbm_bytes_per_s <= 400000000000"],
  ["energy_j <= 5e2 mJ", "energy_j <= 0.5"],
  ["power_w <= 75", "power_w <= 75"],
  // What is no unit of the metric goes to the server as it is, which says so.
  ["tpot_s <= 4 MB", "tpot_s <= 4 MB"],
  ["no_such_metric <= 4 ms", "no_such_metric <= 4 ms"],
  ["ttft_s + tpot_s <= 4 ms", "ttft_s + tpot_s <= 4 ms"],
  ["tpot_s <= 4e-3", "tpot_s <= 4e-3"],
])("%s", (written, plain) => {
  expect(plainBound(written)).toBe(plain);
});
