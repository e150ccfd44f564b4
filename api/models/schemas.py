"""What the list of models shows."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from spec.model_config import ModelConfig
from spec.strict import StrictModel


class ModelSummary(StrictModel):
    """Key figures of a model; the whole document is at `/models/{name}`."""

    name: str
    source: Annotated[Literal["catalog", "upload"], Field(description="upload: your own")]
    title: str
    parameters: int
    hidden_dim: int
    n_layers: int
    n_q_heads: int
    n_kv_heads: int
    ffn_dim: int
    vocab_size: int
    max_context_tokens: int

    @classmethod
    def of(cls, model: ModelConfig, source: Literal["catalog", "upload"]) -> Self:
        """The summary of `model`."""
        return cls(
            name=model.name,
            source=source,
            title=model.title,
            parameters=model.parameters,
            hidden_dim=model.hidden_dim,
            n_layers=model.n_layers,
            n_q_heads=model.n_q_heads,
            n_kv_heads=model.n_kv_heads,
            ffn_dim=model.ffn_dim,
            vocab_size=model.vocab_size,
            max_context_tokens=model.max_context_tokens,
        )


class ModelList(StrictModel):
    """Every model of the catalog, by name."""

    items: tuple[ModelSummary, ...]
