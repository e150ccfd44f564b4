/** Where the time of an exact search went, from the start of its job to the end. */
import type { JSX } from "preact";
import { percent } from "../../domain/design";
import type { Exploration } from "../../domain/documents";
import { searchPhases } from "../../domain/exploration";
import { formatDuration } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { StackedBar } from "../../plots/StackedBar";
import css from "./exploration.module.css";

const COLOURS = ["prefill", "swap", "first", "decode"] as const;

export function SearchTimePanel({ exploration }: { readonly exploration: Exploration }): JSX.Element | null {
  const phases = searchPhases(exploration);
  if (phases.length === 0) return null;
  const total = phases.reduce((sum, phase) => sum + phase.seconds, 0);
  const colour = (i: number): string => `--slice-${COLOURS[i % COLOURS.length]!}`;
  return (
    <ChartPanel title="Time of the search" file="search-time" note={`${formatDuration(total)} from start to end, without the wait`}>
      <StackedBar
        label="Time of the search"
        parts={phases.map(({ title, seconds }, i) => ({ key: title, value: seconds, title, detail: `${formatDuration(seconds)} (${percent(seconds / total)})`, colour: `var(${colour(i)})`, ink: `var(${colour(i)}-ink)` }))}
      />
      <ul class={css.phases}>
        {phases.map(({ title, seconds }, i) => (
          <li key={title}>
            <span class={css.swatch} style={{ background: `var(${colour(i)})` }} aria-hidden="true" />
            {title} <strong>{formatDuration(seconds)}</strong>
          </li>
        ))}
      </ul>
    </ChartPanel>
  );
}
