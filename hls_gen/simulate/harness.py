"""The main function of a simulated kernel: memories behind its ports, numbers for its scalars."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hls_gen.planning.host import HostArgument

_MAIN = """\
#include "flexdse_simulate/recorder.hpp"

#include "{header}"

int main(int, char** arguments) {{
  flexdse_simulate::recorder& record = flexdse_simulate::recorder::only();
  record.set_output(arguments[1]);
  record.set_max_accesses(std::strtoull(arguments[2], nullptr, 10));
  record.start();
{memories}  {call}
  record.finish();
  return 0;
}}
"""


def kernel_main(header: str, function: str, arguments: Sequence[HostArgument]) -> str:
    """A program that calls a kernel; its scalars are the program's third argument and on, in order."""
    memories, values = [], []
    scalar = 3
    for argument in arguments:
        if argument.is_memory:
            memories.append(
                f'  auto* const {argument.name} = static_cast<{argument.type}*>(record.port("{argument.name}"));\n'
            )
            values.append(argument.name)
        else:
            values.append(f"static_cast<{argument.type}>(std::atof(arguments[{scalar}]))")
            scalar += 1
    return _MAIN.format(header=header, memories="".join(memories), call=f"::{function}({', '.join(values)});")


def unit_main(source: str, top: str, parameters: Sequence[str]) -> str:
    """A program that calls `top`, a function in `source`; its arrays are zero, its numbers too, its pointers ports."""
    names = [re.sub(r"(\s*\[[^\]]*\])+$", "", parameter).split()[-1].lstrip("*&") for parameter in parameters]
    declared = []
    for parameter, name in zip(parameters, names, strict=True):
        pointer = re.fullmatch(r"(?:const\s+)?([^*&\[]+?)\s*\*[^*\[]*", parameter)
        if pointer is not None:  # memory behind a port
            declared.append(f'  auto* const {name} = static_cast<{pointer[1]}*>(record.port("{name}"));\n')
        else:
            declared.append(f"  static {parameter.replace('&', ' ')} {{}};\n")
    return _MAIN.format(header=source, memories="".join(declared), call=f"::{top}({', '.join(names)});")


def scalar_values(arguments: Sequence[HostArgument], values: Mapping[str, float]) -> list[str]:
    """The scalars of `kernel_main` in order."""
    return [f"{values[argument.name]:g}" for argument in arguments if not argument.is_memory]
