/** Parts of a whole side by side, labelled where there is room. */
import type { JSX } from "preact";
import { useWidth } from "../ui/basics";
import { fits, stackedSegments } from "./bars";
import css from "./plots.module.css";

export interface StackPart {
  readonly key: string;
  readonly value: number;
  readonly title: string;
  /** Shown as the title of the segment. */
  readonly detail: string;
  /** A CSS colour, as a variable of the theme. */
  readonly colour: string;
  /** Colour of text on it. */
  readonly ink: string;
}

interface StackedBarProps {
  readonly parts: readonly StackPart[];
  readonly label: string;
  readonly height?: number;
}

export function StackedBar({ parts, label, height = 24 }: StackedBarProps): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const byKey = new Map(parts.map((part) => [part.key, part]));
  const summary = parts.map((part) => `${part.title}: ${part.detail}`).join("; ");
  return (
    <div ref={box as { current: HTMLDivElement | null }} class={css.stack} style={{ height: `${height}px` }}>
      <svg width={width} height={height} role="img" aria-label={`${label}. ${summary}`}>
        {stackedSegments(parts, width).map((segment) => {
          const part = byKey.get(segment.key)!;
          return (
            <g key={segment.key}>
              <rect
                class={css.segment}
                x={segment.x}
                y={0}
                width={Math.max(0.5, segment.width - 1)}
                height={height}
                style={{ fill: part.colour }}
              >
                <title>{`${part.title}: ${part.detail}`}</title>
              </rect>
              {fits(part.title, segment.width) && (
                <text class={css.segmentLabel} x={segment.x + 6} y={height / 2 + 4} style={{ fill: part.ink }}>
                  {part.title}
                </text>
              )}
            </g>
          );
        })}
      </svg>
    </div>
  );
}
