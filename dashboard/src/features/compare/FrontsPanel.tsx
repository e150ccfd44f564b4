/** The fronts of the compared explorations on one pair of axes: which one reaches further, and where. */
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { frontColumns, type FrontView } from "../../domain/columns";
import { metricScale } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { formatCount } from "../../domain/units";
import { ticksOf } from "../../domain/scale";
import { ChartPanel } from "../../plots/ChartPanel";
import { frontsFigure } from "../../plots/fronts";
import { opposingPair } from "../../state/axes";
import { useWidth } from "../../ui/basics";
import css from "./compare.module.css";

const HEIGHT = 340;
const SIZE = 3.4;

interface FrontsPanelProps {
  readonly fronts: readonly { readonly title: string; readonly front: FrontView }[];
}

export function FrontsPanel({ fronts }: FrontsPanelProps): JSX.Element {
  const columns = useMemo(() => fronts.map(({ front }) => frontColumns(front)), [fronts]);
  const names = useMemo(() => [...columns[0]!.keys()].filter((name) => columns.every((one) => one.has(name))), [columns]);
  const pair = useMemo(() => {
    const shared = fronts[0]!.front.head.objectives.filter((name) => names.includes(name));
    return opposingPair(columns[0]!, shared, (name) => metricOf(name).sense) ?? [names[0]!, names[1] ?? names[0]!];
  }, [columns, names]);
  const [chosen, setChosen] = useState<{ readonly x?: string; readonly y?: string }>({});
  const [x, y] = [metricOf(chosen.x ?? pair[0]!), metricOf(chosen.y ?? pair[1]!)];
  const [box, width] = useWidth<HTMLDivElement>();
  const plot = { left: 62, right: Math.max(160, width - 12), top: 10, bottom: HEIGHT - 44 };
  const points = columns.map((one) => ({ x: one.get(x.name)!, y: one.get(y.name)! }));
  const figure = frontsFigure(points, x.sense, y.sense, plot);
  const [scaleX, scaleY] = [metricScale(x, points.flatMap((one) => [...one.x])), metricScale(y, points.flatMap((one) => [...one.y]))];
  const unit = (name: string): string => (name === "" ? "" : ` (${name})`);
  return (
    <ChartPanel
      title="Both fronts"
      file="fronts"
      note="every design of the fronts; the line joins what is best in the two metrics"
      tools={(["x", "y"] as const).map((axis) => (
        <label key={axis} class={css.pick}>
          {axis}
          <select aria-label={`${axis} axis`} value={axis === "x" ? x.name : y.name} onChange={(event) => setChosen({ ...chosen, [axis]: event.currentTarget.value })}>
            {names.map((name) => (
              <option key={name} value={name}>
                {metricOf(name).title}
              </option>
            ))}
          </select>
        </label>
      ))}
    >
      <div ref={box as { current: HTMLDivElement | null }}>
        <ul class={css.keys} aria-label="Marks of the chart">
          {fronts.map(({ title, front }, i) => (
            <li key={title + i}>
              <svg width={14} height={14} aria-hidden="true">
                <Mark which={i} x={7} y={7} />
              </svg>
              {title}: {formatCount(front.table.rows)} designs
            </li>
          ))}
        </ul>
        {figure === null ? (
          <p class={css.note}>No design has both of these metrics.</p>
        ) : (
          <svg width={width} height={HEIGHT} role="img" aria-label={`${y.title} against ${x.title} of ${fronts.map(({ title }) => title).join(" and ")}`}>
            {ticksOf(figure.x, 8, scaleX.factor).map((tick) => (
              <g key={`x${tick.value}`}>
                <line class={css.grid} x1={figure.x.toPixel(tick.value)} x2={figure.x.toPixel(tick.value)} y1={plot.top} y2={plot.bottom} />
                <text class={css.tick} x={figure.x.toPixel(tick.value)} y={plot.bottom + 15} text-anchor="middle">
                  {tick.label}
                </text>
              </g>
            ))}
            {ticksOf(figure.y, 6, scaleY.factor).map((tick) => (
              <g key={`y${tick.value}`}>
                <line class={css.grid} x1={plot.left} x2={plot.right} y1={figure.y.toPixel(tick.value)} y2={figure.y.toPixel(tick.value)} />
                <text class={css.tick} x={plot.left - 6} y={figure.y.toPixel(tick.value) + 3.5} text-anchor="end">
                  {tick.label}
                </text>
              </g>
            ))}
            {figure.fronts.map((front, i) => (
              <g key={i} data-front={i}>
                <path class={css.line} data-which={i} d={front.line} />
                {front.points.map(([px, py], k) => (
                  <Mark key={k} which={i} x={px} y={py} />
                ))}
              </g>
            ))}
            <path class={css.axis} d={`M${plot.left} ${plot.top}V${plot.bottom}H${plot.right}`} />
            <text class={css.axisTitle} x={(plot.left + plot.right) / 2} y={HEIGHT - 6} text-anchor="middle">
              {x.title}
              {unit(scaleX.unit)}
            </text>
            <text class={css.axisTitle} x={12} y={(plot.top + plot.bottom) / 2} text-anchor="middle" transform={`rotate(-90 12 ${(plot.top + plot.bottom) / 2})`}>
              {y.title}
              {unit(scaleY.unit)}
            </text>
          </svg>
        )}
      </div>
    </ChartPanel>
  );
}

/** Shape and colour tell the fronts apart. */
function Mark({ which, x, y }: { readonly which: number; readonly x: number; readonly y: number }): JSX.Element {
  return which === 0 ? (
    <circle class={css.mark} data-which={0} cx={x} cy={y} r={SIZE} />
  ) : (
    <path class={css.mark} data-which={1} d={`M${x} ${y - SIZE - 1}l${SIZE + 1} ${SIZE + 1}l${-SIZE - 1} ${SIZE + 1}l${-SIZE - 1} ${-SIZE - 1}z`} />
  );
}
