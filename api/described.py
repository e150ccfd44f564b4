"""What a user may say about a resource: its name, labels and a note."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query
from pydantic import Field

from spec.strict import StrictModel

Label = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s,][^,]*$")]
Labels = Annotated[tuple[Label, ...], Field(max_length=20)]
Name = Annotated[str, Field(max_length=200)]
Note = Annotated[str, Field(max_length=10_000)]


class Description(StrictModel):
    """Changes of what is said about a resource; what is left out stays."""

    name: Name | None = None
    labels: Labels | None = None
    note: Note | None = None


NameContains = Annotated[str | None, Query(max_length=200, description="only those whose name contains this")]
LabelIs = Annotated[str | None, Query(min_length=1, max_length=64, description="only those with this label")]
ModelIs = Annotated[str | None, Query(max_length=64, description="only those of this model")]
DeviceIs = Annotated[str | None, Query(max_length=64, description="only those of this device")]
IfMatch = Annotated[str | None, Header(max_length=1000, description="change only what still has this ETag")]
