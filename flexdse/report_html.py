"""report.html: the front of an exploration on one page that needs nothing but a browser."""

from __future__ import annotations

import html
import math

from dse.record_text import outside_lines
from flexdse.figures import figure, objective_value
from flexdse.front_quality import front_quality
from spec.exploration_result import ExplorationResult
from spec.metrics import METRICS

_WIDTH, _HEIGHT, _MARGIN = 720, 400, 60
SCHEME = "Quantization scheme: bits of weights, activations and KV cache"

STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.2rem .6rem;border-bottom:1px solid #d5dbe1;text-align:right}th{position:sticky;top:0;background:#fff}
td:first-child,th:first-child{text-align:left}svg text{font:11px system-ui,sans-serif;fill:#57606a}
"""


def _scatter(result: ExplorationResult) -> str:
    """The first two objectives on logarithmic axes, as SVG."""
    names = result.request.objectives
    if len(names) < 2:
        return ""
    points = [
        (x, y, f"#{i}, {e.design.quant_scheme.name}")
        for i, e in enumerate(result.front)
        for x, y in ((objective_value(names[0], e.metrics) or 0.0, objective_value(names[1], e.metrics) or 0.0),)
        if x > 0 and y > 0
    ]
    if not points:
        return ""
    logs = [(math.log(x), math.log(y)) for x, y, _ in points]
    low = [min(p[i] for p in logs) for i in (0, 1)]
    span = [max(p[i] for p in logs) - low[i] or 1.0 for i in (0, 1)]
    dots = []
    for (x, y, which), (u, v) in zip(points, logs, strict=True):
        px = _MARGIN + (u - low[0]) / span[0] * (_WIDTH - 2 * _MARGIN)
        py = _HEIGHT - _MARGIN - (v - low[1]) / span[1] * (_HEIGHT - 2 * _MARGIN)
        title = html.escape(f"{which}: {figure(names[0], x)}, {figure(names[1], y)}")
        dots.append(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="#0072b2" fill-opacity=".6"><title>{title}</title></circle>'
        )
    xs, ys = ([float(p[i]) for p in points] for i in (0, 1))
    ends = [(min(v), max(v)) for v in (xs, ys)]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="Pareto front">'
        f'<path d="M{_MARGIN} {_MARGIN / 2}V{_HEIGHT - _MARGIN / 1.5}H{_WIDTH - _MARGIN / 2}" fill="none" stroke="#8c959f"/>'
        + "".join(dots)
        + f'<text x="{_MARGIN}" y="{_HEIGHT - 18}">{html.escape(figure(names[0], ends[0][0]))}</text>'
        f'<text x="{_WIDTH - _MARGIN}" y="{_HEIGHT - 18}" text-anchor="end">{html.escape(figure(names[0], ends[0][1]))}</text>'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 4}" text-anchor="middle">{html.escape(names[0])} (log)</text>'
        f'<text x="4" y="{_HEIGHT - _MARGIN}">{html.escape(figure(names[1], ends[1][0]))}</text>'
        f'<text x="4" y="{_MARGIN}">{html.escape(figure(names[1], ends[1][1]))}</text>'
        f'<text x="4" y="14">{html.escape(names[1])} (log)</text></svg>'
    )


def report_html(result: ExplorationResult) -> str:
    """The page as text."""
    request, record = result.request, result.record
    title = f"{request.model.name} on {request.device.name}"
    columns = list(dict.fromkeys((*request.objectives, *METRICS)))
    columns = [n for n in columns if any(objective_value(n, entry.metrics) is not None for entry in result.front)]
    titles = {n: (METRICS[n].title, METRICS[n].definition) if n in METRICS else (n, "objective") for n in columns}
    head = f'<th title="{SCHEME}">Scheme</th>' + "".join(
        f'<th title="{html.escape(definition)}">{html.escape(title)}</th>' for title, definition in titles.values()
    )
    rows = []
    for index, entry in enumerate(result.front):
        cells = "".join(
            f"<td>{html.escape(figure(name, objective_value(name, entry.metrics)))}</td>" for name in columns
        )
        p, d = entry.design.prefill, entry.design.decode
        label = (
            f"#{index} prefill TP {p.token_parallelism}, QKVO {p.qkvo_weight_parallelism}, K/V {p.key_parallelism}/"
            f"{p.value_parallelism}, FFN {p.ffn_weight_parallelism}/{p.ffn_weight_blocks}; decode "
            f"{d.block_parallelism} x {d.weight_parallelism}, heads {d.head_parallelism}, K/V {d.key_parallelism}/"
            f"{d.value_parallelism}, vector {d.vector_parallelism}"
        )
        scheme = html.escape(entry.design.quant_scheme.name)
        rows.append(f"<tr><td>{html.escape(label)}</td><td>{scheme}</td>{cells}</tr>")
    if record.exact:
        found = f"exact front of {record.space_size:,} designs ({record.evaluations:,} stage designs priced)"
    else:
        ratio = record.hypervolume_ratio
        share = "" if ratio is None else f", {ratio:.1%} of the exact front's hypervolume"
        found = f"{request.method}, seed {request.seed}: {record.evaluations:,} of {record.space_size:,} designs{share}"
    outside = "".join(f"<p>{html.escape(line)}</p>" for line in outside_lines(result))
    qualities = "".join(f"<p>{html.escape(line)}</p>" for line in front_quality(result))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1>"
        f"<p>{request.workload.prompt_tokens:,} tokens in, {request.workload.output_tokens:,} out; "
        f"{html.escape(found)}; {record.seconds:.1f} s. Provenance of every figure: analytical. "
        f"Design #n is entry n of front.json, which flexdse evaluate and generate take once saved; flexdse evaluate "
        f"prints its error bands and assumptions: differences below the bands are not differences.</p>"
        f"{outside}{qualities}{_scatter(result)}<table><thead><tr><th>Design</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></html>\n"
    )
