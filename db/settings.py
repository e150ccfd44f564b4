"""Where the service keeps things: from the data folder, or from the environment on a cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from db.data_folder import database_url

DATABASE_VARIABLE = "FLEXDSE_DATABASE_URL"
BROKER_VARIABLE = "FLEXDSE_BROKER_URL"
ARTIFACTS_VARIABLE = "FLEXDSE_ARTIFACTS_URL"
ARTIFACTS_NAME = "artifacts"
WORK_NAME = "work"  # where jobs have their folders, while they run


@dataclass(frozen=True, slots=True)
class Locations:
    """The three addresses of a service. `broker_url` None: an embedded one, or none at all."""

    database_url: str
    broker_url: str | None
    artifacts_url: str

    @staticmethod
    def of(home: Path, environment: Mapping[str, str] = os.environ) -> Locations:
        """The addresses of whoever works in the data folder `home`; a variable that is set wins.

        Raises:
            InputError: the path of the data folder cannot be part of an address.
        """
        return Locations(
            database_url=environment.get(DATABASE_VARIABLE, "").strip() or database_url(home),
            broker_url=environment.get(BROKER_VARIABLE, "").strip() or None,
            artifacts_url=environment.get(ARTIFACTS_VARIABLE, "").strip() or str(home.resolve() / ARTIFACTS_NAME),
        )

    @property
    def is_local(self) -> bool:
        """The database is a file of this machine."""
        return self.database_url.startswith("sqlite")
