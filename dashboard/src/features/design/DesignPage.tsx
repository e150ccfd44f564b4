/** One design of a front: what it is, what it costs, where the time and the card go, and how to build it. */
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError } from "../../api/client";
import type { CostReport, Exploration, FrontDesign } from "../../domain/documents";
import { frontColumns, type FrontView, undecidedMask } from "../../domain/columns";
import { designCommands } from "../../domain/commands";
import { captionOf, explorationTitle } from "../../domain/exploration";
import { FIT_TITLES } from "../../domain/limits";
import { isFinished } from "../../domain/live";
import { metricOf, registryOf } from "../../domain/registry";
import { formatCount } from "../../domain/units";
import { chooseAxes, opposingPair } from "../../state/axes";
import { basket, withDesign } from "../../state/basket";
import { openExploration, type OpenExploration } from "../../state/exploration";
import { references } from "../../state/references";
import { settled } from "../../state/resource";
import { formatPage } from "../../state/route";
import { href, navigate, route } from "../../state/router";
import { Badge, Blank, Button, buttonClass, Command, Failure, Panel, ProvenanceBadge, Skeleton } from "../../ui/basics";
import { Link } from "../../ui/Link";
import { DesignProjects } from "../project/DesignProjects";
import { ParetoExplorer } from "../exploration/ParetoExplorer";
import { datasheetHtml } from "../../domain/datasheet";
import { useCaption } from "../../ui/caption";
import { downloadJson, downloadText } from "../../ui/download";
import { BlockDiagramPanel } from "./BlockDiagramPanel";
import { EnergyPanel } from "./EnergyPanel";
import { FloorplanPanel } from "./FloorplanPanel";
import { MemoryPanel } from "./MemoryPanel";
import { MetricsPanel } from "./MetricsPanel";
import { ParametersPanel } from "./ParametersPanel";
import { QualityPanel } from "./QualityPanel";
import { ResourcesPanel } from "./ResourcesPanel";
import { RooflinePanel } from "./RooflinePanel";
import { SensitivityPanel } from "./SensitivityPanel";
import { TargetPanel } from "./TargetPanel";
import { StoragePanel } from "./StoragePanel";
import { RequestTimePanel, StageTimePanel } from "./TimePanels";
import { ViolationsPanel } from "./ViolationsPanel";
import css from "./design.module.css";

interface DesignPageProps {
  readonly id: string;
  readonly index: number;
}

export function DesignPage({ id, index }: DesignPageProps): JSX.Element {
  const opened = openExploration(id);
  const detail = opened.detail.state.value;
  const front = opened.front.state.value;
  const back = <Link to={href({ name: "exploration", id }, route.value.view)}>Back to the exploration</Link>;

  const error = detail.error ?? front.error;
  if (detail.data === null || front.data === null) {
    if (error instanceof ApiError && error.problem.status === 404) {
      return (
        <Blank isPage title="There is no such exploration">
          <p>
            <code>{id}</code> is not known here. <Link to="/">Go to the newest one</Link>.
          </p>
        </Blank>
      );
    }
    if (error !== null) return <Failure error={error} retry={() => void Promise.all([opened.detail.load(), opened.front.load()])} />;
    if (detail.data !== null && !isFinished(opened.live.value?.state ?? detail.data.state)) {
      return (
        <Blank title="The search still runs">
          <p>Designs can be opened once the front is complete. {back}</p>
        </Blank>
      );
    }
    return <Skeleton label="Loading the design" lines={12} />;
  }
  if (index >= front.data.table.rows) {
    return (
      <Blank title={`The front has no design #${index}`}>
        <p>
          It has {formatCount(front.data.table.rows)} designs. {back}
        </p>
      </Blank>
    );
  }
  const design = opened.design(index);
  const entry = design.state.value.data;
  if (entry === null) {
    const failed = design.state.value.error;
    return failed === null ? <Skeleton label="Loading the design" lines={12} /> : <Failure error={failed} retry={() => void design.load()} />;
  }
  const report = opened.report(index);
  const { data, error: reportError } = report.state.value;
  return (
    <div class={css.stack}>
      <Head opened={opened} exploration={detail.data} front={front.data} entry={entry} report={data} index={index} />
      <div class={`${css.two} ${css.wideLeft}`}>
        <MetricsPanel head={front.data.head} entry={entry} report={data} />
        <Context exploration={detail.data} front={front.data} index={index} />
      </div>
      <ParametersPanel design={entry.design} />
      {data !== null ? (
        <Report report={data} opened={opened} exploration={detail.data} entry={entry} index={index} objectives={front.data.head.objectives} />
      ) : reportError !== null ? (
        <Failure error={reportError} retry={() => void report.load()} />
      ) : (
        <Panel title="Time, resources and memory">
          <Skeleton label="Pricing the design" lines={8} />
        </Panel>
      )}
      <DesignProjects exploration={id} index={index} designKey={entry.key} model={detail.data.model} device={detail.data.device} />
      <BuildPanel exploration={detail.data} entry={entry} />
    </div>
  );
}

