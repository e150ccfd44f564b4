"""How long a request may be: no longer than the model's context, window by window with an HMT plug-in."""

from __future__ import annotations

from spec.errors import InputError
from spec.hmt import HmtPlugin
from spec.model_config import ModelConfig
from spec.workload import Workload


def check_context(model: ModelConfig, workload: Workload, hmt: HmtPlugin | None = None) -> None:
    """Refuse a workload that is longer than the model's context, or with a plug-in whose windows are.

    Raises:
        InputError: prompt_tokens + output_tokens - 1 above max_context_tokens.
    """
    limit = model.max_context_tokens
    if hmt is not None:
        tokens = workload.prompt_tokens - 1  # the last prompt token goes through decode
        kept = hmt.kept_tokens(tokens) + workload.output_tokens
        longest = max(hmt.longest_window_tokens(tokens), kept)
        if longest > limit:
            raise InputError(
                "the windows of the HMT plug-in are longer than the model's context",
                field="workload",
                value=longest,
                rule=f"a window, and the last one with the output, <= max_context_tokens = {limit}",
                hint="shorten the output or hmt.segment_tokens",
            )
        return
    if workload.context_tokens > limit:
        raise InputError(
            "the workload is longer than the model's context",
            field="workload",
            value=workload.context_tokens,
            rule=f"prompt_tokens + output_tokens - 1 <= max_context_tokens = {limit}",
            hint="shorten the prompt or the output",
        )
