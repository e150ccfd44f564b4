/** What is known of the chosen model and card before anything is searched. */
import type { JSX } from "preact";
import type { DeviceSummary, ModelSummary } from "../../domain/documents";
import { formatCount, formatNumber } from "../../domain/units";
import { Num, Panel } from "../../ui/basics";
import css from "./explorations.module.css";

export function ModelFacts({ model }: { readonly model: ModelSummary | undefined }): JSX.Element | null {
  if (model === undefined) return null;
  return (
    <Panel title={model.title}>
      <dl class={css.facts}>
        <dt>Parameters</dt>
        <dd>{formatNumber(model.parameters / 1e6)} M</dd>
        <dt>Layers</dt>
        <dd>{model.n_layers}</dd>
        <dt>Hidden / FFN</dt>
        <dd>
          {formatCount(model.hidden_dim)} / {formatCount(model.ffn_dim)}
        </dd>
        <dt>Query / KV heads</dt>
        <dd>
          {model.n_q_heads} / {model.n_kv_heads}
        </dd>
        <dt>Vocabulary</dt>
        <dd>{formatCount(model.vocab_size)}</dd>
        <dt>Longest context</dt>
        <dd>{formatCount(model.max_context_tokens)} tokens</dd>
      </dl>
    </Panel>
  );
}

export function DeviceFacts({ device }: { readonly device: DeviceSummary | undefined }): JSX.Element | null {
  if (device === undefined) return null;
  const { lut, ff, dsp, bram_18k: bram, uram } = device.resources;
  return (
    <Panel title={device.title} note={device.part_number}>
      <dl class={css.facts}>
        <dt>LUT</dt>
        <dd>{formatCount(lut)}</dd>
        <dt>FF</dt>
        <dd>{formatCount(ff)}</dd>
        <dt>DSP ({device.dsp_kind.toUpperCase()})</dt>
        <dd>{formatCount(dsp)}</dd>
        <dt>BRAM 18K</dt>
        <dd>{formatCount(bram)}</dd>
        <dt>URAM</dt>
        <dd>{formatCount(uram)}</dd>
        <dt>SLRs</dt>
        <dd>{device.slrs}</dd>
        <dt>HBM</dt>
        <dd>
          <Num value={device.hbm_capacity_bytes} unit="B" reason="this card has no HBM" />
        </dd>
        <dt>HBM, sustained</dt>
        <dd>
          <Num value={device.hbm_sustained_bytes_per_s} unit="B/s" reason="this card has no HBM" />
        </dd>
        <dt>Highest clock</dt>
        <dd>
          <Num value={device.max_clock_mhz} unit="MHz" />
        </dd>
      </dl>
    </Panel>
  );
}
