/** Asks the server about the form as it stands, a moment after the last change: its objections, and the size of the space. */
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../../api/client";
import { validateExploration } from "../../api/explorations";
import type { SpaceEstimate } from "../../domain/documents";
import { type Draft, draftProblems, FIELDS, toRequest } from "../../domain/draft";
import { type PlacedProblems, placeProblems } from "../../domain/problem";

/** Long enough not to ask for every key. */
const PAUSE_MS = 300;

export interface Validation {
  /** Of the form as it was last checked; null where it was refused or nobody answered. */
  readonly estimate: SpaceEstimate | null;
  readonly problems: PlacedProblems;
  readonly checking: boolean;
}

const NO_PROBLEMS: PlacedProblems = { fields: {}, general: [] };

export function useValidation(draft: Draft): Validation {
  const request = toRequest({ ...draft, name: "" });
  // Lines that contradict each other have no space that could be counted.
  const isWrong = draftProblems(draft).space !== undefined;
  const key = isWrong ? "" : JSON.stringify(request);
  const [found, setFound] = useState<Validation>({ estimate: null, problems: NO_PROBLEMS, checking: true });
  useEffect(() => {
    if (isWrong) {
      setFound({ estimate: null, problems: NO_PROBLEMS, checking: false });
      return undefined;
    }
    const asking = new AbortController();
    setFound((before) => ({ ...before, checking: true }));
    const timer = window.setTimeout(() => {
      validateExploration(request, asking.signal).then(
        (estimate) => !asking.signal.aborted && setFound({ estimate, problems: NO_PROBLEMS, checking: false }),
        (error: unknown) => {
          if (asking.signal.aborted) return;
          // A server that is away is said in the top bar; the submit is the judge in any case.
          const problems = error instanceof ApiError ? placeProblems(error.problem, FIELDS) : NO_PROBLEMS;
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
