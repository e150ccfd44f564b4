"""HmtPlugin: long prompts segment by segment through a memory of earlier segments (hierarchical memory transformer).

FlexLLM's plug-in (Modules/HMT.h, Crazy-James26/FlexLLM @09a65344) around an unchanged prefill kernel. A prompt is cut
into segments. From the second on, a first prefill over `[T, first summary_tokens of the segment, T]` (the summary
window) gives a query, cross-attention over the memories of earlier segments gives a prompt vector P, and a second
prefill over `[P, last recall_tokens of the segment before, the segment, P]` (the memory window) gives its memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from spec.strict import StrictModel

Tokens = Annotated[int, Field(ge=1, le=1_048_576)]
Lanes = Annotated[int, Field(ge=1, le=4096)]

WindowKind = Literal["summary", "memory"]
OUTER_TOKENS = 2  # T before and after a summary window, P before and after a memory window


class HmtPlugin(StrictModel):
    """The plug-in's sizes, by FlexLLM's names HMT_SEG_LEN, HMT_SUM_SEG_LEN, HMT_REC_SEG_LEN, MEM_NUM, HMT_MAX_SEG_NUM,
    HMT_T_BLOCK_PARALLEL and HMT_W_QK_ATTN_PARALLEL.

    `window_multiple` has no name there: its loader pads a window to TOKEN_PARALLEL = 8 rows, whence 504 rows for the
    summary window, which key blocks of 16 do not divide.
    """

    segment_tokens: Annotated[Tokens, Field(description="new tokens of a segment")]
    summary_tokens: Annotated[Tokens, Field(description="tokens of a segment that make its query")]
    recall_tokens: Annotated[int, Field(ge=0, le=65536, description="tokens of the segment before, read again")]
    memories: Annotated[Tokens, Field(description="slots of the memory; the oldest is overwritten")]
    max_segments: Annotated[Tokens, Field(description="segments of the longest prompt")]
    block_parallelism: Annotated[Lanes, Field(description="groups of output channels of the fp32 engine side by side")]
    weight_parallelism: Annotated[Lanes, Field(description="output channels per group and pass of the fp32 engine")]
    window_multiple: Annotated[Lanes, Field(description="each window is padded with zero rows to a multiple of it")]

    def padded(self, tokens: int) -> int:
        """Rows of a window of `tokens`."""
        return -(-tokens // self.window_multiple) * self.window_multiple

    def segments(self, tokens: int) -> int:
        """Segments of `tokens` prefilled tokens."""
        return -(-tokens // self.segment_tokens)

    def last_segment_tokens(self, tokens: int) -> int:
        """Tokens of the last segment, which may be shorter than the others."""
        return tokens - max(self.segments(tokens) - 1, 0) * self.segment_tokens

    def window(self, kind: WindowKind, new_tokens: int, count: int, *, first: bool = False) -> HmtWindow:
        """`count` windows of segments of `new_tokens` tokens; `first`: of the first segment, with nothing to recall."""
        if kind == "summary":
            read = min(new_tokens, self.summary_tokens)
            return HmtWindow(kind, count, self.padded(OUTER_TOKENS + read), OUTER_TOKENS + read)
        rows = self.padded(OUTER_TOKENS + self.recall_tokens + new_tokens)
        return HmtWindow(kind, count, rows, new_tokens if first else self.recall_tokens + new_tokens)

    def windows(self, tokens: int) -> tuple[HmtWindow, ...]:
        """All prefills that a prompt of `tokens` prefilled tokens takes."""
        segments, last = self.segments(tokens), self.last_segment_tokens(tokens)
        if segments == 0:
            return ()
        if segments == 1:
            return (self.window("memory", last, 1, first=True),)
        found = (
            self.window("memory", self.segment_tokens, 1, first=True),
            self.window("summary", self.segment_tokens, segments - 2),
            self.window("memory", self.segment_tokens, segments - 2),
            self.window("summary", last, 1),
            self.window("memory", last, 1),
        )
        return tuple(window for window in found if window.count)

    def longest_window_tokens(self, tokens: int) -> int:
        """Rows of the longest window: what the prefill kernel's buffers must hold."""
        return max((window.rows for window in self.windows(tokens)), default=0)

    def kept_tokens(self, tokens: int) -> int:
        """Tokens of the prompt in the KV cache when decode begins: those of the last memory window, padding left out.

        The closing P is written after every segment but the last.
        """
        return 1 + self.recall_tokens + self.last_segment_tokens(tokens) if tokens else 0


@dataclass(frozen=True, slots=True)
class HmtWindow:
    """`count` prefills over `rows` rows each; `read_rows` of them are read from the prompt, the others are on the chip."""

    kind: WindowKind
    count: int
    rows: int
    read_rows: int
