/** What is said about an exploration in words and key figures. */
import type { Exploration, ExplorationSummary, SearchRecord } from "./documents";
import { isFinished, type Live } from "./live";
import { formatCount } from "./units";

export function explorationTitle(item: Pick<ExplorationSummary, "name" | "model" | "device">): string {
  return item.name !== "" ? item.name : `${item.model} on ${item.device}`;
}

/** Of what a chart is: model, card, workload and search. */
export function captionOf(one: Pick<Exploration, "name" | "model" | "device" | "workload" | "method" | "constraints" | "space">): string {
  const { prompt_tokens: prompt, output_tokens: output } = one.workload;
  const bounds = one.constraints.length === 0 ? "" : `, ${one.constraints.join(", ")}`;
  return `${one.name === "" ? "" : `${one.name}: `}${one.model} on ${one.device}, ${formatCount(prompt)} prompt → ${formatCount(output)} output tokens, ${METHOD_TITLES[one.method] ?? one.method}${bounds}${one.space === null ? "" : ", space changed"}`;
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
  /** Legal designs of the space, before, during and after the search. */
  readonly legalDesigns: Known<number>;
  /** Of these, pairs whose stages differ in cost; null until the search has counted them. */
  readonly differentDesigns: number | null;
  readonly feasible: Known<number>;
  readonly frontSize: Known<number>;
  readonly hypervolume: Known<number>;
  /** Share of the exact front's hypervolume: the distance from the optimum; null where it is not known or 1 by proof. */
  readonly hypervolumeRatio: number | null;
  /** Seconds left while it runs, seconds taken when it is done. */
  readonly seconds: Known<number>;
  readonly finished: boolean;
  /** It ended with a result. */
  readonly isComplete: boolean;
  /** What the evaluations are designs of. */
  readonly evaluationsAre: string;
  /** 0..1, null when the end is not known. */
  readonly done: number | null;
}

function phaseTitle(phase: string | undefined): string | undefined {
  return phase === undefined ? undefined : (PHASES[phase] ?? phase);
}

function known<T>(value: T | null | undefined, reason: string): Known<T> {
  return value === null || value === undefined ? { value: null, reason } : { value };
}

/** Whether the exact front reaches from one point to another in every objective: else every volume is 0 and says nothing. */
export function spansVolume(record: Pick<SearchRecord, "exact_hypervolume">): boolean {
  return record.exact_hypervolume === null || record.exact_hypervolume > 0;
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
      legalDesigns: known(record.legal_designs, "this search did not count them"),
      differentDesigns: record.space_size,
      feasible: known(record.evaluations > 0 ? record.feasible_evaluations / record.evaluations : null, "nothing was evaluated"),
      frontSize: known(exploration.front_size, "not reported"),
      hypervolume: spansVolume(record)
        ? known(record.hypervolume, record.missing?.["hypervolume"] ?? "the front has no hypervolume")
        : { value: null, reason: record.missing?.["hypervolume_ratio"] ?? "one design is the best in every objective: a front of one point spans no volume" },
      hypervolumeRatio: record.exact ? null : record.hypervolume_ratio,
      seconds: known(record.seconds, ""),
      finished: true,
      isComplete: true,
      evaluationsAre: record.exact ? "stage designs priced" : "designs priced",
      done: 1,
    };
  }
  const waiting = finished ? (exploration.cause === "infeasible" ? "no design meets the constraints" : "the search ended without a result") : state === "queued" ? "waiting for a worker" : "the search has just started";
  const total = progress?.total ?? null;
  return {
    phase: finished ? "" : (phaseTitle(progress?.phase) ?? (state === "queued" ? "waiting for a worker" : "starting")),
    evaluations: known(progress?.evaluations, waiting),
    total: finished ? null : total,
    rate: known(finished ? null : progress?.designs_per_s, waiting),
    legalDesigns: known(progress?.legal_designs, finished ? waiting : "counted when the search begins"),
    differentDesigns: null,
    // What was last heard of a search that has ended is no result.
    feasible: known(finished ? null : progress?.feasible_fraction, waiting),
    frontSize: known(finished ? null : (progress?.front_size ?? progress?.front.length), waiting),
    hypervolume: known(finished ? null : progress?.hypervolume, progress === null || finished ? waiting : "not computed while the search runs"),
    hypervolumeRatio: null,
    seconds: known(finished ? null : progress?.eta_s, finished ? waiting : "no estimate yet"),
    finished,
    isComplete: false,
    evaluationsAre: "",
    done: finished ? null : progress !== null && total !== null && total > 0 ? Math.min(1, progress.evaluations / total) : null,
  };
}
