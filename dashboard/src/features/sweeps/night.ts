/** A night in words: in the clock of its own zone. */
import type { SweepNight } from "../../api/sweeps";
import { clockOf, zoneOf } from "../../domain/sweeps";

/** "2026-11-22, 22:00 to 06:00 (UTC+01:00)". */
export function nightText({ starts_at: start, ends_at: end }: SweepNight): string {
  return `${start.slice(0, 10)}, ${clockOf(start)} to ${clockOf(end)} (${zoneOf(start)})`;
}
