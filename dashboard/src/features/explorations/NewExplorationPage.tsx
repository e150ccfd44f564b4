/** The form that starts an exploration; the server judges it, and its messages stand beside the fields. */
import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../../api/client";
import { submitExploration } from "../../api/explorations";
import type { Method } from "../../domain/documents";
import { type Draft, draftProblems, type FieldName, FIELDS, toRequest } from "../../domain/draft";
import { type PlacedProblems, placeProblems } from "../../domain/problem";
import { REGISTRY } from "../../domain/registry";
import { devices, loadCatalog, models } from "../../state/catalog";
import { draft } from "../../state/draft";
import { refreshExplorations } from "../../state/explorations";
import { formatPage } from "../../state/route";
import { navigate } from "../../state/router";
import { Button, Failure, Panel } from "../../ui/basics";
import { DeviceFacts, ModelFacts } from "./CatalogFacts";
import { Errors, Field, NumberField, Picker } from "./FormFields";
import { METHODS } from "./methods";
import { MetricNames, ParameterNames } from "./NameHelp";
import { ObjectivePicker } from "./ObjectivePicker";
import { WorkloadPicker } from "./WorkloadPicker";
import { SpacePanel } from "./SpacePanel";
import { useValidation } from "./validation";
import css from "./explorations.module.css";

const NOTHING: PlacedProblems = { fields: {}, general: [] };

