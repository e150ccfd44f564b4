import { expect, test } from "vitest";
import { jobPhases, jobSeconds } from "./jobs";

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
