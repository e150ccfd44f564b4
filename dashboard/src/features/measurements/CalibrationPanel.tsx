/** Factors fitted on what was measured: what they are, how far the models were off before, and how far after. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { calibrate, type Calibration, type CalibrationSummary } from "../../api/measured";
import { formatBand } from "../../domain/design";
import { fidelityTitle, type Measurement, type Pair } from "../../domain/measured";
import { formatCount, formatNumber } from "../../domain/units";
import { Button, Failure, Missing, Panel } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import { downloadJson } from "../../ui/download";
import css from "./measurements.module.css";

interface CalibrationPanelProps {
  /** Of one device. */
  readonly pairs: readonly Pair[];
  readonly device: string;
  readonly shown: Calibration | null;
  readonly summaries: readonly CalibrationSummary[];
  readonly error: Error | null;
  readonly onShow: (id: string | null) => Promise<void>;
  readonly onFitted: (made: Calibration) => void;
}

export function CalibrationPanel({ pairs, device, shown, summaries, error, onShow, onFitted }: CalibrationPanelProps): JSX.Element {
  const measurements = pairs.flatMap((pair): Measurement[] => (pair.fit === null ? [] : [pair.fit]));
  const [state, setState] = useState<{ readonly busy: boolean; readonly error: Error | null }>({ busy: false, error: null });
  const run = async (action: () => Promise<void>): Promise<void> => {
    setState({ busy: true, error: null });
    try {
      await action();
      setState({ busy: false, error: null });
    } catch (caught) {
      setState({ busy: false, error: caught instanceof Error ? caught : new Error(String(caught)) });
    }
  };
  const here = summaries.filter((summary) => summary.device === device);
  return (
    <Panel
      title="Calibration"
      note={`of ${device}; a factor for each fidelity, stage and metric`}
      tools={
        <>
          <label class={css.pick}>
            Calibration
            <select value={shown?.id ?? ""} onChange={(event) => void run(() => onShow(event.currentTarget.value === "" ? null : event.currentTarget.value))}>
              <option value="">none</option>
              {here.map((summary) => (
                <option key={summary.id} value={summary.id}>
                  {summary.name || summary.id.slice(-8)}, models {summary.model_version}
                </option>
              ))}
            </select>
          </label>
          <Button primary disabled={measurements.length === 0 || state.busy} onClick={() => void run(async () => onFitted(await calibrate(`${device}, ${measurements.length} values`, measurements)))}>
            {state.busy ? "Fitting…" : "Recalibrate"}
          </Button>
          {shown !== null && <Button onClick={() => downloadJson(`calibration-${device}.json`, shown.table)}>JSON</Button>}
        </>
      }
    >
      <div class={css.column} aria-live="polite">
        {(state.error ?? error) !== null && <Failure error={(state.error ?? error)!} />}
        {measurements.length === 0 && <p class={css.note}>None of these values can be fitted: a calibration needs cycles, resources or power of a stage, from a timed simulation, a synthesis or a board.</p>}
        {shown === null ? (
          measurements.length > 0 && (
            <p class={css.note}>
              {formatCount(measurements.length)} values of {countText(new Set(measurements.map((one) => one.design_key)).size, "design")} can be fitted. “Recalibrate” keeps the factors on the server; a design is priced with them when its calibration is asked for.
            </p>
          )
        ) : (
          <Entries calibration={shown} />
        )}
      </div>
    </Panel>
  );
}

function countText(count: number, word: string): string {
  return `${formatCount(count)} ${word}${count === 1 ? "" : "s"}`;
}

function share(value: number): string {
  return `${formatNumber(value * 100, 3)} %`;
}

function Entries({ calibration }: { readonly calibration: Calibration }): JSX.Element {
  return (
    <DataTable
      label="Before and after"
      inset
      heads={["Fidelity", "Of", ...numericHeads("Factor", "Designs", "90 % band as published", "calibrated", "Mean |error| here before", "after, on designs left out")]}
    >
      <tbody>
          {calibration.table.entries.map((entry) => {
            const reason = entry.missing?.["leave_one_out"] ?? "needs at least two designs";
            return (
              <tr key={`${entry.provenance} ${entry.stage} ${entry.module} ${entry.metric}`}>
                <th scope="row">{fidelityTitle(entry.provenance)}</th>
                <td>
                  {entry.stage} {entry.module ?? ""} {entry.metric.replaceAll("_", " ")}
                </td>
                <NumericCell>{formatNumber(entry.factor)}</NumericCell>
                <NumericCell>{formatCount(entry.designs)}</NumericCell>
                <NumericCell>{formatBand({ relative_low: entry.uncalibrated_low, relative_high: entry.uncalibrated_high })}</NumericCell>
                <NumericCell>{formatBand(entry)}</NumericCell>
                <NumericCell>{entry.leave_one_out === null ? <Missing reason={reason} /> : share(entry.leave_one_out.mean_relative_error_before)}</NumericCell>
                <NumericCell>{entry.leave_one_out === null ? <Missing reason={reason} /> : share(entry.leave_one_out.mean_relative_error_after)}</NumericCell>
              </tr>
            );
          })}
      </tbody>
    </DataTable>
  );
}
