import { expect, test } from "vitest";
import { type DatasheetInput, datasheetHtml, escapeHtml } from "./datasheet";
import { REGISTRY } from "./registry";

const use = { lut: 100, ff: 200, dsp: 2664, bram_18k: 40, uram: 5 };
const share = { lut: 0.1, ff: 0.2, dsp: 0.2957, bram_18k: 0.4, uram: 0.05 };

const input = {
  title: `Design #3 <script>alert("x")</script>`,
  designKey: "1e42b4438fd25cd7",
  model: "llama-3.2-1b",
  device: "u280",
  workload: { batch: 1, prompt_tokens: 1024, output_tokens: 256 },
  objectives: ["ttft_s"],
  metrics: [...REGISTRY.metrics.values()],
  design: { prefill: { token_parallelism: 8 }, decode: { block_parallelism: 16 }, quant_scheme: { name: "q3" }, deployment: "two_bitstreams" },
  report: {
    provenance: "analytical",
    flexdse_version: "0.1.0",
    model_version: "4",
    timing_table_version: "2",
    metrics: { ttft_s: 1.957, quality: null },
    missing: { quality: "never measured" },
    prefill: { latency_s: 1.65, clock_mhz: 304, resources: use, utilization: share, power_w: 55 },
    decode: { first_step_s: 0.007, clock_mhz: 292, resources: use, utilization: share, power_w: 56 },
    ttft_s: 1.957,
    e2e_latency_s: 3.7,
    energy_j: 200,
    energy_j_per_token: 0.78,
    quality: { value: null, missing: "never measured" },
    memory: { weight_bytes: 6e8, kv_cache_bytes: 2e7, hbm_bytes_per_s: 1e11, hbm_fraction: 0.24 },
    breakdown: [{ stage: "prefill", module: "down_proj", cycles: 5e8, busy_cycles: 5e8, bound_by: "compute", dsp: 4, source: "" }],
    fit: "fits",
    violations: [],
    open_limits: [],
    error_band: { ttft_s: { relative_low: -0.11, relative_high: 0.08, basis: "sum" } },
  },
  floorplanMissing: null,
  floorplan: { status: "placed", bitstreams: [{ stages: ["prefill"], regions: [{ slr: "SLR0", dsp_fraction: 0.3765, lut_fraction: 0.4, ff_fraction: 0.2, bram_18k_fraction: 0.3, uram_fraction: 0.1 }] }] },
} as unknown as DatasheetInput;

test("the page stands alone: no script, no address, and names are text", () => {
  const page = datasheetHtml(input);
  expect(page).not.toMatch(/<script|src=|href=|url\(|https?:/i);
  expect(page).toContain("&lt;script&gt;");
  expect(escapeHtml(`<a href='x'>&"`)).toBe("&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
});

test("numbers stand with their unit and band, missing ones with their reason", () => {
  const page = datasheetHtml(input);
  expect(page).toContain(`<th class="key">Time to first token</th><td>1.957 s</td><td class="sub">1.742 s … 2.114 s (−11 … +8 %)</td>`);
  expect(page).toContain("never measured");
  expect(page).toContain("<th>prefill SLR0</th><td>37.7 %</td>");
  expect(page).toContain("<td>2,664</td><td>29.6 %</td>");
  expect(datasheetHtml({ ...input, floorplan: null, floorplanMissing: "no SLRs < 2" })).toContain("<h2>SLR floorplan</h2><p>— no SLRs &lt; 2</p>");
});

test("a limit within the error band is told as one that nobody can decide", () => {
  const limit = { constraint: "slr_memory_side_bram_18k", where: "decode", demand: 755, bound: 969.2, unit: "bram_18k", relative_low: -0.15, relative_high: 0.35, message: "", levers: [] };
  const page = datasheetHtml({ ...input, report: { ...input.report, fit: "within_band", open_limits: [limit] } });
  expect(datasheetHtml(input)).toContain("The design fits.");
  expect(page).toContain("The design fits as estimated; a limit lies within the error band.");
  expect(page).toContain("Undecided: SLR memory side BRAM 18K in decode, 755 BRAM 18K estimated (−15 … +35 %), 969.2 BRAM 18K allowed");
});
