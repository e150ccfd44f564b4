/** Designs, or two explorations, side by side: what differs comes first. */
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { type CompareRow, differencesFirst } from "../../domain/compare";
import { resource } from "../../state/resource";
import { basket, setBasket } from "../../state/basket";
import { href, route, setView } from "../../state/router";
import { Blank, Button, Failure, Missing, Panel, ProvenanceBadge, Skeleton } from "../../ui/basics";
import { DataTable, NumericCell } from "../../ui/DataTable";
import { Link } from "../../ui/Link";
import { compareDesigns, compareExplorations, type Comparison as Loaded } from "./comparison";
import { FrontsPanel } from "./FrontsPanel";
import css from "./compare.module.css";

const MOST_DESIGNS = 6;
const MOST_EXPLORATIONS = 2;

export function ComparePage(): JSX.Element {
  const { designs, explorations } = route.value.view;
  useEffect(() => {
    document.title = "Compare · FlexDSE";
  }, []);
  useEffect(() => {
    if (designs.length > 0) setBasket(designs);
  }, [designs]);
  const refs = designs.slice(0, MOST_DESIGNS);
  const ids = explorations.slice(0, MOST_EXPLORATIONS);
  return (
    <div class={css.page}>
      <header class={css.head}>
        <h1>Compare</h1>
        {(designs.length > 0 || basket.value.length > 0) && (
          <Button
            onClick={() => {
              setBasket([]);
              setView({ designs: [] });
            }}
          >
            Forget the chosen designs
          </Button>
        )}
      </header>
      {ids.length >= 2 ? (
        <Comparison key={ids.join()} load={() => compareExplorations(ids)} />
      ) : refs.length >= 2 ? (
        <>
          {designs.length > MOST_DESIGNS && <p class={css.note}>The first {MOST_DESIGNS} of {designs.length} designs: more do not stay readable side by side.</p>}
          <Comparison key={refs.map((ref) => `${ref.exploration}:${ref.index}`).join()} load={() => compareDesigns(refs)} />
        </>
      ) : (
        <Panel title={designs.length === 1 ? "One more is needed" : "Nothing to compare yet"}>
          <Blank title={designs.length === 1 ? "One design is chosen" : "Choose two to six designs, or two explorations"}>
            {designs.length === 1 && (
              <p>
                <Link to={href({ name: "exploration", id: designs[0]!.exploration }, { designs })}>Choose another design of the same exploration</Link>: what is chosen stays in the address.
              </p>
            )}
            <p>
              Designs, also of other explorations, are added with “Add to compare” on their page; two explorations are chosen in the <Link to="/explorations">table of explorations</Link>.
            </p>
          </Blank>
        </Panel>
      )}
    </div>
  );
}

function Comparison({ load }: { readonly load: () => Promise<Loaded> }): JSX.Element {
  const loaded = useMemo(() => resource(load), []);
  useEffect(() => void loaded.load(), [loaded]);
  const { data, error } = loaded.state.value;
  if (error !== null) return <Failure error={error} retry={() => void loaded.load()} />;
  if (data === null) return <Skeleton label="Loading what is compared" lines={12} />;
  return (
    <>
      {data.caveat !== null && (
        <p class={css.caveat} role="note">
          {data.caveat}
        </p>
      )}
      {data.fronts.length > 0 && <FrontsPanel fronts={data.fronts} />}
      <Panel
        title="Side by side"
        note={`differences first, the widest apart on top${data.caveat === null ? "; the better value is marked" : ""}`}
        flush
      >
        <DataTable
          label="Comparison"
          heads={[{ title: "Metric or parameter", hidden: true }, ...data.columns.map((column) => ({ title: <Link to={column.href}>{column.title}</Link>, numeric: true }))]}
        >
          {data.groups.map((group) => (
            <tbody key={group.title}>
              <tr>
                <th scope="rowgroup" class={css.group} colSpan={data.columns.length + 1}>
                  {group.title} {group.provenance !== null && <ProvenanceBadge provenance={group.provenance} />}
                </th>
              </tr>
              {differencesFirst(group.rows).map((row) => (
                <Row key={row.name} row={row} />
              ))}
            </tbody>
          ))}
        </DataTable>
      </Panel>
    </>
  );
}

function Row({ row }: { readonly row: CompareRow }): JSX.Element {
  return (
    <tr data-row={row.name} data-differs={row.differs}>
      <th scope="row" class={css.rowName} title={row.definition === "" ? undefined : row.definition}>
        {row.title}
      </th>
      {row.texts.map((text, i) => (
        <NumericCell key={i} class={row.differs ? css.differs : undefined}>
          {text ?? <Missing reason={row.reason} />}
          {i === row.best && (
            <span class={css.best} title="the better value">
              {" "}
              ✓<span class="visually-hidden">better</span>
            </span>
          )}
        </NumericCell>
      ))}
    </tr>
  );
}
