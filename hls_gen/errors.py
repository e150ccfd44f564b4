"""Errors of generation and of the tools: each names what failed and a way out."""

from __future__ import annotations

from spec.errors import FlexDSEError, InputError


class ProjectExistsError(InputError):
    """The target folder already holds something."""

    code = "project_exists"
    http_status = 409


class IllegalDesignError(InputError):
    """A design that breaks a rule of its modules: infeasible, as `evaluate` calls it."""

    code = "illegal_design"
    exit_code = 3


class ProjectWriteError(FlexDSEError):
    """The project could not be written; nothing of it was left behind."""

    code = "project_not_written"


class ProjectDamagedError(InputError):
    """A folder that is no project, or lacks files of one."""

    code = "project_damaged"


class CompileError(FlexDSEError):
    """The C++ compiler refused a project's source."""

    code = "compile_failed"


class SimulationError(FlexDSEError):
    """The C simulation ended without a result."""

    code = "simulation_failed"


class SimulationDeadlockError(SimulationError):
    """All processes of a kernel wait for each other; the message names the streams."""

    code = "simulation_deadlock"


class SimulationTimeoutError(SimulationError):
    """The C simulation took longer than allowed and was ended."""

    code = "simulation_timeout"


class OpenSynthesisError(FlexDSEError):
    """Synthesis without vendor tools failed."""

    code = "open_synthesis_failed"
