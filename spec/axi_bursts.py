"""Bursts that the generated kernels ask of a memory port, and the block RAM of an adapter that buffers them."""

from __future__ import annotations

from functools import cache

from spec.library_memories import Count, bram18_blocks

MAX_BURST_BYTES = 4096  # an AXI4 burst does not cross a 4 kB boundary (AMBA AXI4, A3.4.1)
MAX_BURST_WORDS = 256  # AXI4 burst length limit
OUTSTANDING_BYTES = 16384  # four full bursts in flight hide the latency of HBM; more costs BRAM in the adapter (UG1399)
MAX_OUTSTANDING = 16  # default of num_read_outstanding in Vitis HLS (UG1399, m_axi interface)
# Vitis HLS 2023.2 reserves 16 bursts of 16 words in each direction where nothing else is asked for (UG1399, m_axi: defaults
# of num_*_outstanding and max_*_burst_length).
DEFAULT_BUFFER_WORDS = 16 * 16


def burst_words(width_bits: int) -> int:
    """Words of the longest burst of a port."""
    return min(MAX_BURST_WORDS, MAX_BURST_BYTES * 8 // width_bits)


def outstanding_bursts(width_bits: int) -> int:
    """Bursts of a direction that are in flight at a time."""
    return min(MAX_OUTSTANDING, max(2, OUTSTANDING_BYTES // (burst_words(width_bits) * width_bits // 8)))


def adapter_bram18(width_bits: int, read_words: int, write_words: int) -> Count:
    """BRAM18 of an m_axi adapter: load and store unit each buffer the words in flight. 512 bits x (16 bursts of 16) twice
    are the 30 blocks that Vitis HLS 2023.2 reports (csynth of UCLA-VAST/Prometheus 2mm).
    """
    return bram18_blocks(read_words, width_bits) + bram18_blocks(write_words, width_bits)


@cache
def port_bram18(width_bits: int, is_written: bool) -> int:
    """BRAM18 of the adapter of a port of a generated kernel; what is not used keeps the default buffer."""
    words = burst_words(width_bits) * outstanding_bursts(width_bits)
    return int(adapter_bram18(width_bits, words, words if is_written else DEFAULT_BUFFER_WORDS))
