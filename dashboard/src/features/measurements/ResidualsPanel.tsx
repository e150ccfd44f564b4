/** How far off the models are, by fidelity and by the version of the tool that measured. */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { signedPercent } from "../../domain/design";
import { fidelityTitle, type Pair, residualGroups } from "../../domain/measured";
import { formatCount } from "../../domain/units";
import { RESIDUAL_ROW, residualFigure } from "../../plots/agreement";
import { ChartPanel } from "../../plots/ChartPanel";
import { useWidth } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import { FidelityMark } from "./marks";
import css from "./measurements.module.css";

const LABELS = 216;
const LONGEST = 35;

function short(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

export function ResidualsPanel({ pairs, title }: { readonly pairs: readonly Pair[]; readonly title: string }): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const groups = useMemo(() => residualGroups(pairs), [pairs]);
  const figure = residualFigure(groups, LABELS, Math.max(LABELS + 120, width - 10));
  const bottom = groups.length * RESIDUAL_ROW;
  return (
    <ChartPanel title="Residuals" file="residuals" note={`${title}; model / measured − 1, by fidelity and tool`}>
      <div ref={box as { current: HTMLDivElement | null }} class={css.column}>
        <svg width={width} height={figure.height} role="img" aria-label={`Residuals: ${groups.map((group) => `${fidelityTitle(group.fidelity)} ${signedPercent(group.bias)} on average`).join("; ")}`}>
          {figure.ticks.map((tick) => (
            <g key={tick.value}>
              <line class={css.grid} x1={tick.x} x2={tick.x} y1={0} y2={bottom} />
              <text class={css.tick} x={tick.x} y={bottom + 15} text-anchor="middle">
                {signedPercent(tick.value)}
              </text>
            </g>
          ))}
          <line class={css.zero} x1={figure.zero} x2={figure.zero} y1={0} y2={bottom} />
          {figure.rows.map((row, i) => {
            const group = groups[i]!;
            return (
              <g key={i} data-group={`${group.fidelity} ${group.tool}`}>
                <title>{`${fidelityTitle(group.fidelity)}, ${group.tool}`}</title>
                <text class={css.rowLabel} x={0} y={row.y - 2}>
                  {fidelityTitle(group.fidelity)}
                </text>
                <text class={css.tick} x={0} y={row.y + 12}>
                  {short(group.tool)}
                </text>
                <line class={css.bias} x1={row.bias} x2={row.bias} y1={row.y - 12} y2={row.y + 12} />
                {row.dots.map((dot, k) => (
                  <FidelityMark key={k} fidelity={group.fidelity} x={dot.x} y={dot.y} />
                ))}
              </g>
            );
          })}
          <text class={css.axisTitle} x={width - 10} y={bottom + 32} text-anchor="end">
            model too high →
          </text>
          <text class={css.axisTitle} x={LABELS} y={bottom + 32}>
            ← model too low
          </text>
        </svg>
        <p class={css.note}>Each mark is a value, the thick line the mean of its row.</p>
        <DataTable label="Residuals" inset heads={["Fidelity, tool", ...numericHeads("Values", "Designs", "Mean", "Mean |error|", "Worst")]}>
          <tbody>
            {groups.map((group) => (
              <tr key={group.fidelity + group.tool}>
                <th scope="row">
                  {fidelityTitle(group.fidelity)}, {group.tool}
                </th>
                <NumericCell>{formatCount(group.residuals.length)}</NumericCell>
                <NumericCell>{formatCount(group.designs)}</NumericCell>
                <NumericCell>{signedPercent(group.bias)}</NumericCell>
                <NumericCell>{signedPercent(group.meanError).replace("+", "")}</NumericCell>
                <NumericCell>{signedPercent(group.worst)}</NumericCell>
              </tr>
            ))}
          </tbody>
        </DataTable>
      </div>
    </ChartPanel>
  );
}
