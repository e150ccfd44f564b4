/** Calls of the jobs resource. */
import type { components } from "../client/schema";
import type { JobChange } from "../domain/jobs";
import { isFinished } from "../domain/live";
import { answer, client } from "./client";
import { whileVisible } from "./stream";

type Schemas = components["schemas"];
export type Job = Schemas["Job"];
export type JobPage = Schemas["JobPage"];
export type JobState = Job["state"];
export type LogLine = Schemas["LogLine"];

export interface JobFilter {
  readonly state?: JobState;
  readonly cursor?: string;
}

export function listJobs(filter: JobFilter = {}): Promise<JobPage> {
  return answer(client.GET("/api/v1/jobs", { params: { query: { limit: 100, ...filter } } }));
}

export function getJob(id: string): Promise<Job> {
  return answer(client.GET("/api/v1/jobs/{job_id}", { params: { path: { job_id: id } } }));
}

export function cancelJob(id: string): Promise<Job> {
  return answer(client.POST("/api/v1/jobs/{job_id}:cancel", { params: { path: { job_id: id } } }));
}

export function retryJob(id: string): Promise<Job> {
  return answer(client.POST("/api/v1/jobs/{job_id}:retry", { params: { path: { job_id: id } } }));
}

/** Calls `on` with each line of the log, those that are there first, until the job ends or the returned function is called. Lines may be told twice. */
export function followLog(id: string, on: (lines: readonly LogLine[]) => void, onEnd: () => void): () => void {
  let waiting: LogLine[] = [];
  let frame = 0;
  const flush = (): void => {
    frame = 0;
    if (waiting.length > 0) on(waiting);
    waiting = [];
  };
  const stop = whileVisible(() => {
    const source = new EventSource(`/api/v1/jobs/${encodeURIComponent(id)}/log/events`);
    source.addEventListener("line", (message: MessageEvent<string>) => {
      waiting.push(JSON.parse(message.data) as LogLine);
      // A log of thousands of lines is one update, not thousands.
      if (frame === 0) frame = window.setTimeout(flush, 50);
    });
    source.addEventListener("done", () => {
      window.clearTimeout(frame);
      flush();
      stop();
      onEnd();
    });
    return source;
  });
  return () => {
    window.clearTimeout(frame);
    stop();
  };
}

const STATES = ["queued", "running", "succeeded", "failed", "cancelled"] as const;
/** What is remembered of a job that ended comes at once; what was forgotten never comes. */
const FORGOTTEN_MS = 5000;

/**
 * Calls `on` with each change of the state of a job from its beginning on, until it ends or the returned function is called.
 * A change may be told twice.
 *
 * `finishedAt`: of a job that has ended; the stream is closed as soon as it has told that.
 */
export function followChanges(id: string, finishedAt: string | null, on: (change: JobChange) => void): () => void {
  let forgotten = 0;
  const stopStream = whileVisible(() => {
    const source = new EventSource("/api/v1/events?since=0");
    for (const state of STATES) {
      source.addEventListener(`job.${state}`, (message: MessageEvent<string>) => {
        const event = JSON.parse(message.data) as { job_id: string; at: string };
        if (event.job_id !== id) return;
        on({ state, at: event.at });
        if (finishedAt !== null && isFinished(state) && Date.parse(event.at) >= Date.parse(finishedAt)) stop();
      });
    }
    return source;
  });
  const stop = (): void => {
    window.clearTimeout(forgotten);
    stopStream();
  };
  if (finishedAt !== null) forgotten = window.setTimeout(stop, FORGOTTEN_MS);
  return stop;
}
