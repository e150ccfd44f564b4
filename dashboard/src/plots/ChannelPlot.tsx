/** Traffic of each HBM channel against what the channel sustains. */
import type { JSX } from "preact";
import type { ChannelTraffic } from "../domain/documents";
import { formatNumber, formatQuantity } from "../domain/units";
import { useWidth } from "../ui/basics";
import { channelFigure } from "./bars";
import { niceStep } from "../domain/scale";
import css from "./plots.module.css";

interface ChannelPlotProps {
  readonly traffic: readonly ChannelTraffic[];
  readonly channels: number;
  /** Highest rate of all charts that are compared. */
  readonly highest?: number;
  readonly label: string;
}

const HEIGHT = 132;

export function ChannelPlot({ traffic, channels, highest: most = 0, label }: ChannelPlotProps): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const plot = { left: 40, right: Math.max(80, width - 6), top: 8, bottom: HEIGHT - 30 };
  const { bars, highest } = channelFigure(traffic, channels, plot, most);
  const step = niceStep(highest / 1e9, 3);
  const ticks = Array.from({ length: Math.floor(highest / 1e9 / step) + 1 }, (_, i) => i * step);
  const busiest = bars.reduce((best, bar) => (bar.fraction > (best?.fraction ?? -1) ? bar : best), bars[0]);
  const summary = busiest === undefined ? "no traffic" : `busiest channel ${busiest.channel}: ${formatQuantity(busiest.fraction, "1", "fraction")} of its limit`;
  const slots = Math.max(channels, ...traffic.map((entry) => entry.channel + 1), 1);
  const every = slots > 40 ? 8 : slots > 16 ? 4 : 1;
  return (
    <div ref={box as { current: HTMLDivElement | null }} class={css.channels}>
      <svg width={width} height={HEIGHT} role="img" aria-label={`${label}: ${summary}`}>
        {ticks.map((tick) => {
          const y = plot.bottom - ((tick * 1e9) / highest) * (plot.bottom - plot.top);
          return (
            <g key={tick}>
              <line class={css.grid} x1={plot.left} x2={plot.right} y1={y} y2={y} />
              <text class={css.tick} x={plot.left - 6} y={y + 3.5} text-anchor="end">
                {formatNumber(tick)}
              </text>
            </g>
          );
        })}
        {bars.map((bar) => (
          <g key={bar.channel}>
            <title>
              {`HBM[${bar.channel}]: ${formatQuantity(bar.bytesPerS, "B/s")} of ${formatQuantity(bar.limitBytesPerS, "B/s")} (${formatQuantity(bar.fraction, "1", "fraction")})`}
            </title>
            <rect class={bar.fraction > 1 ? css.barOver : css.bar} x={bar.x} y={bar.top} width={bar.width} height={bar.height} />
            <line class={css.limit} x1={bar.x - 1} x2={bar.x + bar.width + 1} y1={bar.limitY} y2={bar.limitY} />
          </g>
        ))}
        <line class={css.axis} x1={plot.left} x2={plot.right} y1={plot.bottom} y2={plot.bottom} />
        {Array.from({ length: slots }, (_, channel) => channel)
          .filter((channel) => channel % every === 0)
          .map((channel) => (
            <text key={channel} class={css.tick} x={plot.left + ((channel + 0.5) * (plot.right - plot.left)) / slots} y={plot.bottom + 13} text-anchor="middle">
              {channel}
            </text>
          ))}
        <text class={css.axisTitle} x={(plot.left + plot.right) / 2} y={HEIGHT - 3} text-anchor="middle">
          HBM pseudo-channel
        </text>
        <text class={css.axisTitle} x={10} y={(plot.top + plot.bottom) / 2} text-anchor="middle" transform={`rotate(-90 10 ${(plot.top + plot.bottom) / 2})`}>
          GB/s
        </text>
      </svg>
    </div>
  );
}
