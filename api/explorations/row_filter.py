"""`where=` of the evaluations: which rows of the table, by conditions on its columns that must all hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spec.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_CONDITION = re.compile(r"([A-Za-z0-9_.]+)(<=|>=|=)(.+)")
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Condition:
    """`column` stands in `relation` (`<=`, `>=`, `=`) to `value`. A missing value meets none."""

    column: str
    relation: str
    value: float | bool | str

    @classmethod
    def of(cls, text: str, schema: pa.Schema) -> Condition:
        """A condition as a client writes it.

        Raises:
            UnknownNameError: no such column.
            InputError: a relation or value that the column cannot have.
        """
        import pyarrow as pa

        match = _CONDITION.fullmatch(text)
        if match is None:
            raise _bad(text, "COLUMN<=NUMBER, COLUMN>=NUMBER or COLUMN=VALUE; < and > are not among the relations")
        column, relation, value = match.groups()
        if column not in schema.names:
            raise UnknownNameError("column", column, schema.names, field="where")
        kind = schema.field(column).type
        if pa.types.is_boolean(kind):
            if relation != "=" or value not in _BOOLEANS:
                raise _bad(text, f"{column}=true or {column}=false")
            return cls(column, relation, _BOOLEANS[value])
        if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
            if relation != "=":
                raise _bad(text, f"{column} holds names: {column}=NAME")
            return cls(column, relation, value)
        try:
            return cls(column, relation, float(value))
        except ValueError as error:
            raise _bad(text, f"{column} holds numbers") from error

    def holds(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """(n_rows,)"""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = table.column(self.column)
        if pa.types.is_dictionary(column.type):
            column = column.cast(pa.string())
        relation = {"<=": pc.less_equal, ">=": pc.greater_equal, "=": pc.equal}[self.relation]
        value = pa.scalar(self.value)
        if isinstance(self.value, float):
            column = column.cast(pa.float64())
        found: npt.NDArray[np.bool_] = pc.fill_null(relation(column, value), False).to_numpy()
        return found


def _bad(text: str, rule: str) -> InputError:
    return InputError("not a condition on a column", field="where", value=text, rule=rule, hint="as in ttft_s<=2")


def conditions_of(texts: Sequence[str], schema: pa.Schema) -> tuple[Condition, ...]:
    """Every condition of a request.

    Raises:
        InputError: as `Condition.of`.
    """
    return tuple(Condition.of(text, schema) for text in texts)
