/** What the colours of the points mean. */
import type { JSX } from "preact";
import { dark } from "../ui/theme";
import { viridisSteps } from "./colour";
import { type ColourScale, isFlat } from "./scatter";
import css from "./plots.module.css";

const STEPS = 24;

interface ColourLegendProps {
  readonly title: string;
  readonly scale: ColourScale;
  readonly format: (value: number) => string;
}

export function ColourLegend({ title, scale, format }: ColourLegendProps): JSX.Element {
  const colours = viridisSteps(STEPS, dark.value);
  if (isFlat(scale)) {
    return (
      <div class={css.legend} role="img" aria-label={`Colour: ${title}, ${format(scale.low)} throughout`}>
        <span>{title}</span>
        <svg width={10} height={10}>
          <rect width={10} height={10} fill={colours[STEPS / 2]} />
        </svg>
        <span class={css.legendEnd}>{format(scale.low)} throughout</span>
      </div>
    );
  }
  return (
    <div class={css.legend} role="img" aria-label={`Colour: ${title}, from ${format(scale.low)} to ${format(scale.high)}`}>
      <span>{title}</span>
      <span class={css.legendEnd}>{format(scale.low)}</span>
      <svg width={STEPS * 5} height={10}>
        {colours.map((colour, i) => (
          <rect key={i} x={i * 5} y={0} width={5.5} height={10} fill={colour} />
        ))}
      </svg>
      <span class={css.legendEnd}>{format(scale.high)}</span>
      {scale.log && <span class={css.legendEnd}>log</span>}
    </div>
  );
}
