/** What is said about a job: its kind, how long it waited and ran, and the phases of its life. */

export interface JobTimes {
  readonly state: string;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly finished_at: string | null;
}

export const KIND_TITLES: Readonly<Record<string, string>> = {
  explore: "Exploration",
  generate: "Generate project",
  csim: "C simulation",
  simulate: "Timed simulation",
  synthesize: "Synthesis",
};

/** Seconds in the queue and at work so far; `now` in milliseconds stands for an end that has not come. */
export function jobSeconds(job: JobTimes, now: number): { readonly waited: number; readonly ran: number | null } {
  const created = Date.parse(job.created_at);
  const started = job.started_at === null ? null : Date.parse(job.started_at);
  const finished = job.finished_at === null ? null : Date.parse(job.finished_at);
  return {
    waited: Math.max(0, (started ?? finished ?? now) - created) / 1000,
    ran: started === null ? null : Math.max(0, (finished ?? now) - started) / 1000,
  };
}

/** What the job works on, as the page of this dashboard: `/api/v1/explorations/ID`, or `/api/v1/projects/ID` and what is below it; null where that is deleted. */
export function jobSubject(resource: string): { readonly kind: "exploration" | "project"; readonly id: string } | null {
  const match = /\/(exploration|project)s\/([^/]+)(?:\/|$)/.exec(resource);
  return match === null || match[2] === "-" ? null : { kind: match[1] as "exploration" | "project", id: decodeURIComponent(match[2]!) };
}

/** A change of the state of a job. */
export interface JobChange {
  readonly state: string;
  /** ISO 8601 */
  readonly at: string;
  /** As the server counts them: one that a worker gave back before its end counts not. */
  readonly attempt: number;
}

/** From the changes of its state: each wait and each attempt, with how it ended; `now` in milliseconds for what goes on. */
export function attemptPhases(changes: readonly JobChange[], now: number): JobPhase[] {
  return changes.flatMap(({ state, at, attempt }, i): JobPhase[] => {
    const next = changes[i + 1];
    if (state !== "queued" && state !== "running") return [];
    const seconds = Math.max(0, (next === undefined ? now : Date.parse(next.at)) - Date.parse(at)) / 1000;
    if (state === "queued") return [{ title: i === 0 ? "waiting for a worker" : "waiting for another worker", seconds, colour: "bound-fill" }];
    const end = next === undefined ? "running" : next.state === "queued" ? (next.attempt === attempt ? "given back, its worker stopped" : "its worker was lost") : `until it ${ENDS[next.state] ?? "ended"}`;
    return [{ title: `attempt ${attempt}: ${end}`, seconds, colour: next?.state === "failed" || next?.state === "queued" ? "slice-first" : "slice-prefill" }];
  });
}

/**
 * Stages of a tool run, from what it says that it does: "compiling src/decode.cpp", "linking decode", "simulating decode".
 * `end`: in milliseconds, of the last one.
 */
export function logStages(lines: readonly { readonly at: string; readonly text: string }[], end: number): JobPhase[] {
  const starts: { readonly title: string; readonly at: number }[] = [];
  for (const { at, text } of lines) {
    const title = /^([a-z]+ing)\s\S/.exec(text)?.[1];
    if (title !== undefined && starts.at(-1)?.title !== title) starts.push({ title, at: Date.parse(at) });
  }
  return starts.map(({ title, at }, i) => ({
    title,
    seconds: Math.max(0, (starts[i + 1]?.at ?? end) - at) / 1000,
    colour: STAGE_COLOURS[i % STAGE_COLOURS.length]!,
  }));
}

const STAGE_COLOURS = ["slice-prefill", "slice-decode", "slice-swap", "bound-serial"] as const;

export interface JobPhase {
  readonly title: string;
  readonly seconds: number;
  /** Name of a colour of the theme. */
  readonly colour: string;
}

const ENDS: Readonly<Record<string, string>> = { succeeded: "succeeded", failed: "failed", cancelled: "was cancelled" };

export function jobPhases(job: JobTimes, now: number): JobPhase[] {
  const { waited, ran } = jobSeconds(job, now);
  const phases: JobPhase[] = [{ title: "waiting for a worker", seconds: waited, colour: "bound-fill" }];
  if (ran !== null) phases.push({ title: job.finished_at === null ? "running" : `at work until it ${ENDS[job.state] ?? "ended"}`, seconds: ran, colour: job.state === "failed" ? "slice-first" : "slice-prefill" });
  return phases;
}

/** Why a job still waits. */
export function waitText(job: JobTimes): string {
  return job.state === "queued" ? "no worker of its queue is free" : "from its submission to its start";
}
