/** Days on a calendar, whole weeks from Monday to Sunday, with how much began on each. Days are those of UTC. */

export interface CalendarDay {
  /** YYYY-MM-DD */
  readonly date: string;
  readonly count: number;
}

const DAY_MS = 86_400_000;

/** The last `weeks` weeks, that of `today` last. */
export function calendarWeeks(starts: readonly string[], today: Date, weeks: number): CalendarDay[][] {
  const counts = new Map<string, number>();
  for (const start of starts) {
    const date = new Date(start).toISOString().slice(0, 10);
    counts.set(date, (counts.get(date) ?? 0) + 1);
  }
  const midnight = Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate());
  const monday = midnight - ((today.getUTCDay() + 6) % 7) * DAY_MS;
  return Array.from({ length: weeks }, (_, week) =>
    Array.from({ length: 7 }, (_, day) => {
      const date = new Date(monday + ((week - weeks + 1) * 7 + day) * DAY_MS).toISOString().slice(0, 10);
      return { date, count: counts.get(date) ?? 0 };
    }),
  );
}
