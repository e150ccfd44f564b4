/** Calls of the jobs resource. */
import type { components } from "../client/schema";
import type { JobChange } from "../domain/jobs";
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
/** What is remembered comes at once: whoever hears nothing for so long has heard all that there is. */
const QUIET_MS = 3000;

/**
 * Calls `on` with each change of the state of a job from its beginning on until now; the returned function stops it before.
 * A change may be told twice.
 *
 * The stream is closed when all is told: a browser has six connections to a server for all its tabs and windows, and the
 * page of a job needs one for the log. Whoever sees the job in another state calls again.
 */
export function tellChanges(id: string, on: (change: JobChange) => void): () => void {
  let quiet = 0;
  const stop = (): void => {
    window.clearTimeout(quiet);
    stopStream();
  };
  const waitOn = (): void => {
    window.clearTimeout(quiet);
    quiet = window.setTimeout(stop, QUIET_MS);
  };
  const stopStream = whileVisible(() => {
    const source = new EventSource("/api/v1/events?since=0");
    source.addEventListener("open", waitOn);
    for (const state of STATES) {
      source.addEventListener(`job.${state}`, (message: MessageEvent<string>) => {
        const event = JSON.parse(message.data) as { job_id: string; at: string; data: { attempt: number } };
        if (event.job_id !== id) return;
        waitOn();
        on({ state, at: event.at, attempt: event.data.attempt });
      });
    }
    return source;
  });
  return stop;
}
