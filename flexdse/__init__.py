"""FlexDSE: which LLM accelerator should I build on this FPGA card?

import flexdse
frame = flexdse.evaluate(["flexllm-u280"], "llama-3.2-1b", "u280", (1024, 1024))
found = flexdse.explore(model="llama-3.2-1b", device="u280", prompt_tokens=1024, output_tokens=1024)
found.front            # pandas data frame
found.save("results")  # front.parquet, front.json, exploration.json, report.html
service = flexdse.connect("http://127.0.0.1:8000")  # the same on a service: see flexdse.client
"""

from __future__ import annotations

from flexdse.siblings import check_siblings

TYPE_CHECKING = False  # as that of `typing`, which takes long to load while Ctrl-C is not heard yet
if TYPE_CHECKING:
    from typing import Any

    from flexdse.client import connect
    from flexdse.front_door import Exploration, csim, evaluate, explore, generate, simulate

__all__ = ["Exploration", "__version__", "connect", "csim", "evaluate", "explore", "generate", "simulate"]

check_siblings()  # before anything of theirs is imported

__version__: str


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from spec.versions import FLEXDSE_VERSION

        return FLEXDSE_VERSION
    if name == "connect":
        from flexdse.client import connect

        return connect
    # pandas takes most of a second to import: only those who call pay for it.
    if name in __all__:
        from flexdse import front_door

        return getattr(front_door, name)
    raise AttributeError(f"module 'flexdse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
