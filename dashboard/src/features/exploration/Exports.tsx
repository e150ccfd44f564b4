/** What is selected as a file: designs of the front, and evaluations with all their parameters. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { tableHref } from "../../api/evaluations";
import { getFrontEntries } from "../../api/explorations";
import { chosenRows, csvHead, csvLines } from "../../domain/csv";
import { recordOf } from "../../domain/rows";
import type { Table } from "../../domain/table";
import { formatCount } from "../../domain/units";
import type { OpenExploration } from "../../state/exploration";
import { selectedEvaluations } from "../../state/selectedRows";
import { Button, buttonClass, Failure } from "../../ui/basics";
import { downloadBlob } from "../../ui/download";
import css from "./exploration.module.css";

/** Rows between two frames of the page. */
const PART = 20_000;
/** As the server's own JSON. */
const MOST_JSON_ROWS = 100_000;

type Format = "csv" | "parquet" | "json";
const FORMATS: readonly Format[] = ["csv", "parquet", "json"];
const TITLES: Readonly<Record<Format, string>> = { csv: "CSV", parquet: "Parquet", json: "JSON" };

interface ExportsProps {
  readonly opened: OpenExploration;
  readonly front: Table;
  readonly hasEvaluations: boolean;
}

export function Exports({ opened, front, hasEvaluations }: ExportsProps): JSX.Element {
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState("");
  const frontMask = opened.frontMask.value;
  const isSelected = opened.cloudMask.value !== null;
  const isReady = !isSelected || opened.cloud.isFull.value;
  const names = { front: `front-${opened.id.slice(-8)}`, evaluations: `evaluations-${opened.id.slice(-8)}` };

  const run = (what: keyof typeof names, format: Format, action: () => Promise<Blob>): void => {
    setError(null);
    setBusy(`${what} ${format}`);
    action()
      .then((blob) => downloadBlob(`${names[what]}.${format}`, blob))
      .catch((caught: unknown) => setError(caught instanceof Error ? caught : new Error(String(caught))))
      .finally(() => setBusy(""));
  };
  const saveFront = async (format: Format): Promise<Blob> => {
    if (format !== "json") return tableFile(front, chosenRows(front, frontMask), format);
    const entries = await getFrontEntries(opened.id);
    const chosen = entries.filter((entry) => frontMask === null || frontMask[entry.index] === 1);
    return new Blob([`${JSON.stringify(chosen.map(({ design, metrics }) => ({ design, metrics })), null, 2)}\n`], { type: "application/json" });
  };
  const saveEvaluations = async (format: Format): Promise<Blob> => {
    const { table, rows } = await selectedEvaluations(opened);
    if (format === "json" && rows.length > MOST_JSON_ROWS) {
      throw new RangeError(`${formatCount(rows.length)} evaluations are too many for JSON, which takes ${formatCount(MOST_JSON_ROWS)}: select fewer, or take CSV or Parquet.`);
    }
    return tableFile(table, rows, format);
  };
  return (
    <div class={css.exports}>
      <span>Designs of the front:</span>
      {FORMATS.map((format) => (
        <Button key={format} disabled={busy !== ""} aria-label={`Designs of the front as ${TITLES[format]}`} onClick={() => run("front", format, () => saveFront(format))}>
          {busy === `front ${format}` ? "Writing…" : TITLES[format]}
        </Button>
      ))}
      {hasEvaluations && (
        <>
          <span>{isSelected ? "Selected evaluations:" : "All evaluations:"}</span>
          {FORMATS.map((format) =>
            isSelected || format === "json" ? (
              <Button
                key={format}
                disabled={busy !== "" || !isReady}
                title={isReady ? undefined : "the evaluations are still loading"}
                aria-label={`${isSelected ? "Selected" : "All"} evaluations as ${TITLES[format]}`}
                onClick={() => run("evaluations", format, () => saveEvaluations(format))}
              >
                {busy === `evaluations ${format}` ? "Writing…" : TITLES[format]}
              </Button>
            ) : (
              <a key={format} class={buttonClass} aria-label={`All evaluations as ${TITLES[format]}`} href={tableHref(opened.id, "evaluations", format)} download={`${names.evaluations}.${format}`}>
                {TITLES[format]}
              </a>
            ),
          )}
          <span class={css.exportNote}>with the parameters of each design</span>
        </>
      )}
      {error !== null && <Failure error={error} />}
    </div>
  );
}

/** The page draws a frame in between. */
function pause(): Promise<void> {
  return new Promise((resolve) => window.setTimeout(resolve, 0));
}

/** `rows` of the table as a file; made in parts, so that the page goes on meanwhile. */
async function tableFile(table: Table, rows: Int32Array, format: Format): Promise<Blob> {
  if (format === "parquet") {
    const { tableParquet } = await import("./parquet");
    return new Blob([await tableParquet(table, rows, pause)], { type: "application/vnd.apache.parquet" });
  }
  const parts: string[] = format === "csv" ? [csvHead(table)] : [];
  for (let start = 0; start < rows.length; start += PART) {
    const part = rows.subarray(start, start + PART);
    parts.push(format === "csv" ? csvLines(table, part) : Array.from(part, (row) => JSON.stringify(recordOf(table, row))).join(",\n"));
    await pause();
  }
  return format === "csv" ? new Blob(parts, { type: "text/csv" }) : new Blob([`[\n${parts.join(",\n")}\n]\n`], { type: "application/json" });
}
