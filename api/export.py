"""Readings as files."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import AwareDatetime

from api.context import TenantConnection
from api.machines import check_period
from api.problems import not_found
from historian import export_rows, find_signal
from plant import Quality

router = APIRouter(tags=["export"])

_ROWS_A_CHUNK = 5000


@router.get("/export/readings")
async def export_readings(
    connection: TenantConnection,
    machine: int,
    signal: str,
    start: Annotated[AwareDatetime, Query()],
    end: Annotated[AwareDatetime, Query()],
    format: Literal["csv", "parquet"] = "csv",  # noqa: A002 - the word of the contract
) -> Response:
    """All readings of a signal in [start, end): time (RFC 3339), value, quality."""
    check_period(start, end)
    found = await find_signal(connection, machine, signal)
    if found is None:
        raise not_found("signal", f"{signal} of machine {machine}")
    rows = await export_rows(connection, found[0], start, end)
    name = f"machine-{machine}-{signal}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if format == "parquet":
        return Response(_parquet(rows, found[1]), media_type="application/vnd.apache.parquet", headers=headers)
    return StreamingResponse(_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)


def _csv(rows: list[tuple[datetime, float | None, int]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(("time", "value", "quality"))
    for number, (time, value, quality) in enumerate(rows):
        writer.writerow((time.isoformat(), "" if value is None else repr(value), Quality(quality).name.lower()))
        if number % _ROWS_A_CHUNK == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _parquet(rows: list[tuple[datetime, float | None, int]], unit: str) -> bytes:
    times, values, qualities = zip(*rows, strict=True) if rows else ((), (), ())
    table = pa.table(
        {
            "time": pa.array(times, pa.timestamp("us", tz="UTC")),
            "value": pa.array(values, pa.float64()),
            "quality": pa.array([Quality(quality).name.lower() for quality in qualities], pa.string()),
        }
    ).replace_schema_metadata({"unit": unit})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
