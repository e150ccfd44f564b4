"""Adapters of our library's kernels: one a port, its buffers by the bursts that the port asks for; and its loader."""

from __future__ import annotations

from cost_models.kernels.adapters import AXI_ADAPTERS, DATAFLOW_CONTROL, adapter_amounts
from cost_models.kernels.library_logic import Sheet
from cost_models.kernels.parts import Part, Rows
from cost_models.stage_setup import StageSetup
from spec.design_batch import DecodeBatch, PrefillBatch


def adapter_rows(batch: PrefillBatch | DecodeBatch, setup: StageSetup) -> Rows:
    """Adapters and the words that pass them, of each placement."""
    table = batch.placements
    lut, ff, dsp, _ = adapter_amounts(table.total_ports, table.total_port_bits)
    sheet = Sheet(setup)
    sheet.logic(DATAFLOW_CONTROL, 0, 2 * table.total_port_bits)  # a register at the port, one on the way from it
    sheet.parts[AXI_ADAPTERS] = Part(lut, ff, dsp, table.adapter_bram_18k.astype(float))
    return Rows(sheet.parts, batch.placement)
