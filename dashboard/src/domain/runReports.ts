/** What the tools found of a project, module by module, out of the documents of their reports. */
import type { Pair } from "./measured";

export interface StalledModule {
  readonly module: string;
  readonly processes: number;
  readonly working_cycles: number;
  readonly critical_cycles: number;
  readonly empty_stall_cycles: number;
  readonly full_stall_cycles: number;
  readonly memory_stall_cycles: number;
}

export interface SimulatedStream {
  readonly stream: string;
  readonly depth: number;
  readonly used_depth: number;
  readonly full_stall_cycles: number;
  readonly writer: string | null;
  readonly reader: string | null;
}

export interface SimulatedStage {
  readonly stage: string;
  readonly kernel: string;
  readonly tokens: number;
  readonly position: number | null;
  readonly clock_mhz: number | null;
  readonly cycles: number | null;
  readonly latency_s: number | null;
  readonly modules: readonly StalledModule[];
  readonly streams: readonly SimulatedStream[];
  readonly failure: { readonly message: string } | null;
}

type Document = Readonly<Record<string, unknown>>;

function list(value: unknown): readonly Document[] {
  return Array.isArray(value) ? value.filter((entry): entry is Document => typeof entry === "object" && entry !== null) : [];
}

/** The stages of a timed simulation, modules with the most critical cycles first; none of another report. */
export function simulatedStages(document: Document): SimulatedStage[] {
  if (document["schema"] !== "flexdse/simulation_report/v1") return [];
  return (list(document["stages"]) as unknown as readonly SimulatedStage[]).map((stage) => ({
    ...stage,
    modules: [...stage.modules].sort((a, b) => b.critical_cycles - a.critical_cycles || b.working_cycles - a.working_cycles),
  }));
}

/** What the models of now say of the cycles that a stage took; null where they were not asked, as of a project with changed files. */
export function predictedCycles(pairs: readonly Pick<Pair, "fidelity" | "stage" | "metric" | "predicted" | "measured">[], stage: Pick<SimulatedStage, "stage" | "cycles">): number | null {
  return pairs.find((pair) => pair.fidelity === "timed_sim" && pair.stage === stage.stage && pair.metric === "cycles" && pair.measured === stage.cycles)?.predicted ?? null;
}

/** The streams whose writer waited longest for a free place. */
export function fullStreams(stage: SimulatedStage, most: number): SimulatedStream[] {
  return stage.streams.filter((stream) => stream.full_stall_cycles > 0).sort((a, b) => b.full_stall_cycles - a.full_stall_cycles).slice(0, most);
}

export const COUNTED = ["lut", "ff", "dsp", "bram_18k", "uram"] as const;
export type Counts = Readonly<Record<(typeof COUNTED)[number], number | null>>;

export interface SynthesizedPart {
  readonly name: string;
  readonly instances: number;
  readonly resources: Counts | null;
  /** The lower ends, where the tool knows a range. */
  readonly atLeast: Counts | null;
  readonly latencyCycles: number | null;
  readonly clockNs: number | null;
}

export interface SynthesizedKernel {
  readonly kernel: string;
  readonly step: string;
  readonly provenance: string;
  readonly tool: string;
  readonly part: string | null;
  readonly whole: SynthesizedPart;
  readonly modules: readonly SynthesizedPart[];
  readonly assumptions: readonly string[];
  readonly missing: Readonly<Record<string, string>>;
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Document)[name] : undefined;
}

function partOf(row: Document, name: string): SynthesizedPart {
  return {
    name,
    instances: number(row["instances"]) ?? 1,
    resources: (row["resources"] ?? null) as Counts | null,
    atLeast: (row["resources_at_least"] ?? null) as Counts | null,
    latencyCycles: number(field(row["latency"], "max_cycles")),
    clockNs: number(row["estimated_clock_ns"]) ?? number(field(row["clock"], "achieved_ns")) ?? number(field(row["clock"], "estimated_ns")),
  };
}

/** The last report of each kernel of a synthesis, modules with the most LUTs first; none of another document. */
export function synthesizedKernels(document: Document): SynthesizedKernel[] {
  if (document["schema"] !== "flexdse/synthesis_step/v1") return [];
  return list(document["kernels"]).flatMap((kernel): SynthesizedKernel[] => {
    const report = list(kernel["reports"]).at(-1);
    if (report === undefined) return [];
    const modules = list(report["modules"]).map((row) => partOf(row, String(row["name"])));
    return [
      {
        kernel: String(kernel["kernel"]),
        step: String(kernel["step"]),
        provenance: String(report["provenance"]),
        tool: [report["tool"], report["tool_version"]].filter((text) => typeof text === "string").join(" "),
        part: typeof report["part"] === "string" ? report["part"] : null,
        whole: partOf(report, "the whole kernel"),
        modules: modules.sort((a, b) => (b.resources?.lut ?? 0) - (a.resources?.lut ?? 0)),
        assumptions: Array.isArray(report["assumptions"]) ? report["assumptions"].map(String) : [],
        missing: (report["missing"] ?? {}) as Readonly<Record<string, string>>,
      },
    ];
  });
}
