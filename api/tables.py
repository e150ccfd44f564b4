"""Tables in and out: columns of NumPy arrays as Arrow, Parquet, CSV or columns of JSON, by what the client wants.

PyArrow is imported at first use: it would be a fifth of the time until a new server answers.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response, StreamingResponse

from api.media import ARROW_STREAM, CSV, JSON, PARQUET
from api.problems import MalformedError
from spec.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
_BODY_COMPRESSION_FIELD = 3  # of the RecordBatch table in Arrow's Message.fbs
_HEADER_FIELD = 2  # of the Message table there


def check_columns(wanted: tuple[str, ...], known: Sequence[str]) -> None:
    """Refuses a column that a table does not have.

    Raises:
        InputError: with the nearest names.
    """
    for name in wanted:
        if name not in known:
            raise UnknownNameError("column", name, known, field="columns", hint="Leave it out for all of them.")


def table_response(
    table: pa.Table, media_type: str, head: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """`table` in that media type; as JSON its columns stand beside the fields of `head`."""
    headers = {"Vary": "Accept", **(headers or {})}
    if media_type in (ARROW_STREAM, CSV):
        return stream_response(table.schema, table.to_batches(max_chunksize=BATCH_ROWS), media_type, headers)
    if media_type == PARQUET:
        return Response(_parquet(table), media_type=media_type, headers=headers)
    assert media_type == JSON
    return Response(columns_json(table, head), media_type=JSON, headers=headers)


def stream_response(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], media_type: str, headers: Mapping[str, str]
) -> Response:
    """Rows in one of the media types that can be sent while they are made: an Arrow stream, or CSV."""
    if media_type == ARROW_STREAM:
        return StreamingResponse(_arrow_chunks(schema, batches), media_type=media_type, headers=headers)
    assert media_type == CSV
    return StreamingResponse(
        _csv_chunks(schema, batches), media_type="text/csv; charset=utf-8; header=present", headers=headers
    )


def columns_json(table: pa.Table, head: Mapping[str, Any]) -> bytes:
    """One JSON document: `head`, the number of rows, and each column as a list."""
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    return json.dumps({**head, "rows": table.num_rows, "columns": columns}, allow_nan=False).encode()


class _Sink(io.RawIOBase):
    """Keeps what was written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def _arrow_chunks(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    import pyarrow as pa

    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def _csv_chunks(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    import pyarrow as pa
    from pyarrow import csv

    plain = pa.schema([pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in schema])
    sink = _Sink()
    with csv.CSVWriter(pa.PythonFile(sink, mode="w"), plain) as writer:
        for batch in batches:
            writer.write_batch(batch.cast(plain))
            yield sink.take()
    yield sink.take()


def _parquet(table: pa.Table) -> bytes:
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd", row_group_size=2**17)
    return buffer.getvalue()


def read_arrow(body: bytes, max_rows: int) -> pa.Table:
    """The table of an Arrow IPC stream of flat, uncompressed columns.

    Raises:
        MalformedError: not such a stream.
        InputError: too many rows.
    """
    import pyarrow as pa

    try:
        _refuse_compression(body)
        rows = 0
        batches = []
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            schema = reader.schema
            nested = [
                field.name for field in schema if field.type.num_fields and not pa.types.is_dictionary(field.type)
            ]
            if nested or len(set(schema.names)) != len(schema.names):
                raise MalformedError(
                    "the table is not flat" if nested else "a column appears twice",
                    field="body",
                    value=", ".join(nested or schema.names),
                    rule="columns of numbers, each once",
                    hint="leave nested and repeated columns out",
                )
            for batch in reader:
                batch.validate(full=True)
                rows += batch.num_rows
                if rows > max_rows:
                    raise InputError(
                        "too many rows",
                        field="body",
                        value=rows,
                        rule=f"at most {max_rows} designs a request",
                        hint="send them in several requests",
                    )
                batches.append(batch)
        return pa.Table.from_batches(batches, schema=schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise MalformedError(
            "the body is not an Arrow IPC stream",
            field="body",
            rule="the stream format (not the file format), complete and intact",
            hint="write it with pyarrow.ipc.new_stream",
        ) from error


def _refuse_compression(body: bytes) -> None:
    """A few bytes can unpack to any size, and the size that they claim is reserved before it is checked."""
    import pyarrow as pa

    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body)):
        if message.type == "record batch" and _has_field(message.metadata.to_pybytes(), _BODY_COMPRESSION_FIELD):
            raise MalformedError(
                "the Arrow stream is compressed",
                field="body",
                rule="its buffers are sent as they are",
                hint="write it without `compression`",
            )


def _has_field(metadata: bytes, field: int) -> bool:
    """Whether the header table of an IPC message (a flatbuffer) has the field of that number."""
    message = struct.unpack_from("<I", metadata, 0)[0]
    header_offset = _field_offset(metadata, message, _HEADER_FIELD)
    if not header_offset:
        return False
    place = message + header_offset
    header = place + struct.unpack_from("<I", metadata, place)[0]
    return bool(_field_offset(metadata, header, field))


def _field_offset(buffer: bytes, table: int, field: int) -> int:
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    (size,) = struct.unpack_from("<H", buffer, vtable)
    entry = 4 + 2 * field
    return int(struct.unpack_from("<H", buffer, vtable + entry)[0]) if entry < size else 0
