"""What a recorded trace says of its loops, streams, memories and processes, and the verdict on a program that broke off."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hls_gen.errors import SimulationError


@dataclass(frozen=True, slots=True)
class Site:
    """A loop in one instance of its function (mangled name)."""

    number: int
    kind: str
    function: str
    file: str
    line: int
    label: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A FIFO with the depth that the source gives it."""

    number: int
    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class Access:
    """A read or write of a stream (`kind` r, w) or of a memory (l, L, t, T) at one line."""

    number: int
    kind: str
    object: int
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Process:
    """A call in a dataflow region."""

    number: int
    call: str
    file: str
    line: int

    @property
    def function(self) -> str:
        """The function that is called."""
        return self.call.lstrip("( ").split("<")[0].split("(")[0].strip()


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a program cannot be simulated."""

    kind: str
    file: str
    line: int
    message: str


@dataclass(slots=True)
class Trace:
    """The tables of a trace; its tree is left to the solver."""

    path: Path
    sites: list[Site] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    stop: Stop | None = None


def mangled_function(type_name: str) -> str:
    """The mangled name of the function that a local type named `flexdse_here_N` stands in."""
    head = type_name[: type_name.rindex("flexdse_here_")].rstrip("0123456789")
    return "_" + head.removesuffix("E") if head.startswith("Z") else head


def read_trace(path: Path, root: Path) -> Trace:
    """The tables of the trace at `path`; names of files are made relative to `root`, where the program was compiled.

    Raises:
        SimulationError: the trace is not whole.
    """
    prefix = f"{root}/"
    found = Trace(path)
    whole = False
    for line in path.read_text().splitlines():
        head, *columns = line.split("\t")
        words = head.split(" ")
        file = columns[0].removeprefix(prefix) if columns else ""
        match words[0]:
            case "site":
                name = words[4]
                function = mangled_function(name) if "flexdse_here_" in name else name
                found.sites.append(Site(int(words[1]), words[2], function, file, int(words[3]), columns[1]))
            case "stream":
                found.streams.append(Stream(int(words[1]), " ".join(words[3:]), int(words[2])))
            case "port":
                found.ports.append(words[2])
            case "access":
                found.accesses.append(Access(int(words[1]), words[2], int(words[3]), file, int(words[4])))
            case "process":
                found.processes.append(Process(int(words[1]), " ".join(words[3:]), file, int(words[2])))
            case "top":
                whole = True
            case "verdict":
                found.stop = Stop(words[1], file, int(columns[1]), columns[2])
                whole = True
            case _:
                pass  # bodies, loops and regions
    if not whole:
        raise SimulationError(
            "the recorded trace breaks off",
            field="project",
            value=str(path),
            rule="the program runs to its end",
            hint="free disk space and simulate again",
        )
    return found
