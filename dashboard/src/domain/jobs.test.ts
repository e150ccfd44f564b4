import { expect, test } from "vitest";
import { attemptPhases, jobSubject, logStages, jobPhases, jobSeconds } from "./jobs";

const at = (second: number): string => new Date(1_000_000 + second * 1000).toISOString();
const job = { state: "running", created_at: at(0), started_at: at(4), finished_at: null };

test("times go on until there is an end", () => {
  expect(jobSeconds(job, 1_000_000 + 10_000)).toEqual({ waited: 4, ran: 6 });
  expect(jobSeconds({ ...job, state: "failed", finished_at: at(5) }, 9e12)).toEqual({ waited: 4, ran: 1 });
  expect(jobSeconds({ ...job, started_at: null }, 1_000_000 + 3000)).toEqual({ waited: 3, ran: null });
});

test("a job that was cancelled in the queue stopped waiting then", () => {
  expect(jobSeconds({ state: "cancelled", created_at: at(0), started_at: null, finished_at: at(2) }, 9e12)).toEqual({ waited: 2, ran: null });
  expect(jobPhases({ state: "cancelled", created_at: at(0), started_at: null, finished_at: at(2) }, 9e12)).toHaveLength(1);
});

test("a lost worker is an attempt of its own", () => {
  const at = (second: number): string => new Date(1000 * second).toISOString();
  const change = (state: string, second: number, attempt: number) => ({ state, at: at(second), attempt });
  const changes = [change("queued", 0, 1), change("running", 2, 1), change("queued", 10, 2), change("running", 11, 2), change("cancelled", 20, 2)];
  expect(attemptPhases(changes, 99_000).map(({ title, seconds }) => [title, seconds])).toEqual([
    ["waiting for a worker", 2],
    ["attempt 1: its worker was lost", 8],
    ["waiting for another worker", 1],
    ["attempt 2: until it was cancelled", 9],
  ]);
  // One that was given back is the same attempt again, as the server counts.
  const back = [change("queued", 0, 1), change("running", 2, 1), change("queued", 10, 1), change("running", 11, 1)];
  expect(attemptPhases(back, 12_000).map(({ title }) => title)).toEqual(["waiting for a worker", "attempt 1: given back, its worker stopped", "waiting for another worker", "attempt 1: running"]);
  expect(attemptPhases(changes.slice(0, 2), 5000).at(-1)).toMatchObject({ title: "attempt 1: running", seconds: 3 });
});

test("what a job works on has a page", () => {
  expect(jobSubject("/api/v1/explorations/ab-1")).toEqual({ kind: "exploration", id: "ab-1" });
  expect(jobSubject("/api/v1/projects/x")).toEqual({ kind: "project", id: "x" });
  expect(jobSubject("/api/v1/projects/x/runs/y")).toEqual({ kind: "project", id: "x" });
  expect(jobSubject("/api/v1/projects/-/runs/y")).toBeNull(); // the project is deleted
  expect(jobSubject("/api/v1/keys/x")).toBeNull();
});

test("stages are what the run says that it does", () => {
  const line = (second: number, text: string) => ({ at: new Date(1000 * second).toISOString(), text });
  const lines = [line(1, "compiling a.cpp"), line(2, "compiling b.cpp"), line(7, "linking a"), line(8, "compiled 2 files"), line(9, "simulating a"), line(12, "csim: PASS")];
  expect(logStages(lines, 13_000).map(({ title, seconds }) => [title, seconds])).toEqual([
    ["compiling", 6],
    ["linking", 2],
    ["simulating", 4],
  ]);
  expect(logStages([line(1, "hello")], 2000)).toEqual([]);
});
