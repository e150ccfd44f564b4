"""One case of a sweep in a process of its own. Its end, good or bad, is a file.

    python -P -m flexdse.sweep_case FOLDER KEY PARENT_PID

The process that the sweep starts stays behind as one of its guards (`workers.guard`): a case ends with its sweep, by
whatever way that ends. Nothing that starts threads may be imported before.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spec.errors import FlexDSEError
from workers.guard import guarded

if TYPE_CHECKING:
    from spec.sweep import SweepCase


def run_case(case: SweepCase, budget: int, journal: Path) -> dict[str, Any]:
    """The exploration of a case: its summary and front as plain data.

    Raises:
        FlexDSEError: bad input, or nothing fits.
    """
    from flexdse.exploration_files import exploration_document, front_document
    from flexdse.front_door import exploration_request

    request = exploration_request(
        model=case.model,
        device=case.device,
        prompt_tokens=case.workload.prompt_tokens,
        output_tokens=case.workload.output_tokens,
        objectives=case.objectives,
        method=case.method,
        budget=budget,
        seed=case.seed,
        constraints=case.constraints,
        **({"space": case.space.model_dump(mode="json", by_alias=True)} if case.space is not None else {}),
    )
    from dse.explore import explore

    result = explore(request, journal=journal)
    return {**exploration_document(result), "front": front_document(result)}


def main() -> int:
    """Run the case and leave its result or its failure in the folder."""
    folder, key, parent_pid = sys.argv[1:]
    guarded(int(parent_pid))  # from here on in a process of its own
    from flexdse.sweep_store import SweepStore

    store = SweepStore(Path(folder))
    plan = store.plan()
    case = next(one for one in plan.all_cases() if one.key() == key)
    started = time.monotonic()
    try:
        document = run_case(case, plan.budget.evaluations, store.journal(case))
    except FlexDSEError as error:
        store.put_failure(key, case, error.code, str(error), time.monotonic() - started)
        return 0
    except MemoryError:
        store.put_failure(key, case, "out_of_memory", "the case ran out of memory", time.monotonic() - started)
        return 0
    store.put_result(key, case, document, time.monotonic() - started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
