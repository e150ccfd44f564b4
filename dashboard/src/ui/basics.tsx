/** Small parts that every page is made of. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError, ConnectionError } from "../api/client";
import type { ExplorationState, Provenance } from "../domain/documents";
import { explain } from "../domain/problem";
import { type Kind, MISSING, quantity } from "../domain/units";
import css from "./ui.module.css";

export function classes(...names: (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(" ");
}

interface PanelProps {
  readonly title: string;
  readonly note?: ComponentChildren;
  readonly tools?: ComponentChildren;
  readonly flush?: boolean;
  readonly class?: string;
  readonly children: ComponentChildren;
}

export function Panel({ title, note, tools, flush = false, class: extra, children }: PanelProps): JSX.Element {
  const id = useId();
  return (
    <section class={classes(css.panel, extra)} aria-labelledby={id}>
      <header class={css.panelHead}>
        <h2 id={id}>{title}</h2>
        {note !== undefined && <span class={css.panelNote}>{note}</span>}
        {tools !== undefined && <div class={css.panelTools}>{tools}</div>}
      </header>
      <div class={flush ? undefined : css.panelBody}>{children}</div>
    </section>
  );
}

type ButtonProps = { readonly primary?: boolean } & JSX.IntrinsicElements["button"];

export function Button({ primary = false, type = "button", class: extra, ...rest }: ButtonProps): JSX.Element {
  return <button type={type} class={classes(css.button, primary && css.primary, extra as string | undefined)} {...rest} />;
}

export const buttonClass = css.button ?? "";

const STATE_TITLES: Readonly<Record<ExplorationState, string>> = {
  queued: "Queued",
  running: "Running",
  succeeded: "Succeeded",
  failed: "Failed",
  cancelled: "Cancelled",
};

export function stateTitle(state: ExplorationState): string {
  return STATE_TITLES[state] ?? state;
}

export function StateDot({ state }: { readonly state: ExplorationState }): JSX.Element {
  return <span class={css.dot} data-state={state} aria-hidden="true" />;
}

export function StateLabel({ state }: { readonly state: ExplorationState }): JSX.Element {
  return (
    <span class={css.state}>
      <StateDot state={state} />
      {stateTitle(state)}
    </span>
  );
}

const PROVENANCE_MEANINGS: Readonly<Record<Provenance, string>> = {
  analytical: "computed by the analytical cost models",
  timed_sim: "from the timed simulation of the generated project",
  csynth: "from the high-level synthesis report",
  cosim: "from the C/RTL co-simulation",
  post_route: "from the report after place and route",
  board: "measured on the card",
};

export function ProvenanceBadge({ provenance }: { readonly provenance: Provenance }): JSX.Element {
  return (
    <span class={css.badge} data-tone={provenance} title={PROVENANCE_MEANINGS[provenance] ?? provenance}>
      {provenance.replace("_", " ")}
    </span>
  );
}

export function Badge({ children, title }: { readonly children: ComponentChildren; readonly title?: string | undefined }): JSX.Element {
  return (
    <span class={css.badge} title={title}>
      {children}
    </span>
  );
}

interface NumberProps {
  readonly value: number | null | undefined;
  readonly unit: string;
  readonly kind?: Kind;
  /** Why the value is missing. */
  readonly reason?: string | undefined;
}

/** A number with its unit; a missing one is a dash that says why. */
export function Num({ value, unit, kind, reason }: NumberProps): JSX.Element {
  if (value === null || value === undefined) return <Missing reason={reason} />;
  const shown = quantity(value, unit, kind);
  return (
    <span class={css.number}>
      {shown.text}
      {shown.unit !== "" && <span class={css.unit}>{shown.unit}</span>}
    </span>
  );
}

export function Missing({ reason }: { readonly reason?: string | undefined }): JSX.Element {
  const text = reason ?? "not reported";
  return (
    <span class={css.missing} title={text}>
      <span aria-hidden="true">{MISSING}</span>
      <span class="visually-hidden">missing: {text}</span>
    </span>
  );
}

interface BlankProps {
  readonly title: string;
  /** Nothing else stands on the page. */
  readonly isPage?: boolean;
  readonly children?: ComponentChildren;
}

export function Blank({ title, isPage = false, children }: BlankProps): JSX.Element {
  return (
    <div class={css.blank}>
      {isPage ? <h1>{title}</h1> : <h2>{title}</h2>}
      {children}
    </div>
  );
}

export function Skeleton({ label, lines = 4 }: { readonly label: string; readonly lines?: number }): JSX.Element {
  return (
    <div class={css.skeleton} role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} style={{ width: `${90 - ((i * 23) % 45)}%` }} />
      ))}
    </div>
  );
}

interface FailureProps {
  readonly error: Error;
  readonly retry?: (() => void) | undefined;
}

/** What went wrong, the rule and the way out, and a button to try again. */
export function Failure({ error, retry }: FailureProps): JSX.Element {
  const problem = error instanceof ApiError ? error.problem : null;
  return (
    <div class={css.failure} role="alert">
      <p>
        <strong>{problem?.title ?? (error instanceof ConnectionError ? "No connection" : "This page failed")}</strong> {problem?.detail ?? error.message}
      </p>
      {problem !== null && problem.errors.length > 0 && (
        <ul>
          {problem.errors.map((entry, i) => (
            <li key={i}>{explain(entry, problem.detail)}</li>
          ))}
        </ul>
      )}
      {retry !== undefined && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

export function Command({ text }: { readonly text: string }): JSX.Element {
  return (
    <div class={css.command}>
      <code>
        {text.split(" ").map((word, i) => (
          <span key={i}>{`${i > 0 ? " " : ""}${word}`}</span>
        ))}
      </code>
      <CopyButton text={text} label={`Copy: ${text.split(" ").slice(0, 2).join(" ")}`} />
    </div>
  );
}

export function CopyButton({ text, label }: { readonly text: string; readonly label: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = window.setTimeout(() => setCopied(false), 1500);
    return () => window.clearTimeout(timer);
  }, [copied]);
  return (
    <button type="button" class={css.copy} aria-label={label} onClick={() => void copyText(text).then(setCopied)}>
      {copied ? "copied" : "copy"}
    </button>
  );
}

/** The clipboard of a page that came over plain HTTP from another machine is closed: then the old way. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Width of an element, kept up to date. */
export function useWidth<T extends HTMLElement>(): [{ readonly current: T | null }, number] {
  const ref = useRef<T>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    observer.observe(element);
    setWidth(Math.floor(element.clientWidth));
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}
