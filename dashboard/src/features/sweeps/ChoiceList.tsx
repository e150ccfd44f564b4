/** Several of a list, in its order. */
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { Errors } from "../explorations/FormFields";
import form from "../explorations/explorations.module.css";
import css from "./sweeps.module.css";

interface ChoiceListProps {
  readonly legend: string;
  /** Null while they are loaded. */
  readonly items: readonly { readonly name: string; readonly title: string }[] | null;
  readonly chosen: readonly string[];
  readonly errors: readonly string[];
  readonly onPick: (chosen: readonly string[]) => void;
}

export function ChoiceList({ legend, items, chosen, errors, onPick }: ChoiceListProps): JSX.Element {
  const id = useId();
  const toggle = (name: string, on: boolean): void => {
    const wanted = new Set(on ? [...chosen, name] : chosen.filter((other) => other !== name));
    onPick((items ?? []).map((item) => item.name).filter((other) => wanted.has(other)));
  };
  return (
    <fieldset class={form.field} aria-invalid={errors.length > 0} aria-describedby={errors.length > 0 ? id : undefined}>
      <legend class={form.label}>{legend}</legend>
      <div class={css.choices}>
        {items === null && <span class={form.hint}>Loading…</span>}
        {items?.map((item) => (
          <label key={item.name} class={form.check}>
            <input type="checkbox" checked={chosen.includes(item.name)} onChange={(event) => toggle(item.name, event.currentTarget.checked)} />
            <span>{item.title}</span>
          </label>
        ))}
      </div>
      <Errors id={id} messages={errors} />
    </fieldset>
  );
}
