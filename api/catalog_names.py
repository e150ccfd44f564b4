"""Fields of a request that take the name of a catalog entry or a whole document, and never a path of the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from api.uploads import uploaded, uploaded_names
from spec import catalog
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError, UnknownNameError
from spec.model_config import ModelConfig, from_hugging_face
from spec.strict import Document

CatalogName = Annotated[str, Field(max_length=200, description="a name of the catalog")]
HuggingFaceConfig = Annotated[dict[str, Any], Field(description="the config.json of a Hugging Face checkpoint")]

UPLOADED_MODEL_NAME = "uploaded-model"


def known(kind: catalog.Kind, what: str, name: str, own: Sequence[str] = ()) -> str:
    """`name` if the catalog has it.

    Raises:
        UnknownNameError: with the nearest names, those in `own` among them.
    """
    if name not in catalog.names(kind):
        raise UnknownNameError(what, name, [*catalog.names(kind), *own], hint=f"GET /api/v1/{kind} lists them.")
    return name


def find_device(name: str) -> Device:
    """The device of that name, of the sender's uploads or of the catalog."""
    if (document := uploaded("device", name)) is not None:
        return Device.model_validate(document)
    return catalog.load_device(known("devices", "device", name, uploaded_names("device")))


def find_model(name: str) -> ModelConfig:
    """The model of that name, of the sender's uploads or of the catalog."""
    if (document := uploaded("model", name)) is not None:
        return ModelConfig.model_validate(document)
    return catalog.load_model(known("models", "model", name, uploaded_names("model")))


def _name_or_document(kind: catalog.Kind, what: str, value: Any) -> Any:
    if isinstance(value, str | dict | BaseModel):
        return value
    raise InputError(
        f"neither the name of a {what} nor its document",
        field=what,
        value=value,
        rule=f"a name, as text, or the whole document of a {what}",
        hint=f"GET /api/v1/{kind} lists the names",
    )


def _device(value: Any) -> Any:
    value = _name_or_document("devices", "device", value)
    return find_device(value) if isinstance(value, str) else value


def _model(value: Any) -> Any:
    value = _name_or_document("models", "model", value)
    if isinstance(value, str):
        return find_model(value)
    if isinstance(value, dict) and "hidden_size" in value:  # the key that only a config.json has
        return from_hugging_face(Document(value), UPLOADED_MODEL_NAME)
    return value


def _design(value: Any) -> Any:
    value = _name_or_document("designs", "design", value)
    return catalog.load_design(known("designs", "design", value)) if isinstance(value, str) else value


DeviceField = Annotated[Device, BeforeValidator(_device, json_schema_input_type=CatalogName | Device)]
ModelField = Annotated[
    ModelConfig, BeforeValidator(_model, json_schema_input_type=CatalogName | ModelConfig | HuggingFaceConfig)
]
DesignField = Annotated[DesignPoint, BeforeValidator(_design, json_schema_input_type=CatalogName | DesignPoint)]
