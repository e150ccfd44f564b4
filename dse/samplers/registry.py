"""Samplers by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from dse.genes import GeneSpace
from spec.errors import InputError, ToolNotFoundError, UnknownNameError
from spec.exploration import METHODS

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

# (space, seed) -> sampler. The seed differs from batch to batch for a sampler that is built anew for each.
SamplerFactory = Callable[[GeneSpace, int], "BaseSampler"]

ENTRY_POINT_GROUP = "flexdse.samplers"
PLUGIN = "plugin:"
_PLUGINS: dict[str, SamplerFactory] = {}


def register_sampler(name: str, factory: SamplerFactory) -> None:
    """Make a sampler known as the method `plugin:NAME` in this process. An installed package does the same for every
    process with an entry point `NAME = "module:factory"` in the group `flexdse.samplers`.
    """
    _PLUGINS[name] = factory


def sampler_factory(method: str) -> tuple[SamplerFactory, bool]:
    """The factory of a method, and whether a sampler of it lives through the whole search: ours do, as their proposals
    follow from the trials; Optuna's own carry random numbers that no resume could restore, and are built anew, from the
    seed and the number of the batch, for each batch.

    Raises:
        UnknownNameError: no sampler of that name.
        ToolNotFoundError: a sampler that needs a package that is not installed.
    """
    from dse.samplers.evolution import Nsga2BatchSampler, Nsga3BatchSampler
    from dse.samplers.stagewise import StagewiseSampler
    from dse.samplers.uniform import RandomBatchSampler, SobolBatchSampler

    ours: dict[str, SamplerFactory] = {
        "stagewise": StagewiseSampler,
        "nsga2": Nsga2BatchSampler,
        "nsga3": Nsga3BatchSampler,
        "qmc": SobolBatchSampler,
        "random": RandomBatchSampler,
    }
    if method in ours:
        return ours[method], True
    if method == "tpe":
        return _tpe, False
    if method == "gp":
        _check_torch()
        return _gp, False
    if method.startswith(PLUGIN):
        return _plugin(method.removeprefix(PLUGIN)), False
    raise UnknownNameError("method", method, METHODS, field="method")


def _tpe(space: GeneSpace, seed: int) -> BaseSampler:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=40)


def _gp(space: GeneSpace, seed: int) -> BaseSampler:
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, n_startup_trials=40)


def _check_torch() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise ToolNotFoundError(
            "the GP sampler needs PyTorch, which is not installed",
            field="method",
            value="gp",
            rule="PyTorch is an extra: its default build is several GB",
            hint="install flexdse[torch], or a CPU build of torch, which is smaller; or take tpe or stagewise",
        )


def _plugin(name: str) -> SamplerFactory:
    if name in _PLUGINS:
        return _PLUGINS[name]
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in found:
        raise UnknownNameError(
            "sampler",
            name,
            (*_PLUGINS, *found),
            field="method",
            hint=f"A sampler is registered by dse.samplers.registry.register_sampler or an entry point of {ENTRY_POINT_GROUP}.",
        )
    try:
        factory: SamplerFactory = found[name].load()
    except Exception as error:
        raise InputError(
            f"sampler {name} cannot be loaded: {error}",
            field="method",
            value=name,
            rule="an importable function of (space, seed)",
            hint="repair the package that offers it",
        ) from error
    return factory
