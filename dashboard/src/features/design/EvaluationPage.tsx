/** Any design that the search priced, by its row in the table of all of them: dominated or infeasible, and by which rule. */
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { ApiError } from "../../api/client";
import { priceDesign } from "../../api/designs";
import { getEvaluationRow } from "../../api/explorations";
import type { CostReport, EvaluatedRow, Exploration } from "../../domain/documents";
import { captionOf, explorationTitle } from "../../domain/exploration";
import { searchVerdict } from "../../domain/limits";
import { REGISTRY } from "../../domain/registry";
import { formatCount } from "../../domain/units";
import { openExploration } from "../../state/exploration";
import { resource } from "../../state/resource";
import { href, route } from "../../state/router";
import { Badge, Blank, Button, Failure, Panel, ProvenanceBadge, Skeleton } from "../../ui/basics";
import { useCaption } from "../../ui/caption";
import { downloadJson } from "../../ui/download";
import { Link } from "../../ui/Link";
import { BlockDiagramPanel } from "./BlockDiagramPanel";
import { EnergyPanel } from "./EnergyPanel";
import { MemoryPanel } from "./MemoryPanel";
import { MetricsPanel } from "./MetricsPanel";
import { ParametersPanel } from "./ParametersPanel";
import { QualityPanel } from "./QualityPanel";
import { ResourcesPanel } from "./ResourcesPanel";
import { StoragePanel } from "./StoragePanel";
import { RequestTimePanel, StageTimePanel } from "./TimePanels";
import { ViolationsPanel } from "./ViolationsPanel";
import css from "./design.module.css";

interface Loaded {
  readonly found: EvaluatedRow;
  readonly report: CostReport;
}

export function EvaluationPage({ id, row }: { readonly id: string; readonly row: number }): JSX.Element {
  const opened = openExploration(id);
  const exploration = opened.detail.state.value.data;
  const loaded = useMemo(() => (exploration === null ? null : resource(() => load(exploration, row))), [exploration?.id, row]);
  useEffect(() => void loaded?.load(), [loaded]);
  const { data, error } = loaded?.state.value ?? { data: null, error: opened.detail.state.value.error };
  if (exploration !== null && data !== null) return <Page exploration={exploration} row={row} {...data} />;
  if (error instanceof ApiError && error.problem.status === 404) {
    return (
      <Blank isPage title="There is no such evaluation">
        <p>
          {error.problem.detail}. <Link to={href({ name: "exploration", id }, route.value.view)}>Back to the exploration</Link>
        </p>
      </Blank>
    );
  }
  return error === null ? <Skeleton label="Pricing the design" lines={12} /> : <Failure error={error} retry={() => void (loaded ?? opened.detail).load()} />;
}

async function load({ id, model, device, workload }: Exploration, row: number): Promise<Loaded> {
  const found = await getEvaluationRow(id, row);
  return { found, report: await priceDesign({ design: found.design, model, device, workload }) };
}

function Page({ exploration, row, found, report }: Loaded & { readonly exploration: Exploration; readonly row: number }): JSX.Element {
  const { design, missed } = found;
  useCaption(`Evaluation ${row} (${found.key}) of ${captionOf(exploration)}, ${report.provenance}, models ${report.model_version}`);
  useEffect(() => {
    document.title = `Evaluation ${row} · ${explorationTitle(exploration)} · FlexDSE`;
  }, [exploration, row]);
  return (
    <div class={css.stack}>
      <header class={css.head}>
        <div>
          <nav class={css.crumb} aria-label="Way back">
            <Link to={href({ name: "exploration", id: exploration.id }, route.value.view)}>{explorationTitle(exploration)}</Link>
          </nav>
          <h1>Evaluation {formatCount(row)}</h1>
          <p class={css.sub}>
            <strong>{searchVerdict(found, report.fit)}</strong>
            <code title="equal exactly for equal designs">{found.key}</code>
            <span>{exploration.model}</span>
            <span>{exploration.device}</span>
            <ProvenanceBadge provenance={report.provenance} />
            <Badge title="version of the cost models">models {report.model_version}</Badge>
          </p>
        </div>
        <div class={css.tools}>
          <Button primary onClick={() => downloadJson(`design-${found.key}.json`, design)}>
            Download design JSON
          </Button>
        </div>
      </header>
      {missed.length > 0 && (
        <Panel title="Constraints of the search that it misses">
          <ul class={css.list}>
            {missed.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </Panel>
      )}
      <ViolationsPanel violations={found.violations} openLimits={report.open_limits} />
      <MetricsPanel head={{ objectives: exploration.objectives, metrics: [...REGISTRY.metrics.values()], missing: {}, provenance: report.provenance }} entry={found} report={report} />
      <ParametersPanel design={design} />
      <BlockDiagramPanel report={report} />
      <RequestTimePanel report={report} />
      <div class={css.two}>
        <StageTimePanel report={report} stage="prefill" />
        <StageTimePanel report={report} stage="decode" />
      </div>
      <div class={css.two}>
        <EnergyPanel report={report} />
        <QualityPanel quality={report.quality} scheme={design.quant_scheme.name} />
      </div>
      <ResourcesPanel report={report} />
      <StoragePanel report={report} design={design} />
      <MemoryPanel report={report} />
    </div>
  );
}
