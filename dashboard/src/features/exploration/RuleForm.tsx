/** A range of any metric or parameter by typing: what a drag along an axis does, for those who have no mouse. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { FrontView } from "../../domain/columns";
import { DECODE_PARAMETERS, PREFILL_PARAMETERS } from "../../domain/design";
import { type MetricInfo, metricScale } from "../../domain/metrics";
import { withRange } from "../../domain/selection";
import { formatNumber } from "../../domain/units";
import { route, setView } from "../../state/router";
import { Button } from "../../ui/basics";
import css from "./exploration.module.css";

interface Choice {
  readonly column: string;
  readonly title: string;
  readonly unit: string;
  /** From the unit of the table to the one that is typed. */
  readonly factor: number;
  readonly low: number;
  readonly high: number;
}

export function RuleForm({ front }: { readonly front: FrontView }): JSX.Element | null {
  const choices = choicesOf(front);
  const [column, setColumn] = useState("");
  const [ends, setEnds] = useState<readonly [string, string]>(["", ""]);
  const chosen = choices.find((choice) => choice.column === column) ?? choices[0];
  if (chosen === undefined) return null;
  const typed = (text: string, otherwise: number): number => (text.trim() === "" ? otherwise : Number(text) / chosen.factor);
  const range = [typed(ends[0], chosen.low), typed(ends[1], chosen.high)] as const;
  const isWrong = range.some(Number.isNaN);
  const unit = chosen.unit === "" ? "" : ` in ${chosen.unit}`;
  return (
    <form
      class={css.ruleForm}
      aria-label="Select a range"
      onSubmit={(event) => {
        event.preventDefault();
        if (isWrong) return;
        setView({ selection: withRange(route.value.view.selection, chosen.column, range) });
        setEnds(["", ""]);
      }}
    >
      <select
        class={css.select}
        aria-label="Metric or parameter"
        value={chosen.column}
        onChange={(event) => {
          setColumn(event.currentTarget.value);
          setEnds(["", ""]);
        }}
      >
        {choices.map((choice) => (
          <option key={choice.column} value={choice.column}>
            {choice.title}
            {choice.unit === "" ? "" : ` (${choice.unit})`}
          </option>
        ))}
      </select>
      {([0, 1] as const).map((end) => (
        <label key={end}>
          {end === 0 ? "from" : "to"}{" "}
          <input
            class={css.endField}
            inputMode="decimal"
            autocomplete="off"
            aria-label={`${chosen.title}, ${end === 0 ? "from" : "to"}${unit}`}
            aria-invalid={Number.isNaN(range[end])}
            placeholder={formatNumber((end === 0 ? chosen.low : chosen.high) * chosen.factor)}
            value={ends[end]}
            onInput={(event) => setEnds(end === 0 ? [event.currentTarget.value, ends[1]] : [ends[0], event.currentTarget.value])}
          />
        </label>
      ))}
      <Button type="submit" disabled={isWrong}>
        Select
      </Button>
    </form>
  );
}

function choicesOf({ head, table }: FrontView): Choice[] {
  const choice = (column: string, title: string, metric: MetricInfo | null): Choice[] => {
    const values = Array.from(table.numbers(column) ?? []).filter((value) => !Number.isNaN(value));
    if (values.length === 0) return [];
    const { unit, factor } = metric === null ? { unit: "", factor: 1 } : metricScale(metric, values);
    return [{ column, title, unit, factor, low: values.reduce((a, b) => Math.min(a, b)), high: values.reduce((a, b) => Math.max(a, b)) }];
  };
  return [
    ...head.metrics.flatMap((metric) => choice(metric.name, metric.title, metric)),
    ...PREFILL_PARAMETERS.flatMap(({ key, title }) => choice(`prefill.${key}`, `prefill ${title}`, null)),
    ...DECODE_PARAMETERS.flatMap(({ key, title }) => choice(`decode.${key}`, `decode ${title}`, null)),
  ];
}
