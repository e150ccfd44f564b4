/** The decisions behind the design, prefill and decode side by side. */
import type { JSX } from "preact";
import type { DesignPoint, Stage } from "../../domain/documents";
import { DECODE_PARAMETERS, type Parameter, parameterValue, PREFILL_PARAMETERS } from "../../domain/design";
import { formatCount } from "../../domain/units";
import { Missing, Num, Panel } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import css from "./design.module.css";

export function ParametersPanel({ design }: { readonly design: DesignPoint }): JSX.Element {
  const scheme = design.quant_scheme;
  return (
    <Panel
      title="Parameters"
      note={`${design.deployment.replaceAll("_", " ")} · ${scheme.name}: weights ${scheme.weight_bits} bit, activations ${scheme.activation_bits} bit, KV cache ${scheme.kv_bits} bit, attention ${scheme.attention_bits} bit · non-linear ${design.nonlinear_format}`}
    >
      <div class={css.inner}>
        <StageParameters design={design} stage="prefill" title="Prefill: five systolic arrays" parameters={PREFILL_PARAMETERS} />
        <StageParameters design={design} stage="decode" title="Decode: one block-parallel GEMV engine" parameters={DECODE_PARAMETERS} />
      </div>
    </Panel>
  );
}

interface StageParametersProps {
  readonly design: DesignPoint;
  readonly stage: Stage;
  readonly title: string;
  readonly parameters: readonly Parameter[];
}

function StageParameters({ design, stage, title, parameters }: StageParametersProps): JSX.Element {
  const ports = design.memory_map.ports.filter((port) => port.stage === stage);
  const channels = new Set(ports.map((port) => `${port.memory}${port.channel}`));
  return (
    <div class={css.stage}>
      <h3>{title}</h3>
      <dl class={css.facts}>
        {parameters.map((parameter) => {
          const value = parameterValue(design, stage, parameter.key);
          return [
            <dt key={`${parameter.key}-name`} title={parameter.meaning}>
              {parameter.title}
            </dt>,
            <dd key={parameter.key}>{value === null ? <Missing /> : formatCount(value)}</dd>,
          ];
        })}
        <dt>clock target</dt>
        <dd>
          <Num value={design.clock_target_mhz[stage]} unit="MHz" />
        </dd>
      </dl>
      <details class={css.ports}>
        <summary>
          Memory map: {ports.length} ports on {channels.size} channels
        </summary>
        <DataTable label={`Memory map of ${stage}`} inset heads={["Port", "Carries", "Channel", ...numericHeads("Width")]}>
          <tbody>
            {ports.map((port) => (
              <tr key={port.name}>
                <th scope="row">{port.name}</th>
                <td>{port.roles.join(", ").replaceAll("_", " ")}</td>
                <td>
                  {port.memory.toUpperCase()}[{port.channel}]
                </td>
                <NumericCell>
                  <Num value={port.width_bits} unit="bit" />
                </NumericCell>
              </tr>
            ))}
          </tbody>
        </DataTable>
      </details>
    </div>
  );
}
