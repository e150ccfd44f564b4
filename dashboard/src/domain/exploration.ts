/** What is said about an exploration in words and key figures. */
import type { Exploration, ExplorationSummary, SearchRecord, SpaceEstimate } from "./documents";
import { isFinished, type Live } from "./live";
import { formatMetric } from "./metrics";
import { changeText } from "./quality";
import { metricOf } from "./registry";
import { formatCount, formatDuration } from "./units";

export function explorationTitle(item: Pick<ExplorationSummary, "name" | "model" | "device">): string {
  return item.name !== "" ? item.name : `${item.model} on ${item.device}`;
}

/** Of what a chart is: model, card, workload and search. */
export function captionOf(one: Pick<Exploration, "name" | "model" | "device" | "workload" | "method" | "constraints" | "space">): string {
  const { prompt_tokens: prompt, output_tokens: output } = one.workload;
  const bounds = one.constraints.length === 0 ? "" : `, ${one.constraints.join(", ")}`;
  return `${one.name === "" ? "" : `${one.name}: `}${one.model} on ${one.device}, ${formatCount(prompt)} prompt → ${formatCount(output)} output tokens, ${METHOD_TITLES[one.method] ?? one.method}${bounds}${one.space === null ? "" : ", space changed"}`;
}

/** The best value of an objective where the designs are not at hand: a quality says where its source stands. */
export function bestText(name: string, value: number): string {
  return name === "quality" ? `${changeText(value)} (source and band: on its page)` : formatMetric(metricOf(name), value);
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
  yardstick: "solving the exact front of the space first, to measure this search against",
  decode: "pricing decode designs",
  prefill: "pricing prefill designs",
  floorplan: "checking the front on the SLRs",
  done: "pricing and storing the designs behind the front",
};

/** What a search does that runs, in words; `detail` says where that stands. */
export function phaseTitle(phase: string, detail: string | null = null): string {
  return `${PHASES[phase] ?? `pricing designs (${METHOD_TITLES[phase as Exploration["method"]] ?? phase})`}${detail === null ? "" : `: ${detail}`}`;
}

/** Share of the designs that are priced, of a search that prices; null where it does something else, or does not say. */
export function pricedShare(phase: string | null, evaluations: number | null, total: number | null): number | null {
  return phase === null || UNPRICED.has(phase) || evaluations === null || total === null || total === 0 ? null : Math.min(1, evaluations / total);
}

const UNPRICED = new Set(["yardstick", "floorplan", "done"]);

/** What the time of a search that was not started yet rests on. */
export function estimateBasis({ estimated_from: from, rate_from: ofRate, estimated_floorplan_seconds: floorplan }: Pick<SpaceEstimate, "estimated_from" | "rate_from" | "estimated_floorplan_seconds">): string {
  const last = from === 1 ? "the last search" : `the last ${formatCount(from)} searches`;
  const basis = from === 0 ? "guessed for a common machine, as no search has ended here yet" : ofRate === 0 ? `by the start of ${last} here and the rate of a common machine` : `by ${last} here`;
  return `Time ${basis}${floorplan > 0 ? `; ${formatDuration(floorplan)} of it for checking the front on the SLRs` : ""}.`;
}

/** What an exact search evaluates. */
export const STAGE_DESIGNS = "stage designs priced";

export interface SearchPhase {
  readonly title: string;
  readonly seconds: number;
}

/** What an exact search spent its time on; empty where its record does not say. */
export function searchPhases({ record, started_at: start, finished_at: end }: Pick<Exploration, "record" | "started_at" | "finished_at">): SearchPhase[] {
  if (record?.proof == null) return [];
  const { enumeration_s: enumeration, merge_s: merge } = record.proof;
  const floorplan = record.floorplan?.seconds ?? 0;
  const whole = start === null || end === null ? record.seconds : (Date.parse(end) - Date.parse(start)) / 1000;
  return [
    { title: "pricing every stage design", seconds: enumeration },
    { title: "merging the stages", seconds: merge },
    { title: "checking the front on the SLRs", seconds: floorplan },
    { title: "drawing, pricing and storing the designs behind the front", seconds: Math.max(0, whole - enumeration - merge - floorplan) },
  ].filter((phase) => phase.seconds > 0);
}

