/** A line without axes: how a number grew. */
import type { JSX } from "preact";
import { sparklinePath } from "./bars";
import css from "./plots.module.css";

interface SparklineProps {
  readonly points: readonly { readonly x: number; readonly y: number }[];
  readonly label: string;
  readonly width?: number;
  readonly height?: number;
}

export function Sparkline({ points, label, width = 84, height = 22 }: SparklineProps): JSX.Element | null {
  const path = sparklinePath(points, width, height);
  if (path === null) return null;
  return (
    <svg class={css.sparkline} width={width} height={height} role="img" aria-label={label}>
      <path d={path} />
    </svg>
  );
}
