"""Expected values of the cases of spec/vectors/nonlinear*.json by exact arithmetic, for what a number format shares with the others."""

from __future__ import annotations

from types import ModuleType

from spec.hadamard_matrix import paley_matrix
from tests.hls_gen import exact
from tests.hls_gen.exact import Exact, exacts, hexes
from tests.hls_gen.nonlinear_inputs import Case


def solve(section: str, case: Case, rules: ModuleType, number: type[Exact]) -> Case:
    """`rules` of the format, `number`: its values; scalars of a kernel are fp32."""

    def numbers(text: list[str]) -> list[Exact]:
        return exacts(text, number)

    if section in ("exp", "rsqrt"):
        return {"y": hexes([getattr(rules, section)(x) for x in numbers(case["x"])])}
    if section == "rms_norm":
        gamma, epsilon = numbers(case["gamma"]), Exact.of_hex(case["epsilon"])
        return {"y": [hexes(rules.rms_norm(numbers(row), gamma, epsilon)) for row in case["x"]]}
    if section == "rope":
        rows = zip(case["x"], case["cos"], case["sin"], strict=True)
        return {"y": [[hexes(exact.rope(numbers(h), numbers(c), numbers(s))) for h in x] for x, c, s in rows]}
    if section == "softmax":
        first = case["first_position"]
        found = [
            [rules.softmax(numbers(row), min(first + t + 1, len(row)), case["bits"]) for t, row in enumerate(head)]
            for head in case["scores"]
        ]
        return {
            "weights": [[w for w, _ in head] for head in found],
            "sums": [[s.hex for _, s in head] for head in found],
        }
    if section == "swiglu":
        pairs = zip(numbers(case["gate"]), numbers(case["up"]), strict=True)
        return {"y": hexes([rules.swiglu(gate, up) for gate, up in pairs])}
    if section == "quantize":
        scale, low, q = rules.quantize(
            numbers(case["x"]), case["bits"], symmetric=case["symmetric"], reciprocal=case["reciprocal"]
        )
        return {"scale": scale.hex, "min": low.hex, "q": q}
    if section == "quantize_static":
        inverse = number.of_hex(case["inverse"])
        return {"q": [exact.quantize_static(x, inverse, case["bits"]) for x in numbers(case["x"])]}
    if section == "hadamard":
        return {"y": hexes(rules.hadamard(numbers(case["x"]), paley_matrix(case["base"])))}
    assert section == "sample"
    temperature, word, tokens = Exact.of_hex(case["inverse_temperature"]), case["seed"], []
    for row in case["logits"]:
        word = exact.xorshift32(word)
        tokens.append(exact.sample(exacts(row), case["top_k"], temperature, word))
    return {"tokens": tokens}
