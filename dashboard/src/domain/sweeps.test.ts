import { expect, test } from "vitest";
import { calendarWeeks } from "./sweeps";

test("weeks begin on Monday and the last holds today", () => {
  const weeks = calendarWeeks(["2026-11-22T23:59:59Z", "2026-11-22T00:00:00+02:00", "2020-01-01T00:00:00Z"], new Date("2026-11-22T12:00:00Z"), 2);
  expect(weeks.map((week) => [week[0]!.date, week[6]!.date])).toEqual([["2026-11-09", "2026-11-15"], ["2026-11-16", "2026-11-22"]]);
  expect(weeks[1]!.slice(5).map((day) => day.count)).toEqual([1, 1]);
});
