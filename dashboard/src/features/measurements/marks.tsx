/** How a fidelity is drawn: a shape and an Okabe-Ito colour, so that either alone tells them apart. */
import type { JSX } from "preact";
import css from "./measurements.module.css";

const SHAPES: Readonly<Record<string, string>> = {
  timed_sim: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0",
  open_synthesis: "M-4.5 -4.5h9v9h-9z",
  csynth: "M0 -5.5l5 9h-10z",
  cosim: "M0 5.5l5 -9h-10z",
  post_route: "M0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
  board: "M-1.6 -5h3.2v3.4h3.4v3.2h-3.4v3.4h-3.2v-3.4h-3.4v-3.2h3.4z",
};

interface FidelityMarkProps {
  readonly fidelity: string;
  readonly x: number;
  readonly y: number;
  readonly title?: string;
}

export function FidelityMark({ fidelity, x, y, title }: FidelityMarkProps): JSX.Element {
  return (
    <path class={css.mark} data-fidelity={fidelity} transform={`translate(${x.toFixed(1)} ${y.toFixed(1)})`} d={SHAPES[fidelity] ?? SHAPES["timed_sim"]}>
      {title !== undefined && <title>{title}</title>}
    </path>
  );
}
