/** Which metrics are on the axes, in the colour and in the size of the points; all of it is in the address. */
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import type { MetricInfo } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { type Axes, DENSITY } from "../../state/axes";
import { setView } from "../../state/router";
import { classes } from "../../ui/basics";
import css from "./exploration.module.css";

interface AxisControlsProps {
  readonly axes: Axes;
  readonly names: readonly string[];
  readonly registry: ReadonlyMap<string, MetricInfo>;
  readonly compact: boolean;
  readonly hasCloud: boolean;
}

export function AxisControls({ axes, names, registry, compact, hasCloud }: AxisControlsProps): JSX.Element {
  const options = names.map((name) => (
    <option key={name} value={name}>
      {metricOf(name, registry).title}
    </option>
  ));
  return (
    <div class={classes(css.axes, compact && css.compact)} role="group" aria-label="Axes">
      {(["x", "y"] as const).map((axis) => (
        <AxisControl key={axis} axis={axis} metric={axes[axis]} kind={axis === "x" ? axes.xKind : axes.yKind} compact={compact}>
          {options}
        </AxisControl>
      ))}
      {!compact && (
        <>
          <Choice label="colour" title="Colour" value={axes.colour} onPick={(colour) => setView({ colour })}>
            <option value="">none</option>
            {hasCloud && <option value={DENSITY}>Density of designs</option>}
            {options}
          </Choice>
          <Choice label="size" title="Size" value={axes.size} onPick={(size) => setView({ size: size === "" ? null : size })}>
            <option value="">none</option>
            {options}
          </Choice>
        </>
      )}
    </div>
  );
}

interface AxisControlProps {
  readonly axis: "x" | "y";
  readonly metric: string;
  readonly kind: "log" | "linear";
  readonly compact: boolean;
  readonly children: JSX.Element[];
}

function AxisControl({ axis, metric, kind, compact, children }: AxisControlProps): JSX.Element {
  const other = kind === "log" ? "linear" : "log";
  return (
    <span class={css.axis}>
      <Choice label={axis} title={`${axis} axis`} value={metric} onPick={(value) => setView(axis === "x" ? { x: value, xKind: null } : { y: value, yKind: null })}>
        {children}
      </Choice>
      {!compact && (
        <button
          type="button"
          class={css.toggle}
          aria-pressed={kind === "log"}
          aria-label={`log scale, ${axis} axis`}
          onClick={() => setView(axis === "x" ? { xKind: other } : { yKind: other })}
        >
          log
        </button>
      )}
    </span>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly title: string;
  readonly value: string;
  readonly onPick: (value: string) => void;
  readonly children: JSX.Element | (JSX.Element | false | JSX.Element[])[];
}

function Choice({ label, title, value, onPick, children }: ChoiceProps): JSX.Element {
  const id = useId();
  return (
    <span class={css.axis}>
      <label for={id}>{label}</label>
      <select id={id} aria-label={title} class={css.select} value={value} onChange={(event) => onPick(event.currentTarget.value)}>
        {children}
      </select>
    </span>
  );
}
