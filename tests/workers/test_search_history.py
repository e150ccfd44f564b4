"""The points of a search that are kept: few, in order, the last one among them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workers.search_history import COLUMNS, SearchHistory


def progress(seconds: float, evaluations: int = 1) -> dict[str, Any]:
    return {"evaluations": evaluations, "elapsed_s": seconds, "hypervolume": seconds / 2, "front_size": evaluations}


def columns(history: SearchHistory) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = history.document(1)["columns"]
    assert len({len(column) for column in found.values()}) == 1
    assert tuple(found) == COLUMNS
    return found


@given(st.lists(st.floats(0.0, 1e6), max_size=60).map(sorted))
def test_points_are_some_of_what_was_said_and_the_last(moments: list[float]) -> None:
    history = SearchHistory()
    for number, seconds in enumerate(moments):
        history.add(progress(seconds, number))
    kept = columns(history)
    assert set(kept["seconds"]) <= set(moments)
    assert kept["seconds"] == sorted(kept["seconds"])
    if moments:
        assert kept["evaluations"][0] == 0
        assert kept["evaluations"][-1] == len(moments) - 1


def test_a_long_search_has_few_points_and_no_gap_wider_than_a_tenth() -> None:
    history, seconds, written = SearchHistory(), 0.0, 0
    while seconds < 30 * 86_400:
        history.add(progress(seconds))
        written += history.is_due
        if history.is_due:
            history.saved()
        seconds += max(0.2, seconds / 1000)  # it says something far more often than is kept
    found = columns(history)["seconds"]
    assert len(found) < 500
    assert written <= len(found)  # not once a progress: the row is not written all the time
    for earlier, later in pairwise(found):
        assert later - earlier < 0.5 + 0.1 * earlier


def test_progress_without_a_time_has_no_place() -> None:
    history = SearchHistory()
    history.add({"evaluations": 3})
    assert not history.is_due
    assert columns(history)["seconds"] == []
