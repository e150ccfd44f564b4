/** Common workloads by name; whoever has other numbers types them beside it. */
import type { JSX } from "preact";
import type { Draft } from "../../domain/draft";
import { formatCount } from "../../domain/units";
import { Field } from "./FormFields";
import css from "./explorations.module.css";

const WORKLOADS = [
  { title: "Chat turn", prompt: 128, output: 128 },
  { title: "Long answer", prompt: 128, output: 1024 },
  { title: "Balanced", prompt: 1024, output: 1024 },
  { title: "Summary", prompt: 4096, output: 256 },
  { title: "Long document", prompt: 16384, output: 512 },
] as const;

interface WorkloadPickerProps {
  readonly draft: Draft;
  readonly change: (part: Partial<Draft>) => void;
}

export function WorkloadPicker({ draft, change }: WorkloadPickerProps): JSX.Element {
  const known = WORKLOADS.findIndex(({ prompt, output }) => draft.promptTokens.trim() === String(prompt) && draft.outputTokens.trim() === String(output));
  return (
    <div class={css.wide}>
      <Field label="Workload" errors={[]}>
      {(id) => (
        <select
          id={id}
          class={css.input}
          value={String(known)}
          onChange={(event) => {
            const chosen = WORKLOADS[Number(event.currentTarget.value)];
            if (chosen !== undefined) change({ promptTokens: String(chosen.prompt), outputTokens: String(chosen.output) });
          }}
        >
          {known < 0 && <option value="-1">own numbers</option>}
          {WORKLOADS.map(({ title, prompt, output }, i) => (
            <option key={title} value={String(i)}>
              {title}: {formatCount(prompt)} → {formatCount(output)}
            </option>
          ))}
        </select>
      )}
      </Field>
    </div>
  );
}
