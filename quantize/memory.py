"""How much memory an evaluation needs, said before it starts."""

from __future__ import annotations

import os

from spec.errors import InputError
from spec.model_config import ModelConfig

_FP32_BYTES = 4
# Live copies of the weights: fp32 as loaded, fp32 rotated, and the rounded integers of about two widths.
_WEIGHT_BYTES = 2 * _FP32_BYTES + 2 * 2
# Arrays of a window that live at once: scores, exponentials and their rounding (tokens x tokens of one head).
_SCORE_ARRAYS = 5
_HIDDEN_ARRAYS = 8


def evaluation_bytes(config: ModelConfig, window_tokens: int) -> int:
    """Bytes that evaluating windows of that many tokens takes, to about a third."""
    widest = max(config.ffn_dim * 2, config.q_dim + 2 * config.kv_dim)
    weights = _WEIGHT_BYTES * (config.parameters + (config.lm_head_weights if config.tied_embeddings else 0))
    activations = _FP32_BYTES * window_tokens * (_SCORE_ARRAYS * window_tokens + _HIDDEN_ARRAYS * widest)
    return weights + activations + 4 * _FP32_BYTES * 256 * config.vocab_size


def available_bytes() -> int | None:
    """Memory that is free or can be freed, None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123
            rows = dict(line.split(":", 1) for line in file)
        return int(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (ValueError, OSError):
            return None


def check_memory(config: ModelConfig, window_tokens: int, available: int | None = None) -> None:
    """Refuse what will not fit, and say what would.

    Raises:
        InputError: more memory needed than there is.
    """
    free = available_bytes() if available is None else available
    needed = evaluation_bytes(config, window_tokens)
    if free is None or needed <= free:
        return
    fits = window_tokens
    while fits > 128 and evaluation_bytes(config, fits) > free:
        fits //= 2
    way_out = (
        f"take --window {fits}"
        if evaluation_bytes(config, fits) <= free
        else f"no window fits: take a machine with {needed / 1e9:.0f} GB, or a smaller model"
    )
    raise InputError(
        f"evaluating {config.name} does not fit into memory",
        field="window",
        value=f"{needed / 1e9:.1f} GB",
        rule=f"at most the {free / 1e9:.1f} GB that are free",
        hint=way_out,
    )
