/** Days on a calendar, whole weeks from Monday to Sunday: what began on each, and what waits for its night. */

export interface CalendarDay {
  /** YYYY-MM-DD */
  readonly date: string;
  /** Sweeps that began on it. */
  readonly count: number;
  /** Names of the sweeps whose explorations may start on it next. */
  readonly coming: readonly string[];
}

export interface ComingNight {
  readonly name: string;
  readonly startsAt: string;
}

const DAY_MS = 86_400_000;

/**
 * The last `weeks` weeks, that of `today` last, and those up to the last coming night.
 *
 * Days of what began are those of UTC; a night belongs to the day on which it starts in its own time zone, which its text has.
 */
export function calendarWeeks(starts: readonly string[], today: Date, weeks: number, nights: readonly ComingNight[] = []): CalendarDay[][] {
  const counts = new Map<string, number>();
  for (const start of starts) {
    const date = new Date(start).toISOString().slice(0, 10);
    counts.set(date, (counts.get(date) ?? 0) + 1);
  }
  const coming = new Map<string, string[]>();
  for (const { name, startsAt } of nights) {
    const date = startsAt.slice(0, 10);
    coming.set(date, [...(coming.get(date) ?? []), name]);
  }
  const midnight = Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate());
  const monday = midnight - ((today.getUTCDay() + 6) % 7) * DAY_MS;
  const last = Math.max(midnight, ...[...coming.keys()].map((date) => Date.parse(date)));
  const ahead = Math.floor((last - monday) / (7 * DAY_MS));
  return Array.from({ length: weeks + ahead }, (_, week) =>
    Array.from({ length: 7 }, (_, day) => {
      const date = new Date(monday + ((week - weeks + 1) * 7 + day) * DAY_MS).toISOString().slice(0, 10);
      return { date, count: counts.get(date) ?? 0, coming: coming.get(date) ?? [] };
    }),
  );
}

/** "22:00" of "2026-11-22T22:00:00+01:00": the clock of the window's own zone. */
export function clockOf(time: string): string {
  return time.slice(11, 16);
}

/** "UTC", or "UTC+01:00": the zone that a time is written in. */
export function zoneOf(time: string): string {
  const offset = /([+-]\d\d:\d\d)$/.exec(time)?.[1];
  return offset === undefined || offset === "+00:00" ? "UTC" : `UTC${offset}`;
}
