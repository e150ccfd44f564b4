/** Traffic of every HBM channel against what it sustains, and what is stored. */
import type { JSX } from "preact";
import type { CostReport, Stage } from "../../domain/documents";
import { formatQuantity } from "../../domain/units";
import { ChannelPlot } from "../../plots/ChannelPlot";
import { ChartPanel } from "../../plots/ChartPanel";
import { Num } from "../../ui/basics";
import css from "./design.module.css";

export function MemoryPanel({ report }: { readonly report: CostReport }): JSX.Element {
  const { memory } = report;
  // Both charts have a place for every channel of the card, and one height for the same rate.
  const channels = Math.max(0, ...report.capacity.memories.filter((use) => use.memory === "hbm").map((use) => use.channels));
  const highest = Math.max(0, ...memory.channels.flatMap((entry) => [entry.bytes_per_s, entry.limit_bytes_per_s]));
  const total: Readonly<Record<Stage, number | null>> = { prefill: memory.prefill_hbm_bytes_per_s, decode: memory.hbm_bytes_per_s };
  return (
    <ChartPanel
      title="HBM traffic"
      file="hbm-traffic"
      provenance={report.provenance}
      note={`weights ${formatQuantity(memory.weight_bytes, "B")}, KV cache ${formatQuantity(memory.kv_cache_bytes, "B")}; bars are the mean over the stage, the line is what a channel sustains: a port that a module reads only at times stays below it even where that module waits for it`}
    >
      <div class={css.inner}>
        {(["prefill", "decode"] as const).map((stage) => {
          const traffic = memory.channels.filter((entry) => entry.stage === stage);
          return (
            <div key={stage} class={css.stage}>
              <div class={css.stageHead}>
                <h3>{stage === "prefill" ? "Prefill" : "Decode step"}</h3>
                <span>
                  <Num value={total[stage]} unit="B/s" reason={report.missing["hbm_bytes_per_s"] ?? "this stage does not run"} /> on {traffic.length} of {channels} channels
                  {stage === "decode" && memory.hbm_fraction !== null && `, ${formatQuantity(memory.hbm_fraction, "1", "fraction")} of what the card sustains`}
                </span>
              </div>
              <ChannelPlot traffic={traffic} channels={channels} highest={highest} label={`HBM traffic per channel, ${stage}`} />
            </div>
          );
        })}
      </div>
    </ChartPanel>
  );
}
