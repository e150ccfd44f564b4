/** The engines of both stages as blocks: what follows what, what each waits for, and what it reads from memory. */
import type { JSX } from "preact";
import { type BlockGraph, blockGraph } from "../../domain/blocks";
import { BOUND_TITLES, BOUNDS, percent } from "../../domain/design";
import type { CostReport } from "../../domain/documents";
import { formatCount } from "../../domain/units";
import { blockFigure, type Box } from "../../plots/blocks";
import { ChartPanel } from "../../plots/ChartPanel";
import { useWidth } from "../../ui/basics";
import css from "./figures.module.css";

export function BlockDiagramPanel({ report }: { readonly report: CostReport }): JSX.Element {
  return (
    <ChartPanel
      title="Block diagram"
      file="block-diagram"
      provenance={report.provenance}
      note="a decoder layer in each stage; share of the stage's cycles, and its stripe says what binds; dashed: computed on the array of another block"
    >
      <div class={css.column}>
        <ul class={css.keys} aria-label="Colours of the blocks">
          {BOUNDS.map((bound) => (
            <li key={bound}>
              <span class={css.swatch} style={{ background: `var(--bound-${bound})` }} aria-hidden="true" />
              bound by {BOUND_TITLES[bound]}
            </li>
          ))}
        </ul>
        <h3>Prefill engine</h3>
        <Diagram graph={blockGraph(report, "prefill")} label="Block diagram of prefill" />
        <h3>Decode engine</h3>
        <Diagram graph={blockGraph(report, "decode")} label="Block diagram of decode" />
      </div>
    </ChartPanel>
  );
}

function Diagram({ graph, label }: { readonly graph: BlockGraph; readonly label: string }): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const { boxes, arrows, height } = blockFigure(graph, Math.max(0, width - 2));
  const summary = boxes.map((block) => `${block.title} ${percent(block.share)} ${BOUND_TITLES[block.bound]}`).join("; ");
  return (
    <div ref={box as { current: HTMLDivElement | null }}>
      <svg width={width} height={height + 2} role="img" aria-label={`${label}: ${summary}`}>
        <g transform="translate(1 1)">
          {arrows.map((arrow) => (
            <g key={`${arrow.from}-${arrow.to}`}>
              <path class={css.arrow} d={arrow.path} />
              <path class={css.arrowHead} d={`M${arrow.end[0]} ${arrow.end[1]}l-7 -4v8z`} />
            </g>
          ))}
          {boxes.map((block) => (
            <BlockBox key={block.module} block={block} />
          ))}
        </g>
      </svg>
    </div>
  );
}

function BlockBox({ block }: { readonly block: Box }): JSX.Element {
  const units = block.sharedWith !== null ? `on ${block.sharedWith.replaceAll("_", " ")}` : block.dsp === null ? "" : `${formatCount(block.dsp)} DSP`;
  const lines = [percent(block.share) + " of cycles", units].filter((line) => line !== "");
  return (
    <g transform={`translate(${block.x} ${block.y})`} data-module={block.module}>
      <title>{`${block.title}: ${percent(block.share)} of the cycles, bound by ${BOUND_TITLES[block.bound]}${units === "" ? "" : `, ${units}`}${block.memory === null ? "" : `, memory: ${block.memory}`}`}</title>
      <rect class={css.block} data-shared={block.sharedWith !== null} width={block.width} height={block.height} rx={4} />
      <rect x={0} y={0} width={5} height={block.height} style={{ fill: `var(--bound-${block.bound})` }} />
      <text class={css.blockTitle} x={12} y={17}>
        {block.title}
      </text>
      {lines.map((line, i) => (
        <text key={line} class={css.small} x={12} y={33 + i * 13}>
          {line}
        </text>
      ))}
      {block.memory !== null && (
        <text class={css.small} x={12} y={block.height - 5}>
          ⇄ {block.memory}
        </text>
      )}
    </g>
  );
}
