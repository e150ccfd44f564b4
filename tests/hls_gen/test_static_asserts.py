"""Each static_assert of the library refuses what its sentence says, and no precondition goes without one case here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hls_gen.render import library_headers

pytestmark = pytest.mark.needs_program("g++")

# Sentence -> code that breaks exactly this precondition.
BROKEN = {
    "a FIFO holds at least one value": "fifo<int, 0> f;",
    "a vector has at least one lane": "lanes<int, 0> v;",
    "a memory port is a power of two from 32 to 1024 bits wide": "hbm_word<96> w;",
    "packed integers have 4 or 8 bits": "constexpr auto read = &value_of<5, 64>; (void)read;",
    "operands have 2 to 8 bits": "constexpr int bits = mac_format<symmetry::symmetric, 9, 4>::accumulator_bits(1);",
    "a field holds at least one product": "weight_pair<w4a4, 7> pair;",
    "two packed weights exceed the 27-bit multiplier input: shorten the dot product or the operands": (
        "weight_pair<w4a4, 23> pair;"
    ),
    "an array of processing elements has at least one row": "pe_array<0, 2, w4a4, 19, pe_kind::dsp2> array;",
    "weights are packed in pairs: the lanes of a row must be even": "pe_array<1, 3, w4a4, 19, pe_kind::dsp2> array;",
    "an accumulator holds at least one product": "pe_array<1, 2, w4a4, 7, pe_kind::dsp1> array;",
    "four products a DSP take the activations of two rows": "pe_array<3, 2, w4a4, 19, pe_kind::dsp4> array;",
    "four products fit a DSP up to 4 bits an operand": "pe_array<2, 2, w8a8, 19, pe_kind::dsp4> array;",
    "feed_tokens needs at least one token and one output channel": "USE(feed_tokens<w4a4, 2, 0, 8, input_fill::before_first_pass, 1, 2>);",
    "feed_tokens needs room for at least one channel": "USE(feed_tokens<w4a4, 2, 4, 0, input_fill::before_first_pass, 1, 2>);",
    "a systolic array needs at least one token row": (
        "USE(systolic_sub_array<w4a4, pe_kind::dsp2, 0, 4, 4, 8, accumulator_bits(8)>);"
    ),
    "a sub-array has an even number of columns: weights are packed in pairs": (
        "USE(systolic_sub_array<w4a4, pe_kind::dsp2, 2, 3, 3, 8, accumulator_bits(8)>);"
    ),
    "the sub-arrays share out the channels of a pass evenly": (
        "USE(systolic_sub_array<w4a4, pe_kind::dsp2, 2, 4, 6, 8, accumulator_bits(8)>);"
    ),
    "the accumulator of a sub-array is sized for its longest dot product": (
        "USE(systolic_sub_array<w4a4, pe_kind::dsp2, 2, 4, 4, 8, 12>);"
    ),
    "the groups of feed_vector must divide the channels of a pass": "USE(feed_vector<w4a4, 4, 6, 8, 1, 2, 2>);",
    "the lanes of feed_vector must divide the longest vector": "USE(feed_vector<w4a4, 4, 8, 10, 1, 2, 2>);",
    "a lane unit computes at least one channel of one group": "constexpr int groups = groups_of_unit<0, 2>();",
    "lane units share out the channels of a pass evenly": (
        "USE(gemv_lane_unit<w4a4, pe_kind::dsp2, 4, 4, 0, 6, 0, 8, accumulator_bits(8), lanes<int_t<4>, 4>, 2, 2, 4>);"
    ),
    "the first lane of a unit lies in its first group": (
        "USE(gemv_lane_unit<w4a4, pe_kind::dsp2, 4, 4, 4, 8, 0, 8, accumulator_bits(8), lanes<int_t<4>, 4>, 2, 2, 4>);"
    ),
    "the weights of a lane unit are packed in pairs: their number must be even": (
        "USE(gemv_lane_unit<w4a4, pe_kind::dsp2, 3, 3, 0, 9, 0, 8, accumulator_bits(8), lanes<int_t<4>, 3>, 2, 2, 3>);"
    ),
    "the accumulator of a lane unit is sized for its longest dot product": (
        "USE(gemv_lane_unit<w4a4, pe_kind::dsp2, 4, 4, 0, 8, 0, 8, 12, lanes<int_t<4>, 4>, 2, 2, 4>);"
    ),
    "the units of a port share out the channels of every sub-engine evenly": (
        "USE(gemv_port_unit<w4a4, pe_kind::dsp2, 4, 4, 0, 12, 8, accumulator_bits(8), 2, lanes<int_t<4>, 4>, 2, 2, 4>);"
    ),
    "a part of the input channels is one of PARTS": "USE(take_part<2, 2, int, 4, 2>);",
    "the parts share out the channels of a word evenly": "USE(take_part<3, 2, int, 4, 2>);",
    "each part of the input channels has whole lane units": "USE(add_parts<3, 2, 4, 4, 10, 11, 1, 4, 4, 2, 4>);",
    "the lane units of a part together have its lanes": "USE(add_parts<2, 2, 4, 2, 10, 11, 1, 4, 4, 2, 4>);",
    "a total of parts is at least as wide as a partial sum": "USE(add_parts<2, 2, 4, 4, 12, 11, 1, 4, 4, 2, 4>);",
    "the FIFO behind a lane unit holds the results of one pass": (
        "USE(gemv_lane_unit<w4a4, pe_kind::dsp2, 4, 4, 0, 8, 0, 8, accumulator_bits(8), lanes<int_t<4>, 4>, 2, 2, 3>);"
    ),
    "the channels of a sub-engine lie in the pass": (
        "USE(gemv_lane_unit<w4a4, pe_kind::dsp2, 4, 4, 0, 8, 8, 8, accumulator_bits(8), lanes<int_t<4>, 4>, 2, 2, 4>);"
    ),
    "the words of the newest token divide a head": "USE(append_newest<8, 8, 16, 16, 3, 128, 2, 2, 2>);",
    "dequantize_tokens needs a token, a sub-array and a column": (
        "USE(dequantize_tokens<symmetry::symmetric, 2, 1, 0, 11, 4>);"
    ),
    "the FIFO behind a sub-array holds the results of one pass, or the array stalls": (
        "USE(dequantize_tokens<symmetry::symmetric, 2, 1, 4, 11, 3>);"
    ),
    "the lane units together have the lanes of the engine": (
        "USE(dequantize_vector<symmetry::symmetric, 4, 4, 1, 2, 4, 1, 11, 4>);"
    ),
    "the channel scales of a cycle must divide the groups": (
        "USE(dequantize_vector<symmetry::symmetric, 4, 4, 1, 4, 4, 3, 11, 4>);"
    ),
    "the FIFO behind a lane unit holds the results of one pass, or the unit stalls": (
        "USE(dequantize_vector<symmetry::symmetric, 4, 4, 1, 4, 4, 1, 11, 3>);"
    ),
    "the weights of a beat must fit the memory port": "USE(load_weights<4, 33, 128, 33, 1, 2>);",
    "a pass has at least the channels of one port": "USE(load_weights<4, 16, 128, 24, 2, 2>);",
    "a scale port carries at least one {scale, row sum} pair of 64 bits": "USE(load_scales<1, 32>);",
    "the channel scales of a cycle must divide those of a word": "USE(load_scales<3, 256>);",
    "a vector in memory has at least one fp32": "constexpr int words = words_per_vector<0, 256>();",
    "a choice needs two streams": "USE(select_words<int, 1, 2>);",
    "a chunk of the cache fits a word of its port": "constexpr int chunks = cache_layout<8, 17, 64, 128, 16>::kChunks;",
    "whole beats make a word of attention": "USE(join_beats<4, 6, 24, int, 2, 2>);",
    "whole words make a head: none is padded, so beats and words stay in step": "USE(join_beats<2, 4, 6, int, 2, 2>);",
    "the words that are written divide a head": "USE(write_cache<8, 8, 16, 16, 1, 3, 128, 2>);",
    "attention operands of 8 bits do not share a DSP four by four": "USE(dot_products<w8a8, pe_kind::dsp4, 2, 4, 22>);",
    "attention needs a query row, a key channel and a head": (
        "USE(attention_scores<w8a8, pe_kind::dsp2, attention_rows::tokens, 2, 1, 4, 0, 16, 2, 2, 2, 2>);"
    ),
    "the words of a query divide its head": (
        "USE(attention_scores<w8a8, pe_kind::dsp2, attention_rows::tokens, 2, 3, 4, 1, 16, 2, 2, 2, 2>);"
    ),
    "heads that are rows leave no group for another loop": (
        "USE(attention_scores<w8a8, pe_kind::dsp2, attention_rows::heads, 2, 1, 4, 2, 16, 2, 2, 2, 2>);"
    ),
    "the channels of a word of results divide a word of values and the head": (
        "USE(attention_values<a8v8, pe_kind::dsp2, attention_rows::heads, 2, 4, 1, 3, 16, 16, 2, 2, 2, 2, 2>);"
    ),
    "the sum of a score has at most 32 bits": (
        "USE(attention_scores<w8a8, pe_kind::dsp2, attention_rows::tokens, 2, 1, 4, 1, 262144, 2, 2, 2, 2>);"
    ),
    "attention needs a query row, a value channel and a head": (
        "USE(attention_values<a8v8, pe_kind::dsp2, attention_rows::tokens, 2, 4, 0, 1, 16, 16, 2, 2, 2, 2, 2>);"
    ),
    "the weighted sum of values has at most 32 bits: fewer keys or narrower operands": (
        "USE(attention_values<a8v8, pe_kind::dsp2, attention_rows::tokens, 2, 4, 1, 1, 16, 131072, 2, 2, 2, 2, 2>);"
    ),
}

# Sentences that no operand of up to 4 bits can meet: they guard the arithmetic of the header itself.
UNREACHABLE = {
    "two weights two fields apart fit the multiplier",
    "two activations a field apart fit the multiplier",
}

# Of the fast C simulation only.
FAST_BROKEN = {"a native integer holds 1 to 64 bits": "int_t<65> wide = 0;"}

NONLINEAR_BROKEN = {
    "add_bias needs at least one token and one channel a word": "USE(add_bias<0, 1>);",
    "a rounded magnitude has 1 to 22 bits": "(void)round_magnitude<23>(0.0F);",
    "the order of a Hadamard transform is a base of Paley times a power of two": "USE(hadamard_serial<52, 1, 1>);",
    "a streaming transform has at most fourteen stages between words": "USE(hadamard_butterflies<32768, 1, 1>);",
    "a Hadamard transform needs at least one token and one channel a word": "USE(hadamard_serial<8, 0, 1>);",
    "the channels of a word must be a power of two that divides the power of two in the order": (
        "USE(hadamard_serial<24, 1, 4>);"
    ),
    "the adders of a Hadamard transform must divide the base": "USE(hadamard_serial<24, 1, 1, 5>);",
    "the Hadamard bases are 1, 12, 20, 28, 36, 44, 76 and 140": "hadamard_signs<52> signs;",
    "quantize_dynamic needs at least one token and one channel a word": (
        "USE(quantize_dynamic<symmetry::symmetric, 8, 1, 0, 4, 1, 2>);"
    ),
    "quantize_dynamic needs room for at least one word": (
        "USE(quantize_dynamic<symmetry::symmetric, 8, 1, 1, 0, 1, 2>);"
    ),
    "activations are quantized to 2 to 16 bits": "constexpr int n = quantizer_levels<symmetry::asymmetric, 17>();",
    "quantize_static makes integers of 2 to 16 bits": "USE(quantize_static<17, 1, 1>);",
    "quantize_static needs at least one token and one channel a word": "USE(quantize_static<8, 0, 1>);",
    "the sums of a linear layer have at most 32 bits": "USE(dequantize<symmetry::symmetric, 33>);",
    "repeat_words needs room for at least one word": "USE(repeat_words<int, 0>);",
    "add_residual needs at least one lane": "USE(add_residual<0>);",
    "rms_norm needs at least one token and one channel a word": "USE(rms_norm<0, 1, 4>);",
    "rms_norm normalises 1 to 65536 channels": "USE(rms_norm<1, 8, 8193>);",
    "rope needs at least one lane and one word of half a head": "USE(rope<1, 0>);",
    "sample needs at least one logit a word": "USE(sample<0, 1, 1>);",
    "sample keeps 1 to 256 candidates": "USE(sample<1, 1, 257>);",
    "the lists of candidates share out the logits of a word evenly": "USE(sample<4, 3, 1>);",
    "the FIFO of maxima holds those of a unit": "USE(softmax_maxima<attention_rows::tokens, 1, 2, 8, 1>);",
    "the sum of the weights of a row must fit 32 bits": (
        "USE(softmax_weights<attention_rows::tokens, 1, 1, 16, 65537, 1>);"
    ),
    "softmax needs at least one row and one query head": "USE(softmax<attention_rows::tokens, 1, 0, 8, 4>);",
    "softmax weights have 2 to 16 bits": "USE(softmax<attention_rows::tokens, 1, 1, 17, 4>);",
    "the sum of the softmax weights must fit 32 bits": "USE(softmax<attention_rows::tokens, 1, 1, 16, 65537>);",
    "swiglu needs at least one lane": "USE(swiglu<0>);",
}
BROKEN |= NONLINEAR_BROKEN

BROKEN |= {
    "a group of the fp32 engine computes at least one channel": "USE(fp32_lane_group<0, 8, 1, 1, 1>);",
    "the longest vector of the fp32 engine is whole rounds of its eight partial sums": (
        "USE(fp32_lane_group<2, 12, 1, 1, 1>);"
    ),
    "the lanes of the engine divide the channels of a memory": "constexpr int words = queue_layout<2, 2, 14, 8>::kWords;",
    "the lanes of the engine divide the slots of the memory queue": (
        "constexpr int words = queue_layout<2, 2, 16, 6>::kWords;"
    ),
    "a word of the port holds a weight for each lane of its group": "USE(floats_of<4, 64>);",
    "a block of a window has at least one token": "USE(read_window<0, 2, 16, 64>);",
    "a word of the port is whole words of T channels": "USE(read_window<2, 4, 16, 64>);",
    "a row of the prompt is whole words of its port": "USE(read_window<2, 2, 6, 128>);",
    "a row of the hidden state is whole words of T channels": "USE(read_summary<2, 3, 16, 64>);",
}

CONFIG_BROKEN = {
    "the sub-arrays together have the columns of the array": ("kSubArrays = 2", "kSubArrays = 1"),
    "the lane units together have the lanes of the engine": ("kUnitLanes = 16", "kUnitLanes = 14"),
    "each part of the engine has whole lane units": ("kUnitsPerSplit = 3", "kUnitsPerSplit = 2"),
}


def sentences(text: str) -> list[str]:
    """The sentence of each static_assert."""
    return [
        "".join(re.findall(r'"([^"]*)"', found)) for found in re.findall(r"static_assert\((.*?)\);", text, re.DOTALL)
    ]


@pytest.fixture(scope="module")
def everything(gxx: Any, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All headers, precompiled: a case then takes a tenth of a second."""
    folder = tmp_path_factory.mktemp("precompiled")
    headers = [name.removeprefix("include/") for name in library_headers() if name.startswith("include/")]
    header = folder / "everything.hpp"
    includes = "".join(f'#include "{name}"\n' for name in headers)
    header.write_text(
        includes
        + """#define USE(...) auto used = &__VA_ARGS__; (void)used
using w4a4 = flexdse_hls::w4a4_format;
using w8a8 = flexdse_hls::mac_format<flexdse_hls::symmetry::symmetric, 8, 8>;
using a8v8 = flexdse_hls::mac_format<flexdse_hls::symmetry::asymmetric, 8, 8>;
"""
    )
    compiled = gxx("-x", "c++-header", header, "-o", folder / "everything.hpp.gch")
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    return folder


