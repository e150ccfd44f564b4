/** Asks the server about a form as it stands, a moment after the last change: its objections, and what the form would do. */
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../../api/client";
import { validateExploration } from "../../api/explorations";
import type { SpaceEstimate } from "../../domain/documents";
import { type Draft, draftProblems, FIELDS, toRequest } from "../../domain/draft";
import { type PlacedProblems, placeProblems } from "../../domain/problem";

/** Long enough not to ask for every key. */
const PAUSE_MS = 300;

export interface Checked<T> {
  /** Of the form as it was last checked; null where it was refused or nobody answered. */
  readonly estimate: T | null;
  readonly problems: PlacedProblems;
  readonly checking: boolean;
}

export type Validation = Checked<SpaceEstimate>;

const NO_PROBLEMS: PlacedProblems = { fields: {}, general: [] };

/** `request` null: the page itself knows that it is wrong, and there is nothing to ask. */
export function useChecked<R, T>(request: R | null, ask: (request: R, signal: AbortSignal) => Promise<T>, fields: readonly string[]): Checked<T> {
  const key = request === null ? "" : JSON.stringify(request);
  const [found, setFound] = useState<Checked<T>>({ estimate: null, problems: NO_PROBLEMS, checking: true });
  useEffect(() => {
    if (request === null) {
      setFound({ estimate: null, problems: NO_PROBLEMS, checking: false });
      return undefined;
    }
    const asking = new AbortController();
    setFound((before) => ({ ...before, checking: true }));
    const timer = window.setTimeout(() => {
      ask(request, asking.signal).then(
        (estimate) => !asking.signal.aborted && setFound({ estimate, problems: NO_PROBLEMS, checking: false }),
        (error: unknown) => {
          if (asking.signal.aborted) return;
          // A server that is away is said in the top bar; the submit is the judge in any case.
          const problems = error instanceof ApiError ? placeProblems(error.problem, fields) : NO_PROBLEMS;
          setFound({ estimate: null, problems, checking: false });
        },
      );
    }, PAUSE_MS);
    return () => {
      window.clearTimeout(timer);
      asking.abort();
    };
  }, [key]);
  return found;
}

export function useValidation(draft: Draft): Validation {
  // Lines that contradict each other have no space that could be counted.
  const isWrong = draftProblems(draft).space !== undefined;
  return useChecked(isWrong ? null : toRequest({ ...draft, name: "" }), validateExploration, FIELDS);
}