interface ReportProps {
  readonly report: CostReport;
  readonly opened: OpenExploration;
  readonly exploration: Exploration;
  readonly entry: FrontDesign;
  readonly index: number;
  readonly objectives: readonly string[];
}

function Report({ report, opened, exploration, entry, index, objectives }: ReportProps): JSX.Element {
  return (
    <>
      <BlockDiagramPanel report={report} />
      <RequestTimePanel report={report} />
      <div class={css.two}>
        <StageTimePanel report={report} stage="prefill" />
        <StageTimePanel report={report} stage="decode" />
      </div>
      <div class={css.two}>
        <RooflinePanel opened={opened} report={report} design={entry.design} workload={exploration.workload} />
        <div class={css.stack}>
          <EnergyPanel report={report} />
          <QualityPanel quality={report.quality} scheme={entry.design.quant_scheme.name} />
        </div>
      </div>
      <ResourcesPanel report={report} />
      <FloorplanPanel key={`floorplan-${index}`} opened={opened} index={index} />
      <StoragePanel report={report} design={entry.design} />
      <MemoryPanel report={report} />
      <SensitivityPanel key={`sensitivity-${index}`} opened={opened} index={index} objectives={objectives} />
      <TargetPanel key={`target-${index}`} opened={opened} index={index} objectives={objectives} />
      <div class={css.two}>
        <ViolationsPanel violations={report.violations} openLimits={report.open_limits} />
        <Panel title="Assumptions">
          {report.assumptions.length === 0 ? (
            <p class={css.note}>None beyond the models themselves.</p>
          ) : (
            <ul class={css.list}>
              {report.assumptions.map((text) => (
                <li key={text}>{text}</li>
              ))}
            </ul>
          )}
        </Panel>
      </div>
    </>
  );
}

interface HeadProps {
  readonly opened: OpenExploration;
  readonly exploration: Exploration;
  readonly front: FrontView;
  readonly entry: FrontDesign;
  readonly report: CostReport | null;
  readonly index: number;
}

function Head({ opened, exploration, front, entry, report, index }: HeadProps): JSX.Element {
  const { view } = route.value;
  const count = front.table.rows;
  useEffect(() => {
    document.title = `Design #${index} · ${explorationTitle(exploration)} · FlexDSE`;
  }, [exploration, index]);
  useCaption(`Design #${index} (${entry.key}) of ${captionOf(exploration)}, ${report?.provenance ?? front.head.provenance}, models ${front.head.model_version}, timing ${front.head.timing_table_version}`);
  const chosen = (view.designs.length > 0 ? view.designs : basket.value).filter((ref) => ref.exploration !== exploration.id || ref.index !== index);
  const to = (other: number): string => href({ name: "design", id: exploration.id, index: other }, view);
  return (
    <header class={css.head}>
      <div>
        <nav class={css.crumb} aria-label="Way back">
          <Link to={href({ name: "exploration", id: exploration.id }, view)}>{explorationTitle(exploration)}</Link>
        </nav>
        <h1>
          Design #{index}
        </h1>
        <p class={css.sub}>
          <span>{formatCount(count)} on the front</span>
          <code title="equal exactly for equal designs">{entry.key}</code>
          <span>{exploration.model}</span>
          <span>{exploration.device}</span>
          <span>
            {formatCount(exploration.workload.prompt_tokens)} prompt → {formatCount(exploration.workload.output_tokens)} output tokens
          </span>
          <ProvenanceBadge provenance={report?.provenance ?? front.head.provenance} />
          {report !== null && <strong>{FIT_TITLES[report.fit]}</strong>}
          <Badge title="version of the cost models">models {front.head.model_version}</Badge>
          <Badge title="version of the operator timing table">timing {front.head.timing_table_version}</Badge>
        </p>
      </div>
      <div class={css.tools}>
        {index > 0 && (
          <Link class={buttonClass} to={to(index - 1)} label="Previous design">
            ‹ Previous
          </Link>
        )}
        {index < count - 1 && (
          <Link class={buttonClass} to={to(index + 1)} label="Next design">
            Next ›
          </Link>
        )}
        <Link class={buttonClass} to={href({ name: "compare" }, { designs: withDesign(chosen, exploration.id, index) })}>
          {chosen.length > 0 ? `Compare with ${chosen.length === 1 ? "the one" : `the ${chosen.length}`} chosen` : "Add to compare"}
        </Link>
        {report !== null && <DatasheetButton opened={opened} exploration={exploration} front={front} entry={entry} report={report} index={index} />}
        <Button primary onClick={() => downloadJson(designFile(entry), entry.design)}>
          Download design JSON
        </Button>
      </div>
    </header>
  );
}

