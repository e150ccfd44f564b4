/** The front as a sortable table; only the rows in view are in the document. */
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Stage } from "../../domain/documents";
import { type Columns, type Direction, type FrontView, sortedOrder, visibleRows } from "../../domain/columns";
import { DECODE_PARAMETERS, PREFILL_PARAMETERS } from "../../domain/design";
import { kindOf, type MetricInfo, metricScale, shortTitle } from "../../domain/metrics";
import { type Fit, FIT_TITLES, FIT_WORDS } from "../../domain/limits";
import { sourceOf } from "../../domain/quality";
import { metricOf } from "../../domain/registry";
import { columnDecimals, formatCount, formatFixed } from "../../domain/units";
import { Missing, Panel, ProvenanceBadge } from "../../ui/basics";
import { Link } from "../../ui/Link";
import css from "./exploration.module.css";

const ROW_HEIGHT = 27;
const VIEW_HEIGHT = 420;
const ALWAYS = ["e2e_latency_s", "decode_tokens_per_s", "power_w", "hbm_fraction", "quality"];

interface FrontTableProps {
  readonly front: FrontView;
  readonly columns: Columns;
  readonly registry: ReadonlyMap<string, MetricInfo>;
  /** Metrics on the axes: they are in the table too. */
  readonly shownMetrics: readonly string[];
  /** 1 for the designs to list; null lists all. */
  readonly mask: Uint8Array | null;
  readonly hrefOf: (index: number) => string;
  readonly onOpen: (index: number) => void;
  readonly onHover: (index: number) => void;
}

interface TableColumn {
  readonly key: string;
  readonly group: string;
  readonly head: string;
  readonly title: string;
  readonly unit: string;
  readonly values: Float64Array;
  readonly text: (row: number) => string | null;
  readonly reason: string | undefined;
}

function metricColumn(name: string, front: FrontView, columns: Columns, registry: ReadonlyMap<string, MetricInfo>): TableColumn {
  const metric = metricOf(name, registry);
  const values = columns.get(name)!;
  const scale = metricScale(metric, values);
  const scaled = values.map((value) => value * scale.factor);
  const decimals = kindOf(metric) === "count" ? 0 : columnDecimals(scaled);
  return {
    key: name,
    group: front.head.objectives.includes(name) ? "Objectives" : "Metrics",
    head: shortTitle(metric),
    title: `${metric.title}: ${metric.definition}`,
    unit: scale.unit,
    values,
    text: (row) => (Number.isNaN(scaled[row]!) ? null : formatFixed(scaled[row]!, decimals)),
    reason: front.head.missing[name],
  };
}

/** What the perplexity increase of each design rests on, and its band: it is no number of the cost models. */
function qualityColumn(front: FrontView, quality: Float64Array): TableColumn {
  const { table, head } = front;
  return {
    key: "quality source",
    group: head.objectives.includes("quality") ? "Objectives" : "Metrics",
    head: "Source, band",
    title: "What the perplexity increase rests on, and how far it may be off",
    unit: "",
    values: quality,
    text: (row) => (Number.isNaN(quality[row]!) ? null : sourceOf(head.qualities, table.nameAt("quant_scheme.name", row), quality[row]!)),
    reason: head.missing["quality"],
  };
}

const FITS: readonly Fit[] = ["fits", "within_band", "does_not_fit"];

/** Whether each design fits up to the end of its error bands; null where the search of an earlier version did not say. */
function fitColumn({ table }: FrontView): TableColumn[] {
  if (table.names("fit") === null) return [];
  const fits = Array.from({ length: table.rows }, (_, row) => table.nameAt("fit", row) as Fit | null);
  return [
    {
      key: "fit",
      group: "Verdict",
      head: "Fits",
      title: `Every limit holds up to the high end of the error bands (yes), or it ${FIT_TITLES.within_band}`,
      unit: "",
      values: Float64Array.from(fits, (fit) => (fit === null ? Number.NaN : FITS.indexOf(fit))),
      text: (row) => (fits[row] == null ? null : FIT_WORDS[fits[row]]),
      reason: "not recorded",
    },
  ];
}

function parameterColumns(front: FrontView, stage: Stage): TableColumn[] {
  const parameters = stage === "prefill" ? PREFILL_PARAMETERS : DECODE_PARAMETERS;
  return parameters.map((parameter) => {
    const values = Float64Array.from(front.table.numbers(`${stage}.${parameter.key}`) ?? new Float64Array(front.table.rows).fill(Number.NaN));
    return {
      key: `${stage}.${parameter.key}`,
      group: stage === "prefill" ? "Prefill parallelism" : "Decode parallelism",
      head: parameter.short,
      title: `${stage} ${parameter.title}: ${parameter.meaning}`,
      unit: "",
      values,
      text: (row) => (Number.isNaN(values[row]!) ? null : formatCount(values[row]!)),
      reason: undefined,
    };
  });
}

