/** The frame of every chart: title, unit notes, provenance, and the picture as SVG or PNG. */
import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Provenance } from "../domain/documents";
import { Panel, ProvenanceBadge } from "../ui/basics";
import { caption } from "../ui/caption";
import { downloadBlob, downloadText } from "../ui/download";
import { chartImage, pngOf } from "./chartImage";
import css from "./plots.module.css";

interface ChartPanelProps {
  readonly title: string;
  /** Name of the files, without their ending. */
  readonly file: string;
  readonly note?: ComponentChildren;
  readonly tools?: ComponentChildren;
  readonly flush?: boolean;
  /** Where the numbers come from. */
  readonly provenance?: Provenance | undefined;
  /** The chart; all SVG and canvas in it goes into the picture. */
  readonly children: ComponentChildren;
}

export function ChartPanel({ title, file, note, tools, flush = false, provenance, children }: ChartPanelProps): JSX.Element {
  const chart = useRef<HTMLDivElement>(null);
  const [failed, setFailed] = useState("");
  const save = async (kind: "svg" | "png"): Promise<void> => {
    setFailed("");
    try {
      const image = chartImage(chart.current!, title, caption.value === "" ? document.title : caption.value);
      if (kind === "svg") downloadText(`${file}.svg`, "image/svg+xml", image.svg);
      else downloadBlob(`${file}.png`, await pngOf(image));
    } catch (error) {
      setFailed(`The picture could not be made: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return (
    <Panel
      title={title}
      note={note}
      flush={flush}
      tools={
        <>
          {tools}
          {provenance !== undefined && <ProvenanceBadge provenance={provenance} />}
          <span class={css.saves} role="group" aria-label={`Save ${title}`}>
            {(["svg", "png"] as const).map((kind) => (
              <button key={kind} type="button" class={css.save} aria-label={`Save ${title} as ${kind.toUpperCase()}`} onClick={() => void save(kind)}>
                {kind.toUpperCase()}
              </button>
            ))}
          </span>
        </>
      }
    >
      <div ref={chart}>{children}</div>
      {failed !== "" && (
        <p class={css.failed} role="alert">
          {failed}
        </p>
      )}
    </Panel>
  );
}
