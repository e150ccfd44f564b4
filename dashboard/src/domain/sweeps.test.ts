import { expect, test } from "vitest";
import { calendarWeeks, clockOf, zoneOf } from "./sweeps";

const TODAY = new Date("2026-11-22T12:00:00Z");

test("weeks begin on Monday and the last holds today", () => {
  const weeks = calendarWeeks(["2026-11-22T23:59:59Z", "2026-11-22T00:00:00+02:00", "2020-01-01T00:00:00Z"], TODAY, 2);
  expect(weeks.map((week) => [week[0]!.date, week[6]!.date])).toEqual([["2026-11-09", "2026-11-15"], ["2026-11-16", "2026-11-22"]]);
  expect(weeks[1]!.slice(5).map((day) => day.count)).toEqual([1, 1]);
});

test("the coming night is on the calendar, on the day on which it starts where it is", () => {
  const weeks = calendarWeeks([], TODAY, 1, [{ name: "a", startsAt: "2026-11-22T23:30:00-05:00" }, { name: "b", startsAt: "2026-11-24T01:00:00+02:00" }]);
  expect(weeks.map((week) => week[0]!.date)).toEqual(["2026-11-16", "2026-11-23"]);
  const coming = weeks.flat().filter((day) => day.coming.length > 0);
  expect(coming.map(({ date, coming: names }) => [date, names])).toEqual([["2026-11-22", ["a"]], ["2026-11-24", ["b"]]]);
});

test("times are read in the zone that they are written in", () => {
  expect([clockOf("2026-11-22T22:00:00+01:00"), zoneOf("2026-11-22T22:00:00+01:00"), zoneOf("2026-11-22T22:00:00Z")]).toEqual(["22:00", "UTC+01:00", "UTC"]);
});
