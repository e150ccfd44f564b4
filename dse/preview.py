"""What a search would search, before it is started: the size of its space, and whatever it would refuse at once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from cost_models.evaluate import Context
from dse.objectives import Goals
from dse.space import legal_stage_designs
from spec.device import Device
from spec.errors import FlexDSEError
from spec.exploration import ExplorationRequest
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.scheme_names import scheme_named
from spec.space_overrides import SpaceOverrides
from spec.workload import Stage

_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class SearchPreview:
    """Legal designs of a space, of all its schemes together, and how many designs the method will price.

    `legal_designs`: pairs of both stages. The exact method prices each stage by itself; a sampled one prices pairs.
    """

    legal_designs: int
    prefill_designs: int
    decode_designs: int
    evaluations: int


def preview(request: ExplorationRequest) -> SearchPreview:
    """The space of `request`: some 20 ms, the first time on a card and of a scheme half a second.

    Raises:
        InputError: a goal without a value for this card or workload, or overrides that leave no design.
        InfeasibleError: the model breaks a rule that no design can mend.
    """
    goals = Goals.of_request(request)
    wanted = request.space or SpaceOverrides()
    pairs = prefill = decode = 0
    for scheme in map(scheme_named, wanted.quant_schemes):
        goals.check_available(Context(request.model, request.device, request.workload, scheme))
        arms = len(wanted.deployments)
        found = _stage_designs(_Space(request.model, request.device, scheme, wanted))
        pairs += arms * found["prefill"] * found["decode"]
        prefill += arms * found["prefill"]
        decode += arms * found["decode"]
    return SearchPreview(pairs, prefill, decode, prefill + decode if request.method == "exact" else request.budget)


def get_ready_for(model: ModelConfig, devices: Iterable[Device]) -> None:
    """Finds the legal designs of the default space on each of `devices`, for which the next preview then need not wait.

    It is as quick then for another model: where its ports are those of this one, so are the layouts of them.
    """
    for device in devices:
        with suppress(FlexDSEError):  # says so when it is asked for
            legal_stage_designs(model, device)


class _Space:
    """What decides the legal designs of one scheme; equal where its documents are."""

    def __init__(self, model: ModelConfig, device: Device, scheme: QuantScheme, overrides: SpaceOverrides) -> None:
        self.model, self.device, self.scheme, self.overrides = model, device, scheme, overrides
        self._key = tuple(part.model_dump_json() for part in (model, device, scheme, overrides))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Space) and self._key == other._key


@lru_cache(maxsize=_REMEMBERED)
def _stage_designs(space: _Space) -> dict[Stage, int]:
    return legal_stage_designs(space.model, space.device, space.scheme, space.overrides)
