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

export interface JobPhase {
  readonly title: string;
  readonly seconds: number;
  /** Name of a colour of the theme. */
  readonly colour: string;
}

export function jobPhases(job: JobTimes, now: number): JobPhase[] {
  const { waited, ran } = jobSeconds(job, now);
  const phases: JobPhase[] = [{ title: "waiting for a worker", seconds: waited, colour: "bound-fill" }];
  if (ran !== null) phases.push({ title: job.finished_at === null ? "running" : job.state, seconds: ran, colour: job.state === "failed" ? "slice-first" : "slice-prefill" });
  return phases;
}

/** Why a job still waits. */
export function waitText(job: JobTimes): string {
  return job.state === "queued" ? "no worker of its queue is free" : "from its submission to its start";
}
