"""Wrong command lines, told as any other bad input: field, value, rule and a way out."""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from flexdse.console import report_error
from spec.errors import FlexDSEError, InputError, echo, nearest_names

_FULL = (errno.ENOSPC, errno.EDQUOT)


class UsageError(InputError):
    """A command line that does not parse."""

    code = "bad_usage"
    http_status = 400


def report_usage(error: typer.TyperException, arguments: Sequence[str], *, as_json: bool) -> int:
    """The error on stderr; the exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":  # the message is the help text
        sys.stderr.write(f"{error.format_message()}\n")
    else:
        report_error(usage_error(error, arguments), as_json=as_json)
    return UsageError.exit_code


def usage_error(error: typer.TyperException, arguments: Sequence[str]) -> UsageError:
    """What the parser of the command line found, with a way out."""
    context: typer.Context | None = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "flexdse"
    see = f"`{command} --help` shows what there is"
    param: Any = getattr(error, "param", None)
    unknown_option = getattr(error, "option_name", None)
    commands: Mapping[str, Any] = getattr(context.command, "commands", {}) if context is not None else {}
    if type(error).__name__ == "MissingParameter" and param is not None:
        absent = [p for p in (context.command.params if context is not None else []) if p.required
                  and not (p.param_type_name == "option" and _value_of(p.opts, arguments))] or [param]  # fmt: skip
        names = ", ".join(map(_shown_name, absent))
        return UsageError(f"{command} needs {names}", field=_shown_name(param), rule="must be given", hint=see)
    if param is not None:
        name = _shown_name(param)
        value = _value_of(param.opts, arguments)
        rule = _rule(param, error.message)
        return UsageError(f"{name} is not {rule}", field=name, value=value, rule=f"must be {rule}", hint=see)
    if unknown_option is not None:
        known = (
            sorted({name for p in context.command.params for name in p.opts if name[0] == "-"})
            if context is not None
            else []
        )
        rule = f"an option of {command}: {', '.join(known)}" if known else f"an option of {command}"
        if "No such option" not in error.message:  # it is one, used in a wrong way
            return UsageError(error.message, field=str(unknown_option), rule="as its help says", hint=see)
        return UsageError(
            f"{command} has no option {echo(unknown_option)}",
            field="option",
            value=unknown_option,
            rule=rule,
            hint=_did_you_mean(str(unknown_option), known, see),
        )
    if commands and context is not None and "No such command" in error.message:
        name = next((word for word in arguments if word not in command.split() and not word.startswith("-")), "")
        return UsageError(
            f"{command} has no command {echo(name)}",
            field="command",
            value=name,
            rule=f"one of {', '.join(sorted(commands))}",
            hint=_did_you_mean(name, list(commands), see),
        )
    return UsageError(error.format_message(), field="command line", value=" ".join(arguments),
                      rule=f"as `{command} --help` says", hint=see)  # fmt: skip


def _shown_name(param: Any) -> str:
    return str(max(param.opts, key=len)) if param.param_type_name == "option" else str(param.name).upper()


def _value_of(names: Sequence[str], arguments: Sequence[str]) -> str | None:
    """The text that was given for an option; the last, as that is the one that counts."""
    for place in range(len(arguments) - 1, -1, -1):
        name, equals, value = arguments[place].partition("=")
        if name in names and equals:
            return value
        if arguments[place] in names and place + 1 < len(arguments):
            return arguments[place + 1]
    return None


def _rule(param: Any, message: str) -> str:
    kind = str(getattr(getattr(param, "type", None), "name", ""))
    if "integer" in message or kind == "integer":
        return "a whole number in digits"
    if "number" in message or kind == "float":
        return "a number"
    return f"accepted: {message}"


def _did_you_mean(name: str, known: Sequence[str], otherwise: str) -> str:
    near = nearest_names(name, known)
    return f"did you mean {' or '.join(near)}? {otherwise}" if near else otherwise


def system_error(error: OSError) -> FlexDSEError:
    """An error of the operating system that nobody expected at that place."""
    where = str(error.filename) if error.filename is not None else "standard output or a file"
    return FlexDSEError(
        f"{error.strerror or error}: {where}",
        field="file",
        value=where,
        rule="must be readable or writable, on a disk with room",
        hint="free space" if error.errno in _FULL else "check the path and its permissions",
    )