interface DatasheetButtonProps extends HeadProps {
  readonly report: CostReport;
}

/** The page is made here from what the server said; its floorplan is asked for if nobody looked at it yet. */
function DatasheetButton({ opened, exploration, front, entry, report, index }: DatasheetButtonProps): JSX.Element {
  const [busy, setBusy] = useState(false);
  const save = async (): Promise<void> => {
    setBusy(true);
    const floorplan = await settled(opened.floorplan(index));
    const { model, device, workload } = exploration;
    const html = datasheetHtml({
      title: `Design #${index} of ${explorationTitle(exploration)}`,
      designKey: entry.key,
      model,
      device,
      workload,
      objectives: front.head.objectives,
      metrics: front.head.metrics,
      design: entry.design,
      report,
      floorplan: floorplan.data?.floorplan ?? null,
      floorplanMissing: floorplan.data?.missing ?? floorplan.error?.message ?? null,
    });
    downloadText(`datasheet-${entry.key}.html`, "text/html", html);
    setBusy(false);
  };
  return (
    <Button disabled={busy} onClick={() => void save()}>
      {busy ? "Writing…" : "Datasheet"}
    </Button>
  );
}

function designFile(entry: FrontDesign): string {
  return `design-${entry.key}.json`;
}

interface ContextProps {
  readonly exploration: Exploration;
  readonly front: FrontView;
  readonly index: number;
}

/** Where the design lies on the front; a click goes to another one. */
function Context({ exploration, front, index }: ContextProps): JSX.Element {
  const { view } = route.value;
  const columns = useMemo(() => frontColumns(front), [front]);
  const undecided = useMemo(() => undecidedMask(front), [front]);
  const registry = registryOf(front);
  const pair = useMemo(() => opposingPair(columns, front.head.objectives, (name) => metricOf(name, registry).sense) ?? [], [columns, front]);
  const axes = useMemo(() => chooseAxes(columns, front.head.objectives, view, pair), [columns, front, view, pair]);
  const { model, device, workload } = exploration;
  return (
    <ParetoExplorer
      title="Place on the front"
      axes={axes}
      columns={columns}
      registry={registry}
      objectives={front.head.objectives}
      references={references(model, device, workload.prompt_tokens, workload.output_tokens)}
      live={false}
      compact
      undecided={undecided}
      selected={index}
      height={396}
      empty={null}
      keyOf={(other) => front.table.nameAt("key", other) ?? ""}
      onOpen={(other) => navigate(formatPage({ name: "design", id: exploration.id, index: other }) + window.location.search)}
    />
  );
}

function BuildPanel({ exploration, entry }: { readonly exploration: Exploration; readonly entry: FrontDesign }): JSX.Element {
  const commands = designCommands(designFile(entry), `flexdse-${entry.key}`, {
    model: exploration.model,
    device: exploration.device,
    promptTokens: exploration.workload.prompt_tokens,
    outputTokens: exploration.workload.output_tokens,
  });
  return (
    <Panel title="Build it on the command line" note="download the design JSON first; these commands price it, write its HLS project and prove it bit-exact">
      <div class={css.commands}>
        {commands.map((text) => (
          <Command key={text} text={text} />
        ))}
      </div>
    </Panel>
  );
}
