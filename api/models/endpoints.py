"""GET /models."""

from __future__ import annotations

from fastapi import APIRouter

from api.catalog_names import known
from api.models.schemas import ModelList, ModelSummary
from api.problems import catalog_not_found, responses
from spec import catalog
from spec.model_config import ModelConfig

router = APIRouter(prefix="/models", tags=["catalog"])


@router.get("")
def list_models() -> ModelList:
    """Every model of the catalog, with its key figures."""
    return ModelList(items=tuple(ModelSummary.of(catalog.load_model(name)) for name in catalog.names("models")))


@router.get("/{name}", responses=responses(404))
def get_model(name: str) -> ModelConfig:
    """One model: a document that can be changed and sent as the `model` of an exploration."""
    with catalog_not_found():
        return catalog.load_model(known("models", "model", name))
