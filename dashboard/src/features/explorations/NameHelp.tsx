/** What the text fields take: metrics with their units, parameters with what they mean. */
import type { JSX } from "preact";
import { plainUnit } from "../../domain/bounds";
import { DECODE_PARAMETERS, PREFILL_PARAMETERS } from "../../domain/design";
import { REGISTRY } from "../../domain/registry";
import css from "./explorations.module.css";

export function MetricNames(): JSX.Element {
  return (
    <details class={css.names}>
      <summary>Names of the metrics</summary>
      <ul>
        {[...REGISTRY.metrics.values()].map((metric) => (
          <li key={metric.name} title={metric.definition}>
            <code>{metric.name}</code> {metric.title} ({plainUnit(metric)})
          </li>
        ))}
      </ul>
    </details>
  );
}

export function ParameterNames(): JSX.Element {
  return (
    <details class={css.names}>
      <summary>Names of the parameters</summary>
      <ul>
        {[["prefill", PREFILL_PARAMETERS] as const, ["decode", DECODE_PARAMETERS] as const].flatMap(([stage, parameters]) =>
          parameters.map(({ key, meaning }) => (
            <li key={`${stage}.${key}`}>
              <code>
                {stage}.{key}
              </code>{" "}
              {meaning}
            </li>
          )),
        )}
      </ul>
      <p>A value that is not legal here is refused with those that are.</p>
    </details>
  );
}
