/** The HBM channel map: which port stands on which channel, what lies there, and how full each is. */
import type { JSX } from "preact";
import type { CostReport, DesignPoint, Stage } from "../../domain/documents";
import { stageStorage } from "../../domain/storage";
import { formatQuantity } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { StoragePlot } from "../../plots/StoragePlot";
import { Missing } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import css from "./design.module.css";

export function StoragePanel({ report, design }: { readonly report: CostReport; readonly design: DesignPoint }): JSX.Element {
  return (
    <ChartPanel title="HBM channel map" file="hbm-channel-map" provenance={report.provenance} note="bytes stored on each channel of the card; the line is what a channel holds">
      <div class={css.inner}>
        {(["prefill", "decode"] as const).map((stage) => (
          <Map key={stage} report={report} design={design} stage={stage} />
        ))}
      </div>
    </ChartPanel>
  );
}

function Map({ report, design, stage }: { readonly report: CostReport; readonly design: DesignPoint; readonly stage: Stage }): JSX.Element {
  const title = stage === "prefill" ? "Prefill" : "Decode";
  const storage = stageStorage(report.capacity, design, stage);
  const held = storage?.channels.filter(({ bytes }) => bytes > 0) ?? [];
  const taken = storage?.channels.filter(({ ports }) => ports.length > 0) ?? [];
  return (
    <div class={css.stage}>
      <div class={css.stageHead}>
        <h3>{title}</h3>
        <span>{storage === null ? <Missing reason="this stage keeps nothing in HBM" /> : `${taken.length} of ${storage.channels.length} channels have a port, ${held.length} hold data`}</span>
      </div>
      {storage !== null && (
        <>
          <StoragePlot storage={storage} label={`Bytes stored per HBM channel, ${stage}`} />
          <details class={css.sources}>
            <summary>Ports and data of each channel</summary>
            <DataTable label={`HBM channels of ${stage}`} inset heads={["Channel", "Port", "Holds", ...numericHeads("Stored", "Full")]}>
              <tbody>
                {taken.map(({ channel, ports, parts, bytes }) => (
                  <tr key={channel}>
                    <th scope="row">HBM[{channel}]</th>
                    <td>
                      <code>{ports.join(", ")}</code>
                    </td>
                    <td>{parts.length === 0 ? <Missing reason="the models count no bytes of what it keeps, as norm weights" /> : parts.map((part) => `${part.role.replaceAll("_", " ")} ${formatQuantity(part.bytes, "B")}`).join(", ")}</td>
                    <NumericCell>{parts.length === 0 ? <Missing reason="not counted" /> : formatQuantity(bytes, "B")}</NumericCell>
                    <NumericCell>{parts.length === 0 ? <Missing reason="not counted" /> : formatQuantity(bytes / storage.capacityBytes, "1", "fraction")}</NumericCell>
                  </tr>
                ))}
              </tbody>
            </DataTable>
          </details>
        </>
      )}
    </div>
  );
}
