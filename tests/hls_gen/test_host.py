"""The host program on the fake device: packer, channel map, argument names, hand-over, and weights that do not fit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hls_gen.errors import SimulationError
from hls_gen.golden.forward import GoldenModel
from hls_gen.golden.synthetic import synthetic_checkpoint
from hls_gen.plan import plan_project
from hls_gen.planning.types import ProjectPlan
from hls_gen.project import generate_project
from hls_gen.text import write_golden, write_images
from hls_gen.toolchain.host_run import XRT_HEADERS, build_host, run_host
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.quantized_checkpoint import QuantizedCheckpoint
from spec.workload import Workload

pytestmark = pytest.mark.needs_program("g++")

PROMPT = (3, 14, 159, 265, 358, 97)  # five tokens of prefill: one block of four and a ragged one
TOKENS = 3

Built = tuple[Path, ProjectPlan, QuantizedCheckpoint, Path, Path, tuple[int, ...]]


@pytest.fixture(scope="module")
def built(
    tiny_design: DesignPoint,
    tiny_model: ModelConfig,
    u280: Device,
    workload: Workload,
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    """A compiled host program, images of random weights, and the golden streams of the whole run."""
    if not XRT_HEADERS.is_dir():
        pytest.fail("libxrt-dev is missing") if os.environ.get("FLEXDSE_REQUIRE") == "all" else pytest.skip(
            "the program libxrt-dev is missing"
        )
    folder = tmp_path_factory.mktemp("host")
    project = generate_project(tiny_design, tiny_model, u280, workload, folder / "project")
    plan = plan_project(tiny_design, tiny_model, u280, workload)
    checkpoint = synthetic_checkpoint(tiny_model, tiny_design.quant_scheme, 5)
    assert write_images(plan, checkpoint, folder / "images") > 0
    tokens = write_golden(plan, checkpoint, PROMPT, TOKENS, folder / "golden")
    build_host(project)
    return project, plan, checkpoint, folder / "images", folder / "golden", tokens


def test_tokens_and_every_value_equal_the_reference(built: Built) -> None:
    project, _, _, images, golden, tokens = built
    run = run_host(project, images, PROMPT, TOKENS, golden=golden)
    assert run.tokens == tokens
    assert set(run.compared_values) == set(run.seconds) == {"prefill", "decode"}
    assert min(run.compared_values.values()) > 5000


def test_decode_stops_at_the_stop_token(built: Built) -> None:
    project, _, _, images, _, tokens = built
    stop = tokens[0]
    assert run_host(project, images, PROMPT, TOKENS, stop_token=stop).tokens == tokens[:1]


def test_prompt_of_one_token_needs_no_prefill(built: Built) -> None:
    project, _, checkpoint, images, _, _ = built
    assert run_host(project, images, (7,), 1).tokens == (GoldenModel(checkpoint).decode(7).token,)


@pytest.mark.parametrize(
    ("file", "right", "wrong", "words"),
    [
        ("vitis/decode.cfg", "sp=decode_1.mem_k_cache_1:", "sp=decode_1.mem_k_cache_9:", "no bank to mem_k_cache_1"),
        ("vitis/prefill.cfg", "nk=prefill:", "nk=other:", "holds no kernel prefill"),
    ],
)
def test_wrong_link_is_noticed(built: Built, file: str, right: str, wrong: str, words: str) -> None:
    project, _, _, images, _, _ = built
    path = project / file
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    try:
        with pytest.raises(SimulationError, match=words):
            run_host(project, images, PROMPT, 1)
    finally:
        path.write_text(text)


def test_image_of_a_wrong_size_is_refused(built: Built) -> None:
    project, _, _, images, _, _ = built
    path = images / "decode" / "w_0.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-4])
    try:
        with pytest.raises(SimulationError, match=r"w_0.bin has \d+ bytes, the port takes"):
            run_host(project, images, PROMPT, 1)
    finally:
        path.write_bytes(content)


def test_weights_of_another_model_are_refused(built: Built, tiny_model: ModelConfig, tmp_path: Path) -> None:
    _, plan, checkpoint, _, _, _ = built
    other = synthetic_checkpoint(tiny_model.model_copy(update={"ffn_dim": 96}), checkpoint.header.quant_scheme, 1)
    with pytest.raises(InputError, match="ffn_dim is 96") as refused:
        write_images(plan, other, tmp_path)
    assert refused.value.field == "checkpoint.ffn_dim"
    assert not list(tmp_path.iterdir())


def test_co_resident_kernels_run_from_one_bitstream(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload, built: Built, tmp_path: Path
) -> None:
    """Both kernels in one link, all weights on the card at first; the parts of the project that differ are built anew."""
    project, _, _, images, golden, tokens = built
    design = tiny_design.model_copy(update={"deployment": "co_resident"})
    together = generate_project(design, tiny_model, u280, workload, tmp_path / "together")
    link = (together / "vitis" / "accelerator.cfg").read_text()
    assert "nk=prefill:1:prefill_1\n" in link
    assert "nk=decode:1:decode_1\n" in link
    assert link.count("sp=") == sum(
        (project / "vitis" / f"{stage}.cfg").read_text().count("sp=") for stage in ("prefill", "decode")
    )
    assert not (project / "vitis" / "accelerator.cfg").exists()
    for path in ("src/prefill.cpp", "src/decode.cpp", "include/config.hpp"):
        assert (together / path).read_bytes() == (project / path).read_bytes()
    objects = project / "build" / "host"
    shutil.copytree(objects, together / "build" / "host")
    build_host(together, sources=("host/host.cpp", "host/fake_xrt.cpp"))
    run = run_host(together, images, PROMPT, TOKENS, golden=golden)
    assert run.tokens == tokens
    assert min(run.compared_values.values()) > 5000
    with pytest.raises(SimulationError, match="co-resident kernels are of one bitstream"):
        run_host(together, images, PROMPT, 1, links=("vitis/prefill.cfg", "vitis/decode.cfg"))


def test_two_cards_hand_over_through_the_host(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload, built: Built, tmp_path: Path
) -> None:
    project, _, _, images, golden, tokens = built
    design = tiny_design.model_copy(update={"deployment": "two_cards"})
    apart = generate_project(design, tiny_model, u280, workload, tmp_path / "apart")
    shutil.copytree(project / "build" / "host", apart / "build" / "host")
    build_host(apart, sources=("host/host.cpp",))
    assert run_host(apart, images, PROMPT, TOKENS, golden=golden).tokens == tokens