/** Designs priced a second: of an exact search while it priced, whatever it did afterwards. */
export function rateOf(record: SearchRecord): number {
  const { proof, evaluations } = record;
  return proof == null || proof.enumeration_s <= 0 ? record.designs_per_s : evaluations / proof.enumeration_s;
}

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
  /** Where the hypervolume is null: that of the front below its own worst values, which compares with no other front. */
  readonly ownHypervolume: number | null;
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

function known<T>(value: T | null | undefined, reason: string): Known<T> {
  return value === null || value === undefined ? { value: null, reason } : { value };
}

/** Why there is no hypervolume; a volume of 0, as older records have it, is none. */
export function noHypervolume(record: Pick<SearchRecord, "hypervolume" | "exact_hypervolume" | "missing">): string | null {
  if (record.hypervolume !== null && record.hypervolume > 0) return null;
  const told = record.missing?.["hypervolume"] ?? record.missing?.["hypervolume_ratio"];
  if (told !== undefined) return told;
  return record.exact_hypervolume === 0 ? "one design is the best in every objective: a front of one point spans no volume" : "no design of the front is better than the reference point in every objective";
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
      rate: known(rateOf(record), ""),
      legalDesigns: known(record.legal_designs, "this search did not count them"),
      differentDesigns: record.space_size,
      feasible: known(record.evaluations > 0 ? record.feasible_evaluations / record.evaluations : null, "nothing was evaluated"),
      frontSize: known(exploration.front_size, "not reported"),
      hypervolume: known(record.hypervolume || null, noHypervolume(record) ?? ""),
      hypervolumeRatio: record.exact ? null : record.hypervolume_ratio || null,
      ownHypervolume: record.own_hypervolume ?? null,
      seconds: known(record.seconds, ""),
      finished: true,
      isComplete: true,
      evaluationsAre: record.exact ? STAGE_DESIGNS : "designs priced",
      done: 1,
    };
  }
  const prices = progress !== null && !UNPRICED.has(progress.phase);
  const waiting = finished ? (exploration.cause === "infeasible" ? "no design meets the constraints" : "the search ended without a result") : state === "queued" ? "waiting for a worker" : "the search has just started";
  const total = progress?.total ?? null;
  return {
    phase: finished ? "" : progress === null ? (state === "queued" ? "waiting for a worker" : "starting") : phaseTitle(progress.phase, progress.detail ?? null),
    evaluations: known(progress?.evaluations, waiting),
    total: finished ? null : total,
    // Nothing was priced: that is no rate of 0.
    rate: known(finished ? null : progress?.designs_per_s || null, progress === null || finished ? waiting : "nothing is priced yet"),
    legalDesigns: known(progress?.legal_designs, finished ? waiting : "counted when the search begins"),
    differentDesigns: null,
    // What was last heard of a search that has ended is no result.
    feasible: known(finished ? null : progress?.feasible_fraction, waiting),
    frontSize: known(finished ? null : (progress?.front_size ?? progress?.front.length), waiting),
    hypervolume: known(finished ? null : progress?.hypervolume || null, progress === null || finished ? waiting : "no design is better than the reference point, the worst of the exact front, in every objective yet"),
    hypervolumeRatio: null,
    ownHypervolume: null,
    seconds: known(finished || !prices ? null : progress.eta_s, finished ? waiting : progress === null || progress.phase === "yardstick" ? "no estimate yet" : "all is priced; what is left has no estimate"),
    finished,
    isComplete: false,
    evaluationsAre: "",
    done: finished || progress === null ? null : pricedShare(progress.phase, progress.evaluations, total),
  };
}
