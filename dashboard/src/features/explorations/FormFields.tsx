/** The fields of the form: label, hint, and the server's objections, tied together for those who hear the page. */
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";
import type { DeviceSummary, ModelSummary } from "../../domain/documents";
import css from "./explorations.module.css";

interface FieldProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly errors: readonly string[];
  readonly children: (id: string, describedBy: string | undefined, invalid: boolean) => ComponentChildren;
}

export function Field({ label, hint, errors, children }: FieldProps): JSX.Element {
  const id = useId();
  const described = [hint !== undefined && `${id}-hint`, errors.length > 0 && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class={css.field}>
      <label class={css.label} for={id}>
        {label}
      </label>
      {children(id, described === "" ? undefined : described, errors.length > 0)}
      {hint !== undefined && (
        <span id={`${id}-hint`} class={css.hint}>
          {hint}
        </span>
      )}
      <Errors id={`${id}-error`} messages={errors} />
    </div>
  );
}

export function Errors({ id, messages }: { readonly id?: string; readonly messages: readonly string[] }): JSX.Element | null {
  if (messages.length === 0) return null;
  return (
    <span id={id} class={css.error}>
      {messages.join(". ")}
    </span>
  );
}

interface PickerProps {
  readonly label: string;
  readonly field: "model" | "device";
  readonly value: string;
  readonly items: readonly (ModelSummary | DeviceSummary)[] | null;
  readonly errors: readonly string[];
  readonly onPick: (name: string) => void;
}

export function Picker({ label, field, value, items, errors, onPick }: PickerProps): JSX.Element {
  const missing = items !== null && !items.some((item) => item.name === value);
  return (
    <Field label={label} errors={errors}>
      {(id, described, invalid) => (
        <select
          id={id}
          class={css.input}
          value={value}
          disabled={items === null}
          aria-describedby={described}
          aria-invalid={invalid}
          onChange={(event) => onPick(event.currentTarget.value)}
        >
          {items === null && <option value={value}>Loading…</option>}
          {missing && <option value={value}>Choose a {field}</option>}
          {items?.map((item) => (
            <option key={item.name} value={item.name}>
              {item.title}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly value: string;
  readonly disabled?: boolean;
  readonly errors: readonly string[];
  readonly onType: (text: string) => void;
}

export function NumberField({ label, hint, value, disabled = false, errors, onType }: NumberFieldProps): JSX.Element {
  return (
    <Field label={label} hint={hint} errors={errors}>
      {(id, described, invalid) => (
        <input
          id={id}
          class={css.input}
          inputMode="numeric"
          autocomplete="off"
          value={value}
          disabled={disabled}
          aria-describedby={described}
          aria-invalid={invalid}
          onInput={(event) => onType(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}