export function NewExplorationPage(): JSX.Element {
  const [problems, setProblems] = useState<PlacedProblems>(NOTHING);
  const [failure, setFailure] = useState<Error | null>(null);
  const [sending, setSending] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => void loadCatalog(), []);
  useEffect(() => {
    // After a refused submit; what the check marks while somebody types must not take the focus away.
    if (problems !== NOTHING) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [problems]);

  const value = draft.value;
  const checked = useValidation(value);
  const change = (part: Partial<Draft>): void => {
    draft.value = { ...draft.value, ...part };
    // What the submit was refused for may be mended now: the check that follows says so.
    setProblems(NOTHING);
    setFailure(null);
  };
  const catalogError = devices.state.value.error ?? models.state.value.error;
  const own = draftProblems(value);
  const of = (field: FieldName): readonly string[] => own[field] ?? problems.fields[field] ?? checked.problems.fields[field] ?? [];

  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    // The server judges the rest, all fields at once; lines that contradict each other it would never see.
    const { space } = draftProblems(draft.value);
    if (space !== undefined) {
      setProblems({ fields: { ...checked.problems.fields, space }, general: checked.problems.general });
      return;
    }
    setSending(true);
    setProblems(NOTHING);
    setFailure(null);
    try {
      const created = await submitExploration(toRequest(draft.value));
      change({ name: "" });
      void refreshExplorations();
      navigate(formatPage({ name: "exploration", id: created.id }));
    } catch (error) {
      if (error instanceof ApiError && error.problem.errors.length > 0) setProblems(placeProblems(error.problem, FIELDS));
      else setFailure(error instanceof Error ? error : new Error(String(error)));
      setSending(false);
    }
  };

  return (
    <>
      <h1>New exploration</h1>
      <div class={css.formGrid}>
        <form ref={form} class={css.form} aria-label="New exploration" noValidate onSubmit={(event) => void submit(event as unknown as SubmitEvent)}>
          <Panel title="What to build for">
            <div class={css.form}>
              <div class={css.row}>
                <Picker label="Model" field="model" value={value.model} items={models.state.value.data} errors={of("model")} onPick={(model) => change({ model })} />
                <Picker label="Device" field="device" value={value.device} items={devices.state.value.data} errors={of("device")} onPick={(device) => change({ device })} />
                <WorkloadPicker draft={value} change={change} />
                <NumberField label="Prompt tokens" value={value.promptTokens} errors={of("workload.prompt_tokens")} onType={(promptTokens) => change({ promptTokens })} />
                <NumberField label="Output tokens" value={value.outputTokens} errors={of("workload.output_tokens")} onType={(outputTokens) => change({ outputTokens })} />
              </div>
              {catalogError !== null && <Failure error={catalogError} retry={() => void loadCatalog()} />}
            </div>
          </Panel>

          <Panel title="What to search for" note={`1 to ${REGISTRY.maxObjectives} objectives; the front holds every trade-off between them`}>
            <ObjectivePicker value={value.objectives} errors={of("objectives")} onPick={(objectives) => change({ objectives })} />
          </Panel>

          <Panel title="How to search">
            <div class={css.form}>
              <Methods value={value.method} errors={of("method")} onPick={(method) => change({ method })} />
              <div class={css.three}>
                <NumberField
                  label="Budget"
                  hint={value.method === "exact" ? "not used by exact" : "evaluations"}
                  disabled={value.method === "exact"}
                  value={value.budget}
                  errors={of("budget")}
                  onType={(budget) => change({ budget })}
                />
                <NumberField label="Seed" hint="same seed, same result" value={value.seed} errors={of("seed")} onType={(seed) => change({ seed })} />
                <Field label="Name" hint="optional" errors={of("name")}>
                  {(id, described, invalid) => (
                    <input
                      id={id}
                      class={css.input}
                      value={value.name}
                      maxLength={200}
                      placeholder={`${value.model} on ${value.device}`}
                      aria-describedby={described}
                      aria-invalid={invalid}
                      autocomplete="off"
                      onInput={(event) => change({ name: event.currentTarget.value })}
                    />
                  )}
                </Field>
              </div>
              <Field label="Constraints" hint="optional: one bound of a metric a line, as tpot_s <= 4 ms" errors={of("constraints")}>
                {(id, described, invalid) => (
                  <textarea
                    id={id}
                    class={css.input}
                    rows={2}
                    value={value.constraints}
                    placeholder={"tpot_s <= 4 ms\nmax_utilization <= 70 %"}
                    aria-describedby={described}
                    aria-invalid={invalid}
                    spellcheck={false}
                    onInput={(event) => change({ constraints: event.currentTarget.value })}
                  />
                )}
              </Field>
              <MetricNames />
              <Field
                label="Narrow the space"
                hint="optional: one parameter a line, with the values to keep, as prefill.token_parallelism = 8, 16 or 8..32; also quant_schemes = w4a4kv8, w4a8kv8"
                errors={of("space")}
              >
                {(id, described, invalid) => (
                  <textarea
                    id={id}
                    class={css.input}
                    rows={3}
                    value={value.space}
                    placeholder={"prefill.token_parallelism = 8\ndecode.head_parallelism = 1, 2"}
                    aria-describedby={described}
                    aria-invalid={invalid}
                    spellcheck={false}
                    onInput={(event) => change({ space: event.currentTarget.value })}
                  />
                )}
              </Field>
              <ParameterNames />
            </div>
          </Panel>

          {[...new Set([...problems.general, ...checked.problems.general])].map((message) => (
            <p key={message} class={css.error} role="alert">
              {message}
            </p>
          ))}
          {failure !== null && <Failure error={failure} />}
          <div class={css.actions}>
            <Button primary type="submit" disabled={sending}>
              {sending ? "Starting…" : "Start exploration"}
            </Button>
            {Object.keys(problems.fields).length > 0 && (
              <span class={css.error} role="alert">
                This was refused: see the marked fields.
              </span>
            )}
          </div>
        </form>
        <div class={css.side}>
          <SpacePanel checked={checked} exact={value.method === "exact"} />
          <ModelFacts model={models.state.value.data?.find((item) => item.name === value.model)} />
          <DeviceFacts device={devices.state.value.data?.find((item) => item.name === value.device)} />
        </div>
      </div>
    </>
  );
}

interface MethodsProps {
  readonly value: Method;
  readonly errors: readonly string[];
  readonly onPick: (method: Method) => void;
}

function Methods({ value, errors, onPick }: MethodsProps): JSX.Element {
  const id = useId();
  return (
    <fieldset class={css.field}>
      <legend class={css.label}>Method</legend>
      <div class={css.methods}>
        {METHODS.map((method) => (
          <label key={method.name} class={css.method}>
            <input
              type="radio"
              name="method"
              aria-label={method.title}
              aria-describedby={`${id}-${method.name}`}
              checked={value === method.name}
              onChange={() => onPick(method.name)}
            />
            <span>{method.title}</span>
            <small id={`${id}-${method.name}`}>{method.text}</small>
          </label>
        ))}
      </div>
      <Errors messages={errors} />
    </fieldset>
  );
}