export function FrontTable({ front, columns, registry, shownMetrics, mask, hrefOf, onOpen, onHover }: FrontTableProps): JSX.Element {
  const metricNames = [...new Set([...front.head.objectives, ...shownMetrics, ...ALWAYS])].filter((name) => columns.has(name));
  const metricKey = metricNames.join();
  const table = useMemo(
    () => [
      ...fitColumn(front),
      ...metricNames.flatMap((name) => [metricColumn(name, front, columns, registry), ...(name === "quality" ? [qualityColumn(front, columns.get(name)!)] : [])]).sort((a, b) => Number(a.group === "Metrics") - Number(b.group === "Metrics")),
      ...parameterColumns(front, "prefill"),
      ...parameterColumns(front, "decode"),
    ],
    [front, columns, registry, metricKey],
  );
  const [sort, setSort] = useState<{ key: string; direction: Direction }>({ key: front.head.objectives[0] ?? "", direction: "ascending" });
  const order = useMemo(() => {
    const column = table.find((candidate) => candidate.key === sort.key) ?? table[0]!;
    const all = sortedOrder(column.values, sort.direction);
    return mask === null ? all : all.filter((index) => mask[index] === 1);
  }, [table, sort, mask]);

  const wrap = useRef<HTMLDivElement>(null);
  const [scrollTop, setScrollTop] = useState(0);
  const [active, setActive] = useState(0);
  const [moved, setMoved] = useState(false);
  const { from, to } = visibleRows(order.length, scrollTop, VIEW_HEIGHT, ROW_HEIGHT);
  const tabStop = active >= from && active < to ? active : from;

  const sortBy = (key: string): void => {
    setSort((before) => ({ key, direction: before.key === key && before.direction === "ascending" ? "descending" : "ascending" }));
    setActive(0);
    wrap.current?.scrollTo({ top: 0 });
  };

  const keyDown = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 }[event.key];
    const target = event.key === "Home" ? 0 : event.key === "End" ? order.length - 1 : step === undefined ? null : active + step;
    if (target === null) return;
    event.preventDefault();
    const next = Math.min(order.length - 1, Math.max(0, target));
    setActive(next);
    setMoved(true);
    const element = wrap.current;
    if (element === null) return;
    const top = next * ROW_HEIGHT;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW_HEIGHT * 4 > element.scrollTop + element.clientHeight) element.scrollTop = top + ROW_HEIGHT * 4 - element.clientHeight;
  };

  // The row may only be drawn after the scroll: the focus follows once it is there.
  useEffect(() => {
    if (!moved) return;
    const link = wrap.current?.querySelector<HTMLElement>(`[data-row="${active}"] a`);
    if (link != null) {
      link.focus({ preventScroll: true });
      setMoved(false);
    }
  });

  const groups = table.reduce<{ name: string; span: number }[]>((list, column) => {
    const last = list[list.length - 1];
    if (last?.name === column.group) last.span += 1;
    else list.push({ name: column.group, span: 1 });
    return list;
  }, []);
  const starts = new Set(table.filter((column, i) => i > 0 && table[i - 1]!.group !== column.group).map((column) => column.key));

  return (
    <Panel
      title="Designs on the front"
      note="arrow keys move, Enter opens"
      flush
      tools={<ProvenanceBadge provenance={front.head.provenance} />}
    >
      <div
        ref={wrap}
        class={css.tableWrap}
        onScroll={(event) => setScrollTop(event.currentTarget.scrollTop)}
        onPointerLeave={() => onHover(-1)}
      >
        <table class={css.table} aria-label="Designs on the front" aria-rowcount={order.length + 2}>
          <thead>
            <tr class={css.groups} aria-rowindex={1}>
              <th scope="col" />
              {groups.map((group, i) => (
                <th key={group.name} colSpan={group.span} scope="colgroup" class={i > 0 ? css.groupStart : undefined}>
                  {group.name}
                </th>
              ))}
            </tr>
            <tr class={css.heads} aria-rowindex={2}>
              <th scope="col">Design</th>
              {table.map((column) => (
                <th
                  key={column.key}
                  scope="col"
                  class={starts.has(column.key) ? css.groupStart : undefined}
                  aria-sort={sort.key === column.key ? sort.direction : "none"}
                  title={column.title}
                >
                  <button type="button" class={css.sort} onClick={() => sortBy(column.key)}>
                    {column.head}
                    <i aria-hidden="true">{sort.key === column.key ? (sort.direction === "ascending" ? "▲" : "▼") : ""}</i>
                  </button>
                  <span class={css.headUnit}>{column.unit}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody onKeyDown={keyDown}>
            {from > 0 && <Spacer height={from * ROW_HEIGHT} span={table.length + 1} />}
            {order.slice(from, to).map((index, k) => (
              <tr
                key={index}
                data-row={from + k}
                aria-rowindex={from + k + 3}
                onClick={(event) => {
                  if (!(event.target instanceof Element && event.target.closest("a") !== null)) onOpen(index);
                }}
                onPointerEnter={() => onHover(index)}
                onFocus={() => {
                  setActive(from + k);
                  onHover(index);
                }}
              >
                <th scope="row">
                  <Link to={hrefOf(index)} label={`Design ${index}`} tabIndex={from + k === tabStop ? 0 : -1}>
                    #{index}
                  </Link>
                </th>
                {table.map((column) => (
                  <td key={column.key} class={starts.has(column.key) ? css.groupStart : undefined}>
                    {column.text(index) ?? <Missing reason={column.reason} />}
                  </td>
                ))}
              </tr>
            ))}
            {to < order.length && <Spacer height={(order.length - to) * ROW_HEIGHT} span={table.length + 1} />}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Spacer({ height, span }: { readonly height: number; readonly span: number }): JSX.Element {
  return (
    <tr class={css.spacer} aria-hidden="true">
      <td colSpan={span} style={{ height: `${height}px` }}>
        <div style={{ height: `${height}px` }} />
      </td>
    </tr>
  );
}
