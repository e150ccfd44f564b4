"""Pricing one design."""

from __future__ import annotations

import json

from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.workload import Workload


def evaluation_json(design: DesignPoint, model: ModelConfig, device: Device, workload: Workload) -> bytes:
    """The document of `evaluate --json`. Pure computation of milliseconds: callers run it in a thread.

    Raises:
        InputError: the design asks for what this model or card does not have at all.
    """
    # Imported at first use: NumPy and the models would double the time until a new server answers.
    from cost_models.report import evaluate_document

    return json.dumps(evaluate_document(design, model, device, workload), allow_nan=False).encode()
