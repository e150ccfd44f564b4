/** The models against what was measured: how far off, for which fidelity and tool, and what a calibration makes of it. */
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Calibration, type CalibrationSummary, getCalibration, listCalibrations, measuredPairs, MOST_ASKED } from "../../api/measured";
import { calibrated, filePairs, formatPairValue, type Pair, partTitle, fidelityTitle, quantityTitle, residual } from "../../domain/measured";
import { signedPercent } from "../../domain/design";
import { formatCount } from "../../domain/units";
import { type Resource, resource } from "../../state/resource";
import { Blank, Button, Command, Failure, Panel, Skeleton } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import { AgreementPanel } from "./AgreementPanel";
import { CalibrationPanel } from "./CalibrationPanel";
import { FileButton } from "./FileButton";
import { ResidualsPanel } from "./ResidualsPanel";
import css from "./measurements.module.css";

export function MeasurementsPage(): JSX.Element {
  const measured = useMemo(() => resource(measuredPairs), []);
  const calibrations = useMemo(() => resource(listCalibrations), []);
  const [ofFile, setOfFile] = useState<{ readonly name: string; readonly pairs: readonly Pair[] } | null>(null);
  useEffect(() => {
    document.title = "Model against measurement · FlexDSE";
    void measured.load();
    void calibrations.load();
  }, [measured, calibrations]);
  const { data, error } = measured.state.value;
  const pairs = ofFile?.pairs ?? data;
  return (
    <div class={css.page}>
      <header class={css.head}>
        <h1>Model against measurement</h1>
        <div class={css.tools}>
          <FileButton onPairs={(name, text) => setOfFile({ name, pairs: filePairs(JSON.parse(text), name) })} />
          {ofFile !== null ? (
            <Button onClick={() => setOfFile(null)}>Back to this server</Button>
          ) : (
            <Button disabled={measured.state.value.loading} onClick={() => void measured.load()}>
              Look again
            </Button>
          )}
        </div>
      </header>
      <p class={css.note} role="status" aria-label="What is compared">
        {ofFile !== null ? `${formatCount(ofFile.pairs.length)} values of ${ofFile.name}` : data === null ? "" : `${formatCount(data.length)} values measured on this server, of its ${MOST_ASKED} newest projects and explorations`}
      </p>
      {pairs !== null && pairs.length > 0 ? (
        <Compared key={ofFile?.name ?? ""} pairs={pairs} calibrations={calibrations} />
      ) : pairs !== null ? (
        <Nothing />
      ) : error !== null ? (
        <Failure error={error} retry={() => void measured.load()} />
      ) : (
        <Skeleton label="Pricing what was measured" lines={10} />
      )}
    </div>
  );
}

function Nothing(): JSX.Element {
  return (
    <Panel title="Nothing measured yet">
      <Blank title="No measurement to hold the models against">
        <p>Run the timed simulation of a generated project, attach the report of a vendor tool to it, tell what was measured of a design, or open a file of measurements that the command line wrote. Open synthesis knows ranges only, which are shown on the page of the project:</p>
        <Command text="flexdse calibrate PROJECT --save measured.json" />
      </Blank>
    </Panel>
  );
}

/** Values that share axes and a calibration: one metric, one device. */
function groupsOf(pairs: readonly Pair[]): ReadonlyMap<string, readonly Pair[]> {
  const groups = new Map<string, Pair[]>();
  for (const pair of pairs) {
    const title = `${quantityTitle(pair)}, ${pair.device}`;
    const group = groups.get(title);
    if (group === undefined) groups.set(title, [pair]);
    else group.push(pair);
  }
  return new Map([...groups].sort(([, a], [, b]) => b.length - a.length));
}

const NO_CALIBRATIONS: readonly CalibrationSummary[] = [];

interface ComparedProps {
  readonly pairs: readonly Pair[];
  readonly calibrations: Resource<readonly CalibrationSummary[]>;
}

function Compared({ pairs, calibrations }: ComparedProps): JSX.Element {
  const groups = useMemo(() => groupsOf(pairs), [pairs]);
  const [chosen, setChosen] = useState<string | null>(null);
  const [calibration, setCalibration] = useState<Calibration | null>(null);
  const [isAfter, setAfter] = useState(false);
  const title = chosen !== null && groups.has(chosen) ? chosen : [...groups.keys()][0]!;
  const group = groups.get(title)!;
  const device = group[0]!.device;
  const applies = calibration !== null && calibration.device === device;
  const shown = useMemo(() => (applies && isAfter ? calibrated(group, calibration.table) : group), [group, calibration, applies, isAfter]);
  const all = useMemo(() => pairs.filter((pair) => pair.device === device), [pairs, device]);
  const show = (found: Calibration | null): void => {
    setCalibration(found);
    setAfter(found !== null);
  };
  return (
    <>
      <div class={css.pickers}>
        <label class={css.pick}>
          Quantity
          <select value={title} onChange={(event) => setChosen(event.currentTarget.value)}>
            {[...groups].map(([name, members]) => (
              <option key={name} value={name}>
                {name} ({formatCount(members.length)})
              </option>
            ))}
          </select>
        </label>
        <div class={css.switch} role="group" aria-label="Values of the models">
          {[false, true].map((after) => (
            <button key={String(after)} type="button" aria-pressed={isAfter === after} disabled={after && !applies} onClick={() => setAfter(after)}>
              {after ? "Calibrated" : "As modelled"}
            </button>
          ))}
        </div>
        {!applies && <span class={css.note}>choose or fit a calibration of {device} to see before and after</span>}
      </div>
      <div class={css.two}>
        <AgreementPanel pairs={shown} title={title} after={applies && isAfter} />
        <ResidualsPanel pairs={shown} title={title} />
      </div>
      <CalibrationPanel
        pairs={all}
        device={device}
        shown={calibration}
        summaries={calibrations.state.value.data ?? NO_CALIBRATIONS}
        error={calibrations.state.value.error}
        onShow={(id) => (id === null ? Promise.resolve(show(null)) : getCalibration(id).then(show))}
        onFitted={(made) => {
          show(made);
          void calibrations.load();
        }}
      />
      <PairTable pairs={shown} title={title} />
    </>
  );
}

/** More than anybody reads; the export of the charts and the file itself have them all. */
const MOST_ROWS = 200;

function PairTable({ pairs, title }: { readonly pairs: readonly Pair[]; readonly title: string }): JSX.Element {
  const sorted = useMemo(() => [...pairs].sort((a, b) => Math.abs(residual(b)) - Math.abs(residual(a))).slice(0, MOST_ROWS), [pairs]);
  return (
    <Panel title={`Values: ${title}`} note={pairs.length > MOST_ROWS ? `the ${MOST_ROWS} farthest off of ${formatCount(pairs.length)}` : "farthest off first"} flush>
      <DataTable label="Values" heads={["Fidelity", "Of", "Design", ...numericHeads("Model", "Measured", "Model / measured − 1"), "Source"]}>
        <tbody>
          {sorted.map((pair, i) => (
            <tr key={i}>
              <th scope="row">{fidelityTitle(pair.fidelity)}</th>
              <td>{partTitle(pair)}</td>
              <td>
                <code>{pair.designKey.slice(0, 8)}</code>
              </td>
              <NumericCell>{formatPairValue(pair, pair.predicted)}</NumericCell>
              <NumericCell>{formatPairValue(pair, pair.measured)}</NumericCell>
              <NumericCell>{signedPercent(residual(pair))}</NumericCell>
              <td class={css.source}>{pair.source}</td>
            </tr>
          ))}
        </tbody>
      </DataTable>
    </Panel>
  );
}
