/** What would it take? A target in, the nearest designs that meet it out. */
import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { explainDesign } from "../../api/designs";
import { plainBound, plainUnit } from "../../domain/bounds";
import { type Candidate, knobTitle, type Target } from "../../domain/explanation";
import { formatMetric } from "../../domain/metrics";
import { metricOf, REGISTRY } from "../../domain/registry";
import { leavesOut, type SpaceOverrides } from "../../domain/space";
import { formatNumber } from "../../domain/units";
import type { OpenExploration } from "../../state/exploration";
import { Button, Failure, Panel, ProvenanceBadge, Skeleton } from "../../ui/basics";
import { downloadJson } from "../../ui/download";
import css from "./figures.module.css";

interface TargetPanelProps {
  readonly opened: OpenExploration;
  readonly index: number;
  readonly objectives: readonly string[];
}

export function TargetPanel({ opened, index, objectives }: TargetPanelProps): JSX.Element {
  const names = useId();
  const [text, setText] = useState("");
  const [state, setState] = useState<{ readonly target: Target | null; readonly error: Error | null; readonly busy: boolean }>({ target: null, error: null, busy: false });
  const ask = async (): Promise<void> => {
    setState({ target: null, error: null, busy: true });
    try {
      const { target } = await explainDesign(await opened.designCase(index), objectives, plainBound(text));
      setState({ target, error: null, busy: false });
    } catch (caught) {
      setState({ target: null, error: caught instanceof Error ? caught : new Error(String(caught)), busy: false });
    }
  };
  return (
    <Panel title="What would it take" note="the feasible designs that meet a target and change the fewest parameters" tools={<ProvenanceBadge provenance="analytical" />}>
      <form
        class={css.ask}
        aria-label="What would it take"
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <label>
          Target
          <input value={text} list={names} placeholder="tpot_s <= 4 ms" maxLength={200} required onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <Button type="submit" disabled={state.busy || text.trim() === ""}>
          {state.busy ? "Searching…" : "Search"}
        </Button>
        <datalist id={names}>
          {[...REGISTRY.metrics.values()].map((metric) => (
            <option key={metric.name} value={`${metric.name} ${metric.sense === "min" ? "<=" : ">="} `}>
              {metric.title} ({plainUnit(metric)})
            </option>
          ))}
        </datalist>
      </form>
      <div aria-live="polite">
        {state.busy && <Skeleton label="Searching the neighbourhood, which takes seconds" lines={3} />}
        {state.error !== null && <Failure error={state.error} />}
        {state.target !== null && <Answer target={state.target} objectives={objectives} space={opened.detail.state.value.data?.space ?? null} />}
      </div>
    </Panel>
  );
}

interface AnswerProps {
  readonly target: Target;
  readonly objectives: readonly string[];
  /** Of the exploration; null for the whole default space. */
  readonly space: SpaceOverrides | null;
}

function Answer({ target, objectives, space }: AnswerProps): JSX.Element {
  // A target on one metric has its unit; one on an expression has none that is known here.
  const name = /^\s*(\w+)\s*[<>]=/.exec(target.target)?.[1] ?? "";
  const show = (value: number): string => (REGISTRY.metrics.has(name) ? formatMetric(metricOf(name), value) : formatNumber(value));
  const now = target.now === null ? "not known" : show(target.now);
  const best = target.designs.length === 0 && target.bestPossible !== null ? `Nothing in the default space reaches it; its best is ${show(target.bestPossible)}.` : null;
  return (
    <div class={css.column} data-met={target.met}>
      <p>
        <code>{target.target}</code>: now {now}. {best ?? (target.reason === null ? "" : sentence(target.reason))}
      </p>
      {space !== null && <p class={css.note}>Looked for in the whole default space, not only in the narrower or wider one of this exploration.</p>}
      {target.designs.length > 0 && (
        <ol class={css.candidates} aria-label="Nearest designs">
          {target.designs.map((candidate, i) => (
            <Nearest key={i} candidate={candidate} rank={i + 1} objectives={objectives} space={space} />
          ))}
        </ol>
      )}
    </div>
  );
}

function sentence(text: string): string {
  const trimmed = text.trim().replace(/\.$/, "");
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}.`;
}

function Nearest({ candidate, rank, objectives, space }: Omit<AnswerProps, "target"> & { readonly candidate: Candidate; readonly rank: number }): JSX.Element {
  const shown = objectives.filter((name) => candidate.metrics[name] != null);
  return (
    <li>
      <ul class={css.keys}>
        {candidate.changes.map((change) => (
          <li key={change.knob}>
            {knobTitle(change.knob)}{" "}
            <strong>
              {change.from} → {change.to}
            </strong>
            {leavesOut(space, change.knob, change.to) && " (left out of this exploration)"}
          </li>
        ))}
      </ul>
      <p class={css.note}>{shown.map((name) => `${metricOf(name).title} ${formatMetric(metricOf(name), candidate.metrics[name])}`).join("; ")}</p>
      <Button onClick={() => downloadJson(`design-nearest-${rank}.json`, candidate.design)}>Download design JSON</Button>
    </li>
  );
}
