/** Which metrics a search trades against each other. */
import type { JSX } from "preact";
import { betterText } from "../../domain/metrics";
import { REGISTRY } from "../../domain/registry";
import { Errors } from "./FormFields";
import css from "./explorations.module.css";

interface ObjectivePickerProps {
  readonly value: readonly string[];
  readonly errors: readonly string[];
  readonly onPick: (objectives: readonly string[]) => void;
}

export function ObjectivePicker({ value, errors, onPick }: ObjectivePickerProps): JSX.Element {
  const choices = [...REGISTRY.metrics.values()].filter((metric) => !REGISTRY.notModelled.includes(metric.name));
  const toggle = (name: string, on: boolean): void => {
    // The order of the registry, so that the same choice always makes the same request.
    const chosen = new Set(on ? [...value, name] : value.filter((other) => other !== name));
    onPick(choices.map((metric) => metric.name).filter((other) => chosen.has(other)));
  };
  return (
    <fieldset class={css.field} aria-invalid={errors.length > 0}>
      <legend class="visually-hidden">Objectives</legend>
      <div class={css.checks}>
        {choices.map((metric) => (
          <label key={metric.name} class={css.check} title={metric.definition}>
            <input type="checkbox" checked={value.includes(metric.name)} onChange={(event) => toggle(metric.name, event.currentTarget.checked)} />
            <span>
              {metric.title}{" "}
              <small>
                {metric.unit === "1" ? "" : `${metric.unit}, `}
                {betterText(metric)}
              </small>
            </span>
          </label>
        ))}
      </div>
      <Errors messages={errors} />
    </fieldset>
  );
}
