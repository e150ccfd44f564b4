/** The form that submits a sweep; the server judges it, and its messages stand beside the fields. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../../api/client";
import { submitSweep, validateSweep } from "../../api/sweeps";
import { type PlacedProblems, placeProblems } from "../../domain/problem";
import { REGISTRY } from "../../domain/registry";
import { DAYS, SWEEP_FIELDS, type SweepDraft, type SweepField, sweepFile, sweepProblems } from "../../domain/sweepDraft";
import { devices, loadCatalog, models } from "../../state/catalog";
import { formatPage } from "../../state/route";
import { navigate } from "../../state/router";
import { sweepDraft } from "../../state/sweepDraft";
import { Button, Failure, Panel } from "../../ui/basics";
import { downloadJson } from "../../ui/download";
import { Field, NumberField } from "../explorations/FormFields";
import { METHODS } from "../explorations/methods";
import { ObjectivePicker } from "../explorations/ObjectivePicker";
import { useChecked } from "../explorations/validation";
import form from "../explorations/explorations.module.css";
import { ChoiceList } from "./ChoiceList";
import { SweepPreviewPanel } from "./SweepPreviewPanel";

const NOTHING: PlacedProblems = { fields: {}, general: [] };

export function NewSweepPage(): JSX.Element {
  const [refused, setRefused] = useState<PlacedProblems>(NOTHING);
  const [failure, setFailure] = useState<Error | null>(null);
  const [sending, setSending] = useState(false);
  const element = useRef<HTMLFormElement>(null);
  useEffect(() => {
    document.title = "New sweep · FlexDSE";
    void loadCatalog();
  }, []);
  useEffect(() => {
    if (refused !== NOTHING) element.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [refused]);

  const draft = sweepDraft.value;
  const own = sweepProblems(draft);
  const isWrong = Object.keys(own).length > 0;
  const checked = useChecked(isWrong ? null : sweepFile(draft), validateSweep, SWEEP_FIELDS);
  const change = (part: Partial<SweepDraft>): void => {
    sweepDraft.value = { ...sweepDraft.value, ...part };
    setRefused(NOTHING);
    setFailure(null);
  };
  const of = (field: SweepField): readonly string[] => own[field] ?? refused.fields[field] ?? checked.problems.fields[field] ?? [];

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const found = sweepProblems(sweepDraft.value);
    if (Object.keys(found).length > 0) {
      setRefused({ fields: found as PlacedProblems["fields"], general: [] });
      return;
    }
    setSending(true);
    setFailure(null);
    try {
      const made = await submitSweep(sweepFile(sweepDraft.value));
      navigate(formatPage({ name: "sweep", id: made.id }));
    } catch (error) {
      if (error instanceof ApiError && error.problem.errors.length > 0) setRefused(placeProblems(error.problem, SWEEP_FIELDS));
      else setFailure(error instanceof Error ? error : new Error(String(error)));
      setSending(false);
    }
  };
  const catalogError = devices.state.value.error ?? models.state.value.error;
  const isSampled = draft.methods.some((method) => method !== "exact");

  return (
    <>
      <h1>New sweep</h1>
      <div class={form.formGrid}>
        <form ref={element} class={form.form} aria-label="New sweep" noValidate onSubmit={(event) => void submit(event)}>
          <Panel title="What to explore" note="every combination is an exploration">
            <div class={form.form}>
              <ChoiceList legend="Models" items={models.state.value.data} chosen={draft.models} errors={of("grid.models")} onPick={(chosen) => change({ models: chosen })} />
              <ChoiceList legend="Devices" items={devices.state.value.data} chosen={draft.devices} errors={of("grid.devices")} onPick={(chosen) => change({ devices: chosen })} />
              {catalogError !== null && <Failure error={catalogError} retry={() => void loadCatalog()} />}
              <Lines label="Workloads" hint="prompt and output tokens, one workload a line" rows={3} value={draft.workloads} errors={of("grid.workloads")} onType={(workloads) => change({ workloads })} />
            </div>
          </Panel>
          <Panel title="What to search for" note={`1 to ${REGISTRY.maxObjectives} objectives, the same in all explorations`}>
            <ObjectivePicker value={draft.objectives} errors={of("grid.objectives")} onPick={(objectives) => change({ objectives })} />
          </Panel>
          <Panel title="How to search">
            <div class={form.form}>
              <ChoiceList legend="Methods" items={METHODS} chosen={draft.methods} errors={of("grid.methods")} onPick={(chosen) => change({ methods: chosen as SweepDraft["methods"] })} />
              <div class={form.three}>
                <NumberField label="Budget" hint={isSampled ? "evaluations of each exploration" : "not used by exact"} disabled={!isSampled} value={draft.evaluations} errors={of("budget.evaluations")} onType={(evaluations) => change({ evaluations })} />
                <NumberField label="Seeds" hint="separated by commas" value={draft.seeds} errors={of("grid.seeds")} onType={(seeds) => change({ seeds })} />
                <NumberField label="Seconds of an exploration" hint="optional: it fails beyond" value={draft.caseSeconds} errors={of("budget.case_s")} onType={(caseSeconds) => change({ caseSeconds })} />
              </div>
              <Lines label="Constraints" hint="optional: one bound of a metric a line, as tpot_s <= 4 ms" rows={2} value={draft.constraints} errors={of("grid.constraints")} onType={(constraints) => change({ constraints })} />
              <Lines label="Narrow the space" hint="optional: one parameter a line, as prefill.token_parallelism = 8, 16" rows={2} value={draft.space} errors={of("grid.space")} onType={(space) => change({ space })} />
            </div>
          </Panel>
          <Panel title="When">
            <div class={form.form}>
              <Window draft={draft} of={of} change={change} />
              <div class={form.three}>
                <NumberField label="Explorations at once" value={draft.concurrency} errors={of("concurrency")} onType={(concurrency) => change({ concurrency })} />
                <Field label="Name" errors={of("name")}>
                  {(id, described, invalid) => (
                    <input id={id} class={form.input} value={draft.name} maxLength={100} aria-describedby={described} aria-invalid={invalid} autocomplete="off" onInput={(event) => change({ name: event.currentTarget.value })} />
                  )}
                </Field>
              </div>
            </div>
          </Panel>
          {[...new Set([...refused.general, ...checked.problems.general])].map((message) => (
            <p key={message} class={form.error} role="alert">
              {message}
            </p>
          ))}
          {failure !== null && <Failure error={failure} />}
          <div class={form.actions}>
            <Button primary type="submit" disabled={sending}>
              {sending ? "Submitting…" : "Submit sweep"}
            </Button>
            <Button disabled={isWrong} onClick={() => downloadJson("sweep.json", sweepFile(draft))}>
              Download as a sweep file
            </Button>
            {Object.keys(refused.fields).length > 0 && (
              <span class={form.error} role="alert">
                This was refused: see the marked fields.
              </span>
            )}
          </div>
        </form>
        <div class={form.side}>
          <SweepPreviewPanel checked={checked} concurrency={Number(draft.concurrency)} />
        </div>
      </div>
    </>
  );
}

interface LinesProps {
  readonly label: string;
  readonly hint: string;
  readonly rows: number;
  readonly value: string;
  readonly errors: readonly string[];
  readonly onType: (text: string) => void;
}

function Lines({ label, hint, rows, value, errors, onType }: LinesProps): JSX.Element {
  return (
    <Field label={label} hint={hint} errors={errors}>
      {(id, described, invalid) => <textarea id={id} class={form.input} rows={rows} value={value} aria-describedby={described} aria-invalid={invalid} spellcheck={false} onInput={(event) => onType(event.currentTarget.value)} />}
    </Field>
  );
}

const DAY_TITLES = { mon: "Monday", tue: "Tuesday", wed: "Wednesday", thu: "Thursday", fri: "Friday", sat: "Saturday", sun: "Sunday" } as const;

interface WindowProps {
  readonly draft: SweepDraft;
  readonly of: (field: SweepField) => readonly string[];
  readonly change: (part: Partial<SweepDraft>) => void;
}

/** The nights in which explorations may start. */
function Window({ draft, of, change }: WindowProps): JSX.Element {
  const text = (label: string, field: SweepField, value: string, set: (text: string) => void, hint?: string): JSX.Element => (
    <Field label={label} hint={hint} errors={of(field)}>
      {(id, described, invalid) => <input id={id} class={form.input} value={value} aria-describedby={described} aria-invalid={invalid} autocomplete="off" onInput={(event) => set(event.currentTarget.value)} />}
    </Field>
  );
  return (
    <>
      <label class={form.check}>
        <input type="checkbox" checked={draft.hasWindow} onChange={(event) => change({ hasWindow: event.currentTarget.checked })} />
        <span>
          Only at night <small>what has started when the night ends is finished, the rest waits for the next one</small>
        </span>
      </label>
      {draft.hasWindow && (
        <>
          <div class={form.three}>
            {text("From", "window.start", draft.start, (start) => change({ start }), "as 22:00")}
            {text("To", "window.end", draft.end, (end) => change({ end }), "as 06:00; of the next morning where it is earlier")}
            {text("Time zone", "window.time_zone", draft.timeZone, (timeZone) => change({ timeZone }), "as Europe/Zurich or UTC")}
          </div>
          <ChoiceList
            legend="Nights that start on"
            items={DAYS.map((name) => ({ name, title: DAY_TITLES[name] }))}
            chosen={draft.days}
            errors={of("window.days")}
            onPick={(chosen) => change({ days: DAYS.filter((day) => chosen.includes(day)) })}
          />
          <NumberField label="Seconds of a night" hint="optional: nothing starts beyond" value={draft.nightSeconds} errors={of("budget.night_s")} onType={(nightSeconds) => change({ nightSeconds })} />
        </>
      )}
    </>
  );
}
