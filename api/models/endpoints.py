"""/models."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, Path
from fastapi.responses import JSONResponse
from pydantic import Field

from api import catalog_uploads
from api.catalog_names import find_model
from api.catalog_uploads import UploadName
from api.deps import DatabaseDep, IdempotencyKeyHeader, OwnerDep, PrincipalDep
from api.explorations.preview import get_ready
from api.models.schemas import ModelList, ModelSummary
from api.openapi_parts import CREATED
from api.problems import BODY_PROBLEMS, catalog_not_found, responses
from api.strict_route import StrictRoute
from api.uploads import uploaded, uploaded_names
from spec import catalog
from spec.errors import InputError
from spec.model_config import ModelConfig, from_hugging_face
from spec.strict import Document, StrictModel, validate

router = APIRouter(prefix="/models", tags=["catalog"], route_class=StrictRoute)

ModelName = Annotated[str, Path(max_length=200)]


class ModelInput(StrictModel):
    """A model to keep: the config.json of a Llama-like checkpoint, or a whole document as GET /models/{name} gives."""

    name: UploadName
    config: Annotated[
        dict[str, Any],
        Field(json_schema_extra={"anyOf": [{"$ref": "#/components/schemas/ModelConfig"}, {"type": "object"}]}),
    ]

    def as_model(self) -> ModelConfig:
        """The model under its name.

        Raises:
            InputError: not a model that we know how to build hardware for.
        """
        if "hidden_size" in self.config:  # the key that only a config.json has
            return from_hugging_face(Document(self.config), self.name)
        try:
            return validate(ModelConfig, {**self.config, "name": self.name})
        except InputError as error:
            if error.field:
                error.field = f"config.{error.field}"
            raise


@router.get("")
def list_models(afterwards: BackgroundTasks) -> ModelList:
    """Every model of the catalog, and your own, with their key figures."""
    afterwards.add_task(get_ready)  # whoever chooses a model is about to ask what a search of it would be
    known = [ModelSummary.of(catalog.load_model(name), "catalog") for name in catalog.names("models")]
    own = [
        ModelSummary.of(ModelConfig.model_validate(uploaded("model", name)), "upload")
        for name in uploaded_names("model")
    ]
    return ModelList(items=(*known, *own))


@router.get("/{name}", responses=responses(404))
def get_model(name: ModelName) -> ModelConfig:
    """One model: a document that can be changed, and sent as the `model` of an exploration or as an upload."""
    with catalog_not_found():
        return find_model(name)


@router.post(
    "", status_code=201, response_model=ModelConfig, responses={201: CREATED, **responses(*BODY_PROBLEMS, 409)}
)
def upload_model(
    body: Annotated[ModelInput, Body()],
    database: DatabaseDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Keep a model of your own under a name."""
    model = body.as_model()
    answer = catalog_uploads.store(database, principal, "model", body.name, model, idempotency_key, lambda: model)
    return answer.response()


@router.delete("/{name}", status_code=204, responses=responses(404, 409))
def delete_model(name: ModelName, database: DatabaseDep, owner: OwnerDep) -> None:
    """Delete a model that you uploaded; results that were made with it stay."""
    catalog_uploads.remove(database, owner, "model", name)
