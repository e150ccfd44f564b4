/** Where the modules stand on the dice of the card; the server's solver is asked when the panel comes into view. */
import type { JSX } from "preact";
import { percent } from "../../domain/design";
import type { Bitstream } from "../../domain/documents";
import { formatCount } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { CHIP_HEIGHT, floorplanFigure } from "../../plots/floorplan";
import type { OpenExploration } from "../../state/exploration";
import { Badge, Failure, Missing, Skeleton, useWidth } from "../../ui/basics";
import { useSeen } from "../../ui/seen";
import css from "./figures.module.css";

const STATUS: Readonly<Record<Bitstream["status"], string>> = {
  placed: "placed",
  within_band: "fits within the band of the estimates",
  refused: "does not fit",
  unknown: "not decided in the solver's time",
};

export function FloorplanPanel({ opened, index }: { readonly opened: OpenExploration; readonly index: number }): JSX.Element {
  const [ref, seen] = useSeen<HTMLDivElement>();
  return (
    <ChartPanel title="SLR floorplan" file="floorplan" provenance="analytical" note="share of each SLR, shell included; below it what crosses to the next">
      <div ref={ref as { current: HTMLDivElement | null }}>{seen ? <Floorplan opened={opened} index={index} /> : <Skeleton label="Floorplan: waits until it is looked at" lines={8} />}</div>
    </ChartPanel>
  );
}

function Floorplan({ opened, index }: { readonly opened: OpenExploration; readonly index: number }): JSX.Element {
  const found = opened.floorplan(index);
  const { data, error } = found.state.value;
  if (data === null) return error === null ? <Skeleton label="Placing the modules" lines={8} /> : <Failure error={error} retry={() => void found.load()} />;
  if (data.floorplan === null) {
    return (
      <p class={css.note}>
        <Missing reason={data.missing ?? undefined} /> {data.missing ?? "The server made no floorplan."}
      </p>
    );
  }
  return (
    <div class={css.column}>
      <div class={css.two}>
        {data.floorplan.bitstreams.map((bitstream) => (
          <BitstreamPlan key={bitstream.stages.join()} bitstream={bitstream} />
        ))}
      </div>
      <details class={css.details}>
        <summary>How it is found ({data.floorplan.solver})</summary>
        <ul>
          {data.floorplan.assumptions.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      </details>
    </div>
  );
}

function BitstreamPlan({ bitstream }: { readonly bitstream: Bitstream }): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const title = bitstream.stages.map((stage) => (stage === "prefill" ? "Prefill" : "Decode")).join(" and ");
  const figure = floorplanFigure(bitstream, width);
  const [barLeft, barRight] = [figure.split + 42, width - 52];
  const summary = bitstream.regions.map((region) => `${region.slr} ${region.modules.length} units, CLB ${percent(region.clb_fraction)}`).join("; ");
  return (
    <div ref={box as { current: HTMLDivElement | null }} class={css.column}>
      <h3>
        {title} bitstream <Badge>{STATUS[bitstream.status]}</Badge> {bitstream.proven_optimal && <Badge title="no placement has fewer crossings">proven optimal</Badge>}
      </h3>
      <svg width={width} height={figure.height} role="img" aria-label={`SLR floorplan of ${title}: ${summary}`}>
        {figure.regions.map((region) => (
          <g key={region.slr} data-slr={region.slr}>
            <rect class={css.region} x={0.5} y={region.y + 0.5} width={Math.max(0, width - 1)} height={region.height - 1} rx={4} />
            <text class={css.blockTitle} x={8} y={region.y + 16}>
              {region.slr}
            </text>
            {region.chips.map((chip) => (
              <g key={chip.title}>
                <rect class={css.chip} x={chip.x} y={chip.y} width={chip.width} height={CHIP_HEIGHT} rx={3} />
                <text class={css.chipText} x={chip.x + 6} y={chip.y + 12.5}>
                  {chip.count > 1 ? `${chip.title} × ${chip.count}` : chip.title}
                </text>
              </g>
            ))}
            {region.meters.map((meter) => (
              <g key={meter.key}>
                <title>{`${region.slr} ${meter.title}: ${percent(meter.share)}`}</title>
                <text class={css.small} x={barLeft - 6} y={meter.y + 9} text-anchor="end">
                  {meter.title}
                </text>
                <rect class={css.track} x={barLeft} y={meter.y + 1} width={Math.max(0, barRight - barLeft)} height={9} />
                <rect class={meter.share > 1 ? css.over : css.fill} x={barLeft} y={meter.y + 1} width={Math.max(0, barRight - barLeft) * Math.min(1, meter.share)} height={9} />
                <text class={css.small} x={width - 8} y={meter.y + 9} text-anchor="end">
                  {percent(meter.share)}
                </text>
              </g>
            ))}
          </g>
        ))}
        {figure.boundaries.map((boundary) => (
          <g key={boundary.boundary}>
            <line class={css.crossing} x1={24} x2={24} y1={boundary.y - 13} y2={boundary.y + 13} />
            <text class={css.small} x={34} y={boundary.y + 4}>
              {formatCount(boundary.bits)} bit of streams, {formatCount(boundary.shellBits)} of the shell
              {boundary.availableBits === null ? "" : `, of ${formatCount(boundary.availableBits)} wires`}
              {boundary.share === null ? "" : ` (${percent(boundary.share)})`}
            </text>
          </g>
        ))}
      </svg>
      {bitstream.shortfalls.map((shortfall) => (
        <p key={`${shortfall.constraint}-${shortfall.where}`} class={css.danger}>
          {shortfall.message}
        </p>
      ))}
    </div>
  );
}
