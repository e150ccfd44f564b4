/** What the timed simulation and the synthesis of a project found, down to the stalls of a module. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { projectPairs } from "../../api/measured";
import { reportOf, type Report, type Run } from "../../api/projects";
import { percent, signedPercent } from "../../domain/design";
import { isFinished } from "../../domain/live";
import type { Pair } from "../../domain/measured";
import { COUNTED, fullStreams, predictedCycles, type SimulatedStage, simulatedStages, type SynthesizedKernel, synthesizedKernels, type SynthesizedPart } from "../../domain/runReports";
import { formatCount, formatNumber, formatQuantity } from "../../domain/units";
import { Badge, Missing, Panel, ProvenanceBadge } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import css from "./project.module.css";

/** More streams than these are in the report itself. */
const MOST_STREAMS = 8;
const MOST_MODULES = 40;

export function RunReports({ project, runs }: { readonly project: string; readonly runs: readonly Run[] }): JSX.Element {
  // Runs come newest first: the last one of each step that has ended.
  const latest = (step: Run["step"]): Run | undefined => runs.find((run) => run.step === step && isFinished(run.state));
  return (
    <>
      {(["simulate", "synthesize"] as const).map((step) => {
        const run = latest(step);
        return run === undefined ? null : <OneReport key={run.id} project={project} run={run} />;
      })}
    </>
  );
}

function OneReport({ project, run }: { readonly project: string; readonly run: Run }): JSX.Element | null {
  const [report, setReport] = useState<Report | null>(null);
  const [pairs, setPairs] = useState<readonly Pair[]>([]);
  useEffect(() => {
    void reportOf(run.id).then(setReport, () => setReport(null));
    // The report stands without it.
    if (run.step === "simulate") void projectPairs(project).then(setPairs, () => setPairs([]));
  }, [project, run.id]);
  if (report === null) return null;
  return (
    <>
      {simulatedStages(report.document).map((stage) => (
        <Simulated key={stage.kernel} stage={stage} predicted={predictedCycles(pairs, stage)} />
      ))}
      {synthesizedKernels(report.document).map((kernel) => (
        <Synthesized key={kernel.kernel} kernel={kernel} />
      ))}
    </>
  );
}

function Simulated({ stage, predicted }: { readonly stage: SimulatedStage; readonly predicted: number | null }): JSX.Element {
  const what = stage.position === null ? `${formatCount(stage.tokens)} tokens` : `one token at position ${formatCount(stage.position)}`;
  const streams = fullStreams(stage, MOST_STREAMS);
  return (
    <Panel
      title={`Timed simulation: ${stage.kernel}`}
      note={
        stage.cycles === null
          ? what
          : `${what}: ${formatCount(stage.cycles)} cycles${stage.latency_s === null ? "" : `, ${formatQuantity(stage.latency_s, "s")}`}${stage.clock_mhz === null ? "" : ` at ${formatNumber(stage.clock_mhz)} MHz`}`
      }
      tools={<ProvenanceBadge provenance="timed_sim" />}
    >
      {predicted !== null && stage.cycles !== null && (
        <p class={css.note}>
          The models say {formatCount(predicted)} cycles, {signedPercent(predicted / stage.cycles - 1)} against the simulation.
        </p>
      )}
      {stage.failure !== null && <p class={css.failed}>{stage.failure.message}</p>}
      <DataTable
        label={`Simulated modules of ${stage.kernel}`}
        inset
        heads={["Module", ...numericHeads("On the critical path", "Share", "Working", "Waits for a word", "Waits for a place", "Waits for memory", "Processes")]}
      >
        <tbody>
          {stage.modules.map((row) => (
            <tr key={row.module}>
              <th scope="row">{row.module}</th>
              <NumericCell>{formatCount(row.critical_cycles)}</NumericCell>
              <NumericCell>{stage.cycles === null ? <Missing reason="the simulation stopped" /> : percent(row.critical_cycles / stage.cycles)}</NumericCell>
              <NumericCell>{formatCount(row.working_cycles)}</NumericCell>
              <NumericCell>{formatCount(row.empty_stall_cycles)}</NumericCell>
              <NumericCell>{formatCount(row.full_stall_cycles)}</NumericCell>
              <NumericCell>{formatCount(row.memory_stall_cycles)}</NumericCell>
              <NumericCell>{formatCount(row.processes)}</NumericCell>
            </tr>
          ))}
        </tbody>
      </DataTable>
      <p class={css.note}>All in cycles; waits are summed over the processes of a module.</p>
      {streams.length > 0 && (
        <DataTable label={`Full streams of ${stage.kernel}`} inset heads={["Stream whose writer waited", "Writer", "Reader", ...numericHeads("Waited (cycles)", "Depth", "Used")]}>
          <tbody>
            {streams.map((row) => (
              <tr key={row.stream}>
                <th scope="row">{row.stream}</th>
                <td>{row.writer ?? <Missing reason="written from outside" />}</td>
                <td>{row.reader ?? <Missing reason="read from outside" />}</td>
                <NumericCell>{formatCount(row.full_stall_cycles)}</NumericCell>
                <NumericCell>{formatCount(row.depth)}</NumericCell>
                <NumericCell>{formatCount(row.used_depth)}</NumericCell>
              </tr>
            ))}
          </tbody>
        </DataTable>
      )}
    </Panel>
  );
}

function Synthesized({ kernel }: { readonly kernel: SynthesizedKernel }): JSX.Element {
  const shown = kernel.modules.slice(0, MOST_MODULES);
  return (
    <Panel
      title={`Synthesis: ${kernel.kernel}`}
      note={`${kernel.tool}${kernel.part === null ? "" : `, ${kernel.part}`}${kernel.modules.length > shown.length ? `; the ${shown.length} largest of ${kernel.modules.length} modules` : ""}`}
      tools={<Badge title="where the numbers come from">{kernel.provenance.replaceAll("_", " ")}</Badge>}
    >
      <DataTable label={`Synthesized modules of ${kernel.kernel}`} inset heads={["Module", ...numericHeads("Instances", "LUT", "FF", "DSP", "BRAM 18K", "URAM", "Latency (cycles)", "Clock (ns)")]}>
        <tbody>
          {[kernel.whole, ...shown].map((part, i) => (
            <PartRow key={`${part.name} ${i}`} part={part} missing={kernel.missing} />
          ))}
        </tbody>
      </DataTable>
      {kernel.assumptions.length > 0 && (
        <details class={css.note}>
          <summary>What the numbers rest on</summary>
          <ul>
            {kernel.assumptions.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </details>
      )}
    </Panel>
  );
}

function PartRow({ part, missing }: { readonly part: SynthesizedPart; readonly missing: Readonly<Record<string, string>> }): JSX.Element {
  const number = (value: number | null, name: string, format = formatCount): JSX.Element | string => (value === null ? <Missing reason={missing[name] ?? "the tool does not say"} /> : format(value));
  return (
    <tr>
      <th scope="row">{part.name}</th>
      <NumericCell>{formatCount(part.instances)}</NumericCell>
      {COUNTED.map((name) => {
        const [high, low] = [part.resources?.[name] ?? null, part.atLeast?.[name] ?? null];
        return (
          <NumericCell key={name}>
            {low !== null && high !== null && low !== high ? `${formatCount(low)} … ` : ""}
            {number(high, "resources")}
          </NumericCell>
        );
      })}
      <NumericCell>{number(part.latencyCycles, "latency")}</NumericCell>
      <NumericCell>{number(part.clockNs, "clock", formatNumber)}</NumericCell>
    </tr>
  );
}
