/** What the marks of the scatter mean. */
import type { ComponentChildren, JSX } from "preact";
import { fidelityTitle } from "../../domain/measured";
import { formatMetric, type MetricInfo } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { ColourLegend } from "../../plots/ColourLegend";
import type { ColourScale } from "../../plots/scatter";
import type { Ring } from "../../plots/scatterLayers";
import { type Axes, DENSITY } from "../../state/axes";
import css from "./exploration.module.css";

interface ExplorerLegendProps {
  readonly axes: Axes;
  readonly registry: ReadonlyMap<string, MetricInfo>;
  readonly colourScale: ColourScale | null;
  readonly compact: boolean;
  readonly hasReferences: boolean;
  readonly hasCloud: boolean;
  readonly hasKnees: boolean;
  readonly hasUndecided: boolean;
  readonly rings: readonly Ring[];
}

export function ExplorerLegend(props: ExplorerLegendProps): JSX.Element {
  const { axes, registry, colourScale, compact, rings } = props;
  const metric = axes.colour === "" || axes.colour === DENSITY ? null : metricOf(axes.colour, registry);
  const kinds = [...new Set(rings.map((ring) => ring.kind))];
  return (
    <div class={css.legendRow}>
      {metric !== null && colourScale !== null && <ColourLegend title={metric.title} scale={colourScale} format={(value) => formatMetric(metric, value)} />}
      {axes.colour === DENSITY && <ColourLegend title="Designs at one place" scale={{ low: 0, high: 1, log: false }} format={(value) => (value === 0 ? "one" : "most")} />}
      {!compact && (
        <>
          <Key text="best in these two metrics">
            <svg width={34} height={12} aria-hidden="true">
              <path d="M1 6H11M23 6H33" fill="none" stroke="currentColor" stroke-dasharray="3 2" />
              <circle cx={17} cy={6} r={4.5} fill="currentColor" />
            </svg>
          </Key>
          {props.hasCloud && (
            <Key text="infeasible: over a limit as estimated, error bands aside">
              <svg width={12} height={12} aria-hidden="true">
                <rect x={2} y={2} width={8} height={8} fill="var(--infeasible)" />
              </svg>
            </Key>
          )}
          {props.hasUndecided && (
            <Key text="fits as estimated, a limit within the error band">
              <svg width={12} height={12} aria-hidden="true">
                <circle cx={6} cy={6} r={3.4} fill="none" stroke="currentColor" stroke-width="2.2" />
              </svg>
            </Key>
          )}
          {props.hasKnees && (
            <Key text="knee: best trade-off">
              <svg width={12} height={12} aria-hidden="true">
                <path d="M6 10l-4.5 -8h9z" fill="var(--knee)" />
              </svg>
            </Key>
          )}
          {props.hasReferences && (
            <Key text="published design by the same models, or another system by its published rates; either may lie outside of the searched space">
              <svg width={12} height={12} aria-hidden="true">
                <path d="M6 1l5 5l-5 5l-5 -5z" fill="none" stroke="var(--limit)" stroke-width="1.6" />
              </svg>
            </Key>
          )}
          {kinds.map((kind) => (
            <Key key={kind} text={fidelityTitle(kind)}>
              <svg width={16} height={16} aria-hidden="true" class={css.ringKey} data-fidelity={kind}>
                <circle cx={8} cy={8} r={6} />
              </svg>
            </Key>
          ))}
        </>
      )}
    </div>
  );
}

function Key({ text, children }: { readonly text: string; readonly children: ComponentChildren }): JSX.Element {
  return (
    <span class={css.key}>
      {children}
      {text}
    </span>
  );
}
