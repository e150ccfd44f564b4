"""What the rung `quality` of the ladder of promotion measures with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class QualityInputs:
    """What the rung `quality` measures with; None for what is packaged.

    `checkpoint`: a folder or GGUF file, None for the packaged weights of the model of that name.
    """

    checkpoint: str | None = None
    text: Path | None = None
    calibration_text: Path | None = None
    wikitext_rows: bool = False

    def checkpoint_of(self, model: str) -> str:
        """The checkpoint that serves the model of that name."""
        return model if self.checkpoint is None else self.checkpoint
