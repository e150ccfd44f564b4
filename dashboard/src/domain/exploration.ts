/** What is said about an exploration in words and key figures. */
import type { Exploration, ExplorationSummary } from "./documents";
import { isFinished, type Live } from "./live";

export function explorationTitle(item: Pick<ExplorationSummary, "name" | "model" | "device">): string {
  return item.name !== "" ? item.name : `${item.model} on ${item.device}`;
}

export const METHOD_TITLES: Readonly<Record<Exploration["method"], string>> = {
  exact: "exact",
  stagewise: "stage by stage",
  nsga2: "NSGA-II",
  nsga3: "NSGA-III",
  tpe: "TPE",
  gp: "Gaussian process",
  qmc: "quasi-random",
  random: "random",
};

const PHASES: Readonly<Record<string, string>> = {
  decode: "pricing decode designs",
  prefill: "pricing prefill designs",
};

/** A key figure that may not be known yet, with the reason. */
export interface Known<T> {
  readonly value: T | null;
  readonly reason?: string;
}

export interface KeyFigures {
  readonly phase: string;
  readonly evaluations: Known<number>;
  readonly total: number | null;
  readonly rate: Known<number>;
  readonly spaceSize: Known<number>;
  readonly feasible: Known<number>;
  readonly frontSize: Known<number>;
  readonly hypervolume: Known<number>;
  /** Share of the exact front's hypervolume: the distance from the optimum; null where it is not known or 1 by proof. */
  readonly hypervolumeRatio: number | null;
  /** Seconds left while it runs, seconds taken when it is done. */
  readonly seconds: Known<number>;
  readonly finished: boolean;
  /** 0..1, null when the end is not known. */
  readonly done: number | null;
}

function phaseTitle(phase: string | undefined): string | undefined {
  return phase === undefined ? undefined : (PHASES[phase] ?? phase);
}

function known<T>(value: T | null | undefined, reason: string): Known<T> {
  return value === null || value === undefined ? { value: null, reason } : { value };
}

export function keyFigures(exploration: Exploration, live: Live | null): KeyFigures {
  const state = live?.state ?? exploration.state;
  const finished = isFinished(state);
  const record = exploration.record ?? null;
  const progress = live?.progress ?? exploration.progress ?? null;
  if (record !== null) {
    return {
      phase: record.exact ? "exact front" : "",
      evaluations: known(record.evaluations, ""),
      total: null,
      rate: known(record.designs_per_s, ""),
      spaceSize: known(record.space_size, ""),
      feasible: known(record.evaluations > 0 ? record.feasible_evaluations / record.evaluations : null, "nothing was evaluated"),
      frontSize: known(exploration.front_size, "not reported"),
      hypervolume: known(record.hypervolume, record.missing?.["hypervolume"] ?? "the front has no hypervolume"),
      hypervolumeRatio: record.exact ? null : record.hypervolume_ratio,
      seconds: known(record.seconds, ""),
      finished: true,
      done: 1,
    };
  }
  const waiting = finished ? "the search ended without a result" : state === "queued" ? "waiting for a worker" : "the search has just started";
  const total = progress?.total ?? null;
  return {
    phase: finished ? "" : (phaseTitle(progress?.phase) ?? (state === "queued" ? "waiting for a worker" : "starting")),
    evaluations: known(progress?.evaluations, waiting),
    total,
    rate: known(finished ? null : progress?.designs_per_s, waiting),
    spaceSize: known(progress?.space_size, finished ? waiting : "counted when the search begins"),
    feasible: known(progress?.feasible_fraction, waiting),
    frontSize: known(progress?.front.length, waiting),
    hypervolume: known(progress?.hypervolume, progress === null ? waiting : "not computed while the search runs"),
    hypervolumeRatio: null,
    seconds: known(finished ? null : progress?.eta_s, finished ? waiting : "no estimate yet"),
    finished,
    done: finished ? null : progress !== null && total !== null && total > 0 ? Math.min(1, progress.evaluations / total) : null,
  };
}