def test_every_precondition_has_a_sentence_and_a_case() -> None:
    found = [s for name, text in library_headers().items() if name.startswith("include/") for s in sentences(text)]
    assert all(len(sentence.split()) >= 4 for sentence in found), found
    assert sorted(set(found)) == sorted({*BROKEN, *UNREACHABLE, *FAST_BROKEN})


@pytest.mark.parametrize("sentence", BROKEN)
def test_broken_precondition_does_not_compile(sentence: str, gxx: Any, everything: Path, tmp_path: Path) -> None:
    source = tmp_path / "broken.cpp"
    source.write_text(
        f'#include "everything.hpp"\nusing namespace flexdse_hls;\nvoid broken();\nvoid broken() {{ {BROKEN[sentence]} }}\n'
    )
    compiled = gxx("-fsyntax-only", "-Wno-unused-variable", "-I", everything, source)
    assert compiled.returncode != 0, "it compiled"
    assert sentence in compiled.stderr, compiled.stderr[:3000]


@pytest.mark.parametrize("sentence", FAST_BROKEN)
def test_broken_precondition_of_the_fast_mode_does_not_compile(sentence: str, gxx: Any, tmp_path: Path) -> None:
    source = tmp_path / "broken.cpp"
    source.write_text(
        f'#include "flexdse_hls/ints.hpp"\nint main() {{ using namespace flexdse_hls; {FAST_BROKEN[sentence]} }}\n'
    )
    compiled = gxx("-DFLEXDSE_FAST_CSIM", "-fsyntax-only", "-Wno-unused-variable", source)
    assert compiled.returncode != 0, "it compiled"
    assert sentence in compiled.stderr, compiled.stderr[:3000]


@pytest.mark.parametrize("sentence", CONFIG_BROKEN)
def test_broken_configuration_does_not_compile(
    sentence: str, gxx: Any, everything: Path, tiny_project: Path, tmp_path: Path
) -> None:
    text = (tiny_project / "include" / "config.hpp").read_text()
    good, bad = CONFIG_BROKEN[sentence]
    assert good in text
    (tmp_path / "config.hpp").write_text(text.replace(good, bad))
    source = tmp_path / "broken.cpp"
    source.write_text('#include "everything.hpp"\n#include "config.hpp"\n')
    compiled = gxx("-fsyntax-only", "-I", everything, "-I", tmp_path, source)
    assert compiled.returncode != 0, "it compiled"
    assert sentence in compiled.stderr, compiled.stderr[:3000]
