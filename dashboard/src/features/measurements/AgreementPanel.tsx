/** Every value as modelled against as measured, on one pair of axes with y = x. */
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { signedPercent } from "../../domain/design";
import { fidelityTitle, formatPairValue, type Pair, pairScale, partTitle, residual } from "../../domain/measured";
import { formatCount } from "../../domain/units";
import { agreementFigure, BAND_SHARES } from "../../plots/agreement";
import { ChartPanel } from "../../plots/ChartPanel";
import { useWidth } from "../../ui/basics";
import { FidelityMark } from "./marks";
import css from "./measurements.module.css";

const HEIGHT = 380;

interface AgreementPanelProps {
  readonly pairs: readonly Pair[];
  readonly title: string;
  readonly after: boolean;
}

export function AgreementPanel({ pairs, title, after }: AgreementPanelProps): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  // Half of the longest label stands beyond the last tick.
  const plot = { left: 78, right: Math.max(160, width - 36), top: 10, bottom: HEIGHT - 46 };
  const clip = useId();
  const scale = pairScale(pairs);
  const figure = agreementFigure(pairs, plot, scale.factor);
  const unit = scale.unit === "" ? "" : ` (${scale.unit})`;
  const fidelities = [...new Set(pairs.map((pair) => pair.fidelity))];
  const within = (share: number): number => pairs.filter((pair) => Math.abs(residual(pair)) <= share).length;
  const words = BAND_SHARES.map((share) => `${formatCount(within(share))} of ${formatCount(pairs.length)} within ${share * 100} %`).reverse().join(", ");
  return (
    <ChartPanel title="Measured against model" file="model-against-measurement" note={`${title}; ${after ? "calibrated" : "as modelled"}; ${words}`}>
      <div ref={box as { current: HTMLDivElement | null }} class={css.column}>
        <ul class={css.keys} aria-label="Marks of the chart">
          {fidelities.map((fidelity) => (
            <li key={fidelity}>
              <svg width={14} height={14} aria-hidden="true">
                <FidelityMark fidelity={fidelity} x={7} y={7} />
              </svg>
              {fidelityTitle(fidelity)}
            </li>
          ))}
          <li>
            <svg width={22} height={14} aria-hidden="true">
              <rect class={css.band} data-share="0.1" x={0} y={2} width={22} height={10} />
              <path class={css.diagonal} d="M0 7H22" />
            </svg>
            equal, and within 10 % and 25 %
          </li>
        </ul>
        {figure !== null && (
          <svg width={width} height={HEIGHT} role="img" aria-label={`Measured against model, ${title}: ${words}`}>
            {figure.ticks.map((tick) => {
              const [x, y] = [figure.x.toPixel(tick.value), figure.y.toPixel(tick.value)];
              return (
                <g key={tick.value}>
                  <line class={css.grid} x1={x} x2={x} y1={plot.top} y2={plot.bottom} />
                  <line class={css.grid} x1={plot.left} x2={plot.right} y1={y} y2={y} />
                  {tick.label !== "" && (
                    <>
                      <text class={css.tick} x={x} y={plot.bottom + 15} text-anchor="middle">
                        {tick.label}
                      </text>
                      <text class={css.tick} x={plot.left - 6} y={y + 3.5} text-anchor="end">
                        {tick.label}
                      </text>
                    </>
                  )}
                </g>
              );
            })}
            <clipPath id={clip}>
              <rect x={plot.left} y={plot.top} width={plot.right - plot.left} height={plot.bottom - plot.top} />
            </clipPath>
            {figure.bands.map((band) => (
              <path key={band.share} clip-path={`url(#${clip})`} class={css.band} data-share={band.share} d={band.path} />
            ))}
            <path class={css.diagonal} d={figure.diagonal} />
            {pairs.map((pair, i) => (
              <FidelityMark key={i} fidelity={pair.fidelity} x={figure.points[i]![0]} y={figure.points[i]![1]} title={describe(pair)} />
            ))}
            <path class={css.axis} d={`M${plot.left} ${plot.top}V${plot.bottom}H${plot.right}`} />
            <text class={css.axisTitle} x={(plot.left + plot.right) / 2} y={HEIGHT - 8} text-anchor="middle">
              {after ? "calibrated model" : "model"}
              {unit}
            </text>
            <text class={css.axisTitle} x={12} y={(plot.top + plot.bottom) / 2} text-anchor="middle" transform={`rotate(-90 12 ${(plot.top + plot.bottom) / 2})`}>
              measured{unit}
            </text>
          </svg>
        )}
      </div>
    </ChartPanel>
  );
}

function describe(pair: Pair): string {
  return `${fidelityTitle(pair.fidelity)}, ${partTitle(pair)}, design ${pair.designKey.slice(0, 8)}: model ${formatPairValue(pair, pair.predicted)}, measured ${formatPairValue(pair, pair.measured)}, ${signedPercent(residual(pair))}; ${pair.source}`;
}
