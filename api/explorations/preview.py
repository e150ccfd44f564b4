"""What an exploration would search, before it is submitted; and whatever its job would fail with at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.explorations.estimate import LAST_SEARCHES, estimate
from api.explorations.schemas import ExplorationInput, Preview
from db.session import Database
from spec import catalog
from spec.errors import InputError
from spec.exploration import ExplorationRequest

if TYPE_CHECKING:
    from dse.preview import SearchPreview

_OF_SPACE = ("fix.", "extend.", "restrict.", "forbid[", "modules.")


def previewed(database: Database, request: ExplorationInput) -> Preview:
    """The size of the search and its likely time.

    Raises:
        InputError: it would fail at once: a goal without a value here, or overrides that leave no design.
        InfeasibleError: the model breaks a rule that no design can mend.
    """
    found = checked(request.as_request())
    with database.read() as work:
        finished = work.explorations.finished_last(LAST_SEARCHES)
    designs = found.prefill_designs + found.decode_designs
    limit_s = request.floorplan_limit_s if request.floorplan else None
    time = estimate(request.method, designs, request.budget, limit_s, finished)
    return Preview(
        legal_designs=found.legal_designs,
        prefill_designs=found.prefill_designs,
        decode_designs=found.decode_designs,
        evaluations=found.evaluations,
        estimated_seconds=time.seconds,
        estimated_floorplan_seconds=time.floorplan_s,
        estimated_from=time.searches,
        rate_from=time.of_rate,
    )


def checked(request: ExplorationRequest) -> SearchPreview:
    """The size of the search: some 20 ms, the first time on a card and of a scheme some tenths of a second.

    Raises:
        InputError: as `previewed`.
        InfeasibleError: as `previewed`.
    """
    try:
        from dse.preview import preview  # loads NumPy and the models

        return preview(request)
    except InputError as error:
        if (error.field or "").startswith(_OF_SPACE):
            error.field = f"space.{error.field}"  # as it stands in the body
        raise


def get_ready() -> None:
    """Loads what a preview needs, and finds what is legal on the cards of the catalog: seconds, before somebody waits."""
    from dse.preview import get_ready_for

    model = catalog.load_model(catalog.names("models")[0])
    get_ready_for(model, [catalog.load_device(name) for name in catalog.names("devices")])
