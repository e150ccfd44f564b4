/** The modules of a stage and how data goes through them: what the block diagram shows. */
import type { Bound, CostReport, ModuleCost, Stage } from "./documents";

export interface Block {
  readonly module: string;
  readonly title: string;
  readonly bound: Bound;
  readonly share: number;
  readonly dsp: number | null;
  /** The array of another module that it computes on. */
  readonly sharedWith: string | null;
  /** What it reads or writes in external memory. */
  readonly memory: string | null;
  readonly column: number;
  readonly row: number;
  readonly rows: number;
}

export interface BlockGraph {
  readonly stage: Stage;
  readonly blocks: readonly Block[];
  /** Names of modules, from and to. */
  readonly streams: readonly (readonly [string, string])[];
  readonly columns: number;
  readonly rows: number;
}

interface Place {
  readonly column: number;
  readonly row: number;
  readonly rows?: number;
  readonly memory?: string;
}

const WEIGHTS = "weights";

/** A decoder layer from left to right: attention above, the feed-forward part below, the norms of both at the left. */
const PLACES: Readonly<Record<Stage, Readonly<Record<string, Place>>>> = {
  prefill: {
    norm_and_quant: { column: 0, row: 0, rows: 3, memory: "embeddings" },
    q_proj: { column: 1, row: 0, memory: WEIGHTS },
    kv_proj: { column: 1, row: 1, memory: `${WEIGHTS}, KV cache` },
    attention_qk: { column: 2, row: 0, memory: "K cache" },
    attention_softmax: { column: 3, row: 0 },
    attention_av: { column: 4, row: 0, memory: "V cache" },
    o_proj: { column: 5, row: 0, memory: WEIGHTS },
    gate_up_proj: { column: 1, row: 2, memory: WEIGHTS },
    hadamard: { column: 3, row: 2 },
    down_proj: { column: 5, row: 2, memory: WEIGHTS },
  },
  decode: {
    vector_passes: { column: 0, row: 0, rows: 3, memory: "embeddings" },
    q_proj: { column: 1, row: 0, memory: WEIGHTS },
    kv_proj: { column: 1, row: 1, memory: `${WEIGHTS}, KV cache` },
    attention: { column: 3, row: 0, memory: "KV cache" },
    o_proj: { column: 5, row: 0, memory: WEIGHTS },
    gate_up_proj: { column: 1, row: 2, memory: WEIGHTS },
    hadamard: { column: 3, row: 2 },
    down_proj: { column: 5, row: 2, memory: WEIGHTS },
    lm_head: { column: 3, row: 3, memory: WEIGHTS },
    sampler: { column: 5, row: 3, memory: "next token" },
  },
};

/** Ways of the data; a module that a design does without is skipped. */
const WAYS: Readonly<Record<Stage, readonly (readonly string[])[]>> = {
  prefill: [
    ["norm_and_quant", "q_proj", "attention_qk", "attention_softmax", "attention_av", "o_proj"],
    ["norm_and_quant", "kv_proj"],
    ["norm_and_quant", "gate_up_proj", "hadamard", "down_proj"],
  ],
  decode: [
    ["vector_passes", "q_proj", "attention", "o_proj"],
    ["vector_passes", "kv_proj"],
    ["vector_passes", "gate_up_proj", "hadamard", "down_proj"],
    ["lm_head", "sampler"],
  ],
};

const COLUMNS = 6;

/** Every module of the report has a block: one that the layout does not know stands in rows of its own below. */
export function blockGraph(report: CostReport, stage: Stage): BlockGraph {
  const modules = report.breakdown.filter((module) => module.stage === stage);
  const cycles = modules.reduce((sum, module) => sum + module.cycles, 0);
  const places = PLACES[stage];
  const known = modules.filter((module) => module.module in places);
  const rowsOfKnown = known.reduce((most, { module }) => Math.max(most, places[module]!.row + (places[module]!.rows ?? 1)), 0);
  let strangers = 0;
  const block = (module: ModuleCost): Block => {
    const place = places[module.module] ?? { column: strangers % COLUMNS, row: rowsOfKnown + Math.floor(strangers++ / COLUMNS) };
    return {
      module: module.module,
      title: module.module.replaceAll("_", " "),
      bound: module.bound_by,
      share: cycles > 0 ? module.cycles / cycles : 0,
      dsp: module.dsp,
      sharedWith: module.dsp === null ? (module.dsp_in ?? null) : null,
      memory: place.memory ?? null,
      column: place.column,
      row: place.row,
      rows: place.rows ?? 1,
    };
  };
  const blocks = modules.map(block);
  const names = new Set(blocks.map((entry) => entry.module));
  const streams = WAYS[stage].flatMap((way) => {
    const there = way.filter((name) => names.has(name));
    return there.slice(1).map((name, i): readonly [string, string] => [there[i]!, name]);
  });
  return {
    stage,
    blocks,
    streams,
    columns: COLUMNS,
    rows: blocks.reduce((most, entry) => Math.max(most, entry.row + entry.rows), 0),
  };
}
