/** One design of a front: what it is, what it costs, where the time and the card go, and how to build it. */
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { ApiError } from "../../api/client";
import type { CostReport, Exploration, Front, FrontDesign } from "../../domain/documents";
import { frontColumns } from "../../domain/columns";
import { designCommands } from "../../domain/commands";
import { explorationTitle } from "../../domain/exploration";
import { isFinished } from "../../domain/live";
import { metricOf, registryOf } from "../../domain/registry";
import { formatCount } from "../../domain/units";
import { chooseAxes, opposingPair } from "../../state/axes";
import { openExploration } from "../../state/exploration";
import { references } from "../../state/references";
import { formatPage } from "../../state/route";
import { href, navigate, route } from "../../state/router";
import { Badge, Blank, Button, buttonClass, Command, Failure, Panel, ProvenanceBadge, Skeleton } from "../../ui/basics";
import { Link } from "../../ui/Link";
import { ParetoExplorer } from "../exploration/ParetoExplorer";
import { downloadJson } from "./download";
import { MemoryPanel } from "./MemoryPanel";
import { MetricsPanel } from "./MetricsPanel";
import { ParametersPanel } from "./ParametersPanel";
import { ResourcesPanel } from "./ResourcesPanel";
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
        <Blank title="There is no such exploration">
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
  const entry = front.data.entries[index];
  if (entry === undefined) {
    return (
      <Blank title={`The front has no design #${index}`}>
        <p>
          It has {formatCount(front.data.entries.length)} designs. {back}
        </p>
      </Blank>
    );
  }
  const report = opened.report(index);
  const { data, error: reportError } = report.state.value;
  return (
    <div class={css.stack}>
      <Head exploration={detail.data} front={front.data} entry={entry} report={data} index={index} />
      <div class={`${css.two} ${css.wideLeft}`}>
        <MetricsPanel front={front.data} entry={entry} report={data} />
        <Context exploration={detail.data} front={front.data} index={index} />
      </div>
      <ParametersPanel design={entry.design} />
      {data !== null ? (
        <Report report={data} />
      ) : reportError !== null ? (
        <Failure error={reportError} retry={() => void report.load()} />
      ) : (
        <Panel title="Time, resources and memory">
          <Skeleton label="Pricing the design" lines={8} />
        </Panel>
      )}
      <BuildPanel exploration={detail.data} entry={entry} />
    </div>
  );
}

function Report({ report }: { readonly report: CostReport }): JSX.Element {
  return (
    <>
      <RequestTimePanel report={report} />
      <div class={css.two}>
        <StageTimePanel report={report} stage="prefill" />
        <StageTimePanel report={report} stage="decode" />
      </div>
      <ResourcesPanel report={report} />
      <MemoryPanel report={report} />
      <div class={css.two}>
        <ViolationsPanel violations={report.violations} />
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
  readonly exploration: Exploration;
  readonly front: Front;
  readonly entry: FrontDesign;
  readonly report: CostReport | null;
  readonly index: number;
}

function Head({ exploration, front, entry, report, index }: HeadProps): JSX.Element {
  const { view } = route.value;
  const count = front.entries.length;
  useEffect(() => {
    document.title = `Design #${index} · ${explorationTitle(exploration)} · FlexDSE`;
  }, [exploration, index]);
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
          <ProvenanceBadge provenance={report?.provenance ?? front.provenance} />
          <Badge title="version of the cost models">models {front.model_version}</Badge>
          <Badge title="version of the operator timing table">timing {front.timing_table_version}</Badge>
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
        <Button primary onClick={() => downloadJson(designFile(entry), entry.design)}>
          Download design JSON
        </Button>
      </div>
    </header>
  );
}

function designFile(entry: FrontDesign): string {
  return `design-${entry.key}.json`;
}

interface ContextProps {
  readonly exploration: Exploration;
  readonly front: Front;
  readonly index: number;
}

/** Where the design lies on the front; a click goes to another one. */
function Context({ exploration, front, index }: ContextProps): JSX.Element {
  const { view } = route.value;
  const columns = useMemo(() => frontColumns(front), [front]);
  const registry = registryOf(front);
  const pair = useMemo(() => opposingPair(columns, front.objectives, (name) => metricOf(name, registry).sense) ?? [], [columns, front]);
  const axes = useMemo(() => chooseAxes(columns, front.objectives, view, pair), [columns, front, view, pair]);
  const { model, device, workload } = exploration;
  return (
    <ParetoExplorer
      title="Place on the front"
      axes={axes}
      columns={columns}
      registry={registry}
      objectives={front.objectives}
      references={references(model, device, workload.prompt_tokens, workload.output_tokens)}
      live={false}
      compact
      selected={index}
      height={396}
      empty={null}
      keyOf={(other) => front.entries[other]?.key ?? ""}
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
    <Panel title="Build it" note="download the design JSON first; these commands price it, write its HLS project and prove it bit-exact">
      <div class={css.commands}>
        {commands.map((text) => (
          <Command key={text} text={text} />
        ))}
      </div>
    </Panel>
  );
}
