"""The morning report of a sweep: a row for each case with what changed since the last report, as HTML and Parquet."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from flexdse.exploration_files import write_document
from flexdse.figures import figure
from flexdse.report_html import STYLE
from flexdse.sweep_run import Night
from flexdse.sweep_store import SweepStore
from spec.documents import envelope
from spec.goals import parse_objective
from spec.sweep import SweepPlan

SAME = 1e-9  # relative difference below which a figure is the same


def summary_rows(store: SweepStore, plan: SweepPlan) -> list[dict[str, Any]]:
    """One row a case: state, size and hypervolume of the front, the best of each objective, and the change."""
    before = store.last_summary()
    return [_row(store, case.key(), case, before.get(case.key())) for case in plan.all_cases()]


def _row(store: SweepStore, key: str, case: Any, last: Mapping[str, Any] | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "key": key, "title": case.title, "model": case.model, "device": case.device,
        "prompt_tokens": case.workload.prompt_tokens, "output_tokens": case.workload.output_tokens,
        "objectives": list(case.objectives), "constraints": "; ".join(case.constraints), "method": case.method,
        "seed": case.seed,
    }  # fmt: skip
    found, failure = store.result(key), store.failure(key)
    row |= {"state": "waiting", "cause": None, "message": None, "model_version": None, "seconds": None,
            "front_size": None, "space_size": None, "evaluations": None, "hypervolume": None,
            "hypervolume_ratio": None, "best": {}}  # fmt: skip
    if found is not None:
        document = found["document"]
        record = document["record"]
        best = {}
        for name in case.objectives:
            objective = parse_objective(name)
            values = [objective.expression.of(entry["metrics"]) for entry in document["front"]]
            known = [value for value in values if value is not None]
            best[name] = (min(known) if objective.sense == "min" else max(known)) if known else None
        row |= {
            "state": "done", "model_version": found["model_version"], "seconds": found["seconds"],
            "front_size": document["front_size"], "space_size": document["space_size"],
            "evaluations": record["evaluations"], "hypervolume": document["hypervolume"],
            "hypervolume_ratio": record["hypervolume_ratio"], "best": best,
        }  # fmt: skip
    elif failure is not None:
        row |= {"state": "failed", "cause": failure["cause"], "message": failure["message"], "seconds": failure["seconds"],
                "model_version": failure["model_version"]}  # fmt: skip
    row["change"] = _change(row, last)
    return row


def _change(row: Mapping[str, Any], last: Mapping[str, Any] | None) -> str:
    """What is different from the last report, in words."""
    if last is None:
        return "not run yet" if row["state"] == "waiting" else "new"
    if row["state"] != last["state"]:
        return f"{last['state']} -> {row['state']}"
    if row["state"] != "done":
        return "unchanged" if row["cause"] == last["cause"] else f"{last['cause']} -> {row['cause']}"
    found = []
    if row["model_version"] != last["model_version"]:
        found.append(f"model version {last['model_version']} -> {row['model_version']}")
    if row["front_size"] != last["front_size"]:
        found.append(f"front {last['front_size']} -> {row['front_size']} designs")
    for name in ("hypervolume", "hypervolume_ratio"):
        value, old = row[name], last.get(name)
        if (value is None) != (old is None) or (
            value is not None and old is not None and abs(value - old) > SAME * abs(old)
        ):
            found.append(f"{name} {_number(old)} -> {_number(value)}")
    for name, value in row["best"].items():
        old = last["best"].get(name)
        if value is not None and old is not None and abs(value - old) > SAME * abs(old):
            found.append(f"best {name} {value / old - 1:+.2%}" if old else f"best {name} changed")
    return "; ".join(found) or "unchanged"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def write_report(store: SweepStore, plan: SweepPlan, night: Night) -> Path:
    """Write report.html, report.parquet and summary.json of the sweep; those of every night stay under reports/."""
    rows = summary_rows(store, plan)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    page = report_page(plan, rows, night)
    frame = pd.DataFrame(
        [{**{k: v for k, v in row.items() if k not in ("best", "objectives")}, "objectives": ",".join(row["objectives"]),
          **{f"best.{name}": value for name, value in row["best"].items()}} for row in rows]
    )  # fmt: skip
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    for name, content in (("html", page.encode()), ("parquet", buffer.getvalue())):
        kept = store.folder / "reports" / f"{stamp}.{name}"
        kept.write_bytes(content)
        scratch = store.folder / f".report.{name}"
        scratch.write_bytes(content)
        scratch.replace(store.folder / f"report.{name}")
    # Last: until it is there, the next report compares with the one before.
    write_document(store.folder / "summary.json", {**envelope("sweep-summary/v1"), "name": plan.name, "rows": rows})
    return store.folder / "report.html"


def report_page(plan: SweepPlan, rows: list[dict[str, Any]], night: Night) -> str:
    """The page as text; what changed or failed stands first."""
    counts = {state: sum(row["state"] == state for row in rows) for state in ("done", "failed", "waiting")}
    order = sorted(rows, key=lambda row: (row["state"] != "failed", row["change"] == "unchanged"))
    cells = []
    for row in order:
        best = ", ".join(f"{name} {figure(name, value)}" for name, value in row["best"].items()) or "-"
        ratio = "-" if row["hypervolume_ratio"] is None else f"{row['hypervolume_ratio']:.3f}"
        note = row["change"] if row["state"] != "failed" else f"{row['change']}: {row['cause']}: {row['message']}"
        cells.append(
            "<tr>"
            + "".join(
                f"<td>{html.escape(str(text))}</td>"
                for text in (
                    row["title"], row["state"], note, "-" if row["front_size"] is None else row["front_size"], ratio, best,
                    "-" if row["seconds"] is None else f"{row['seconds']:.1f} s",
                )
            )
            + "</tr>"
        )  # fmt: skip
    head = "".join(
        f"<th>{title}</th>"
        for title in ("Case", "State", "Since the last report", "Front", "Of the exact hypervolume", "Best", "Time")
    )
    stopped = f" Stopped: {html.escape(night.stopped)}." if night.stopped else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(plan.name)}</title>'
        f"<style>{STYLE}</style><h1>{html.escape(plan.name)}</h1>"
        f"<p>{counts['done']} done, {counts['failed']} failed, {counts['waiting']} waiting. This time: {len(night.done)} "
        f"done, {len(night.failed)} failed, {len(night.skipped)} done before.{stopped} Provenance of every figure: "
        f"analytical.</p><table><thead><tr>{head}</tr></thead><tbody>{''.join(cells)}</tbody></table></html>\n"
    )
