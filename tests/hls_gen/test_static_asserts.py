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
    "an accumulator holds at least one product of a uint4 and an int4": "packed_pe<8> pe;",
    "two packed weights exceed the 27-bit multiplier input: shorten the dot product to 17476 channels": (
        "packed_pe<accumulator_bits(17477)> pe;"
    ),
    "two packed sums exceed the 48-bit accumulator of a DSP": "packed_pe<25> pe;",
    "weights are packed in pairs: the lanes of a row must be even": "pe_row<3, 19> row;",
    "quantize_tokens needs at least one token in a block": "USE(quantize_tokens<0, 8>);",
    "quantize_tokens needs room for at least one channel": "USE(quantize_tokens<2, 0>);",
    "quantize_vector needs at least one lane": "USE(quantize_vector<0, 8, 1, 2>);",
    "the lanes of quantize_vector must divide the longest vector": "USE(quantize_vector<3, 8, 1, 2>);",
    "feed_tokens needs at least one token and one output channel": "USE(feed_tokens<2, 0, 8, 1, 2>);",
    "feed_tokens needs room for at least one channel": "USE(feed_tokens<2, 4, 0, 1, 2>);",
    "a systolic array needs at least one token row": "USE(systolic_sub_array<0, 4, 4, 8, accumulator_bits(8)>);",
    "a sub-array has an even number of columns: weights are packed in pairs": (
        "USE(systolic_sub_array<2, 3, 3, 8, accumulator_bits(8)>);"
    ),
    "the sub-arrays share out the channels of a pass evenly": "USE(systolic_sub_array<2, 4, 6, 8, accumulator_bits(8)>);",
    "the accumulator of a sub-array is sized for its longest dot product": "USE(systolic_sub_array<2, 4, 4, 8, 12>);",
    "the groups of feed_vector must divide the channels of a pass": "USE(feed_vector<4, 6, 8, 1, 2, 2>);",
    "the lanes of feed_vector must divide the longest vector": "USE(feed_vector<4, 8, 10, 1, 2, 2>);",
    "a lane unit computes at least one channel of one group": "constexpr int groups = groups_of_unit<0, 2>();",
    "lane units share out the channels of a pass evenly": (
        "USE(gemv_lane_unit<4, 4, 0, 6, 8, accumulator_bits(8), 2, 2, 4>);"
    ),
    "the first lane of a unit lies in its first group": (
        "USE(gemv_lane_unit<4, 4, 4, 8, 8, accumulator_bits(8), 2, 2, 4>);"
    ),
    "the weights of a lane unit are packed in pairs: their number must be even": (
        "USE(gemv_lane_unit<3, 3, 0, 9, 8, accumulator_bits(8), 2, 2, 3>);"
    ),
    "the accumulator of a lane unit is sized for its longest dot product": (
        "USE(gemv_lane_unit<4, 4, 0, 8, 8, 12, 2, 2, 4>);"
    ),
    "the FIFO behind a lane unit holds the results of one pass": (
        "USE(gemv_lane_unit<4, 4, 0, 8, 8, accumulator_bits(8), 2, 2, 3>);"
    ),
    "an accumulator of more than 25 bits does not convert to fp32 exactly": "USE(dequantize<26>);",
    "dequantize_tokens needs a token, a sub-array and a column": "USE(dequantize_tokens<2, 1, 0, 11, 4>);",
    "the FIFO behind a sub-array holds the results of one pass, or the array stalls": (
        "USE(dequantize_tokens<2, 1, 4, 11, 3>);"
    ),
    "the lane units together have the lanes of the engine": "USE(dequantize_vector<4, 4, 2, 4, 1, 11, 4>);",
    "the channel scales of a cycle must divide the groups": "USE(dequantize_vector<4, 4, 4, 4, 3, 11, 4>);",
    "the FIFO behind a lane unit holds the results of one pass, or the unit stalls": (
        "USE(dequantize_vector<4, 4, 4, 4, 1, 11, 3>);"
    ),
    "the int4 lanes of a beat must fit the memory port": "USE(load_weights<33, 128, 33, 1, 2>);",
    "a pass has at least the channels of one port": "USE(load_weights<16, 128, 24, 2, 2>);",
    "a scale port carries at least one {scale, row sum} pair of 64 bits": "USE(load_scales<1, 32>);",
    "the channel scales of a cycle must divide those of a word": "USE(load_scales<3, 256>);",
    "a vector in memory has at least one fp32": "constexpr int words = words_per_vector<0, 256>();",
    "read_blocks serves at least one engine": "USE(read_blocks<0, 4, 128, 2>);",
    "write_blocks serves at least one engine": "USE(write_blocks<0, 4, 128, 2>);",
}

CONFIG_BROKEN = {
    "the sub-arrays together have the columns of the array": ("kSubArrays = 2", "kSubArrays = 1"),
    "the result FIFO of an engine holds one pass": ("kResultDepth = 28", "kResultDepth = 27"),
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
    header.write_text(includes + "#define USE(...) auto used = &__VA_ARGS__; (void)used\n")
    compiled = gxx("-x", "c++-header", header, "-o", folder / "everything.hpp.gch")
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    return folder


def test_every_precondition_has_a_sentence_and_a_case() -> None:
    found = [s for name, text in library_headers().items() if name.startswith("include/") for s in sentences(text)]
    assert all(len(sentence.split()) >= 4 for sentence in found), found
    assert sorted(set(found)) == sorted(BROKEN)


@pytest.mark.parametrize("sentence", BROKEN)
def test_broken_precondition_does_not_compile(sentence: str, gxx: Any, everything: Path, tmp_path: Path) -> None:
    source = tmp_path / "broken.cpp"
    source.write_text(
        f'#include "everything.hpp"\nusing namespace flexdse_hls;\nvoid broken();\nvoid broken() {{ {BROKEN[sentence]} }}\n'
    )
    compiled = gxx("-fsyntax-only", "-Wno-unused-variable", "-I", everything, source)
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
