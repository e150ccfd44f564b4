"""Workload: one request, and the stage names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spec.strict import StrictModel

Stage = Literal["prefill", "decode"]
STAGES: tuple[Stage, ...] = ("prefill", "decode")

MAX_TOKENS = 1_048_576


class Workload(StrictModel):
    """Tokens in and out of one request.

    The last prompt token goes through the decode accelerator and gives the first output token, so output token `i`
    (from 0) attends to `prompt_tokens + i` tokens, itself included.
    """

    prompt_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)]
    output_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)]
    batch: Annotated[Literal[1], Field(description="sequences at once; more than one is not built yet")] = 1

    @property
    def context_tokens(self) -> int:
        """Tokens in the KV cache when the last output token is made."""
        return self.prompt_tokens + self.output_tokens - 1
