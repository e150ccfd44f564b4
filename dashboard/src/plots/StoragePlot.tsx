/** Bytes on each HBM channel against what a channel holds. */
import type { JSX } from "preact";
import { niceStep } from "../domain/scale";
import type { StageStorage } from "../domain/storage";
import { formatNumber, formatQuantity } from "../domain/units";
import { useWidth } from "../ui/basics";
import css from "./plots.module.css";

const HEIGHT = 132;
const MEGA = 1e6;

export function StoragePlot({ storage, label }: { readonly storage: StageStorage; readonly label: string }): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const plot = { left: 40, right: Math.max(80, width - 6), top: 8, bottom: HEIGHT - 30 };
  const { channels, capacityBytes } = storage;
  const highest = Math.max(capacityBytes, ...channels.map(({ bytes }) => bytes)) * 1.06;
  const slot = (plot.right - plot.left) / Math.max(1, channels.length);
  const y = (bytes: number): number => plot.bottom - (bytes / highest) * (plot.bottom - plot.top);
  const step = niceStep(highest / MEGA, 3);
  const every = channels.length > 40 ? 8 : channels.length > 16 ? 4 : 1;
  const fullest = channels.reduce((best, one) => (one.bytes > best.bytes ? one : best), channels[0]!);
  return (
    <div ref={box as { current: HTMLDivElement | null }} class={css.channels}>
      <svg width={width} height={HEIGHT} role="img" aria-label={`${label}: fullest channel ${fullest.channel}, ${formatQuantity(fullest.bytes, "B")} of ${formatQuantity(capacityBytes, "B")}`}>
        {Array.from({ length: Math.floor(highest / MEGA / step) + 1 }, (_, i) => i * step).map((tick) => (
          <g key={tick}>
            <line class={css.grid} x1={plot.left} x2={plot.right} y1={y(tick * MEGA)} y2={y(tick * MEGA)} />
            <text class={css.tick} x={plot.left - 6} y={y(tick * MEGA) + 3.5} text-anchor="end">
              {formatNumber(tick)}
            </text>
          </g>
        ))}
        {channels.map(({ channel, ports, bytes, parts }) => (
          <g key={channel} data-channel={channel} data-bytes={Math.round(bytes)}>
            <title>{`HBM[${channel}]: ${ports.length === 0 ? "no port" : parts.length === 0 ? `port ${ports.join(", ")}, no bytes counted` : parts.map((part) => `${part.role.replaceAll("_", " ")} ${formatQuantity(part.bytes, "B")}`).join(", ")}`}</title>
            <rect class={bytes > capacityBytes ? css.barOver : css.bar} x={plot.left + channel * slot + 1} y={y(bytes)} width={Math.max(1, slot - 2)} height={plot.bottom - y(bytes)} />
          </g>
        ))}
        <line class={css.limit} x1={plot.left} x2={plot.right} y1={y(capacityBytes)} y2={y(capacityBytes)} />
        <line class={css.axis} x1={plot.left} x2={plot.right} y1={plot.bottom} y2={plot.bottom} />
        {channels
          .filter(({ channel }) => channel % every === 0)
          .map(({ channel }) => (
            <text key={channel} class={css.tick} x={plot.left + (channel + 0.5) * slot} y={plot.bottom + 13} text-anchor="middle">
              {channel}
            </text>
          ))}
        <text class={css.axisTitle} x={(plot.left + plot.right) / 2} y={HEIGHT - 3} text-anchor="middle">
          HBM pseudo-channel
        </text>
        <text class={css.axisTitle} x={10} y={(plot.top + plot.bottom) / 2} text-anchor="middle" transform={`rotate(-90 10 ${(plot.top + plot.bottom) / 2})`}>
          MB
        </text>
      </svg>
    </div>
  );
}
