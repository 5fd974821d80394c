"""Writes the monthly report of a site to files, with the API's own functions."""

from pathlib import Path

from api import Problem
from api.reports import MEDIA_TYPES, file_name, gather_report, render
from brain.failure import Failure
from historian import Database, ensure_tenant


async def write_report(
    database_url: str, tenant: str, site: str, month: str, language: str, directory: Path
) -> list[Path]:
    """Write a month's report as PDF and Excel; the files. Raises :class:`Failure` where there is nothing to report."""
    async with Database.open(database_url, max_size=1) as database:
        async with database.connection() as connection:
            tenant_id = await ensure_tenant(connection, tenant, tenant)
        async with database.tenant(tenant_id) as connection:
            try:
                report = await gather_report(connection, site, month)
            except Problem as problem:
                raise Failure(problem.detail.rstrip(".")) from problem
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    files = []
    for file_format in MEDIA_TYPES:
        file = directory / file_name(site, month, language, file_format)
        file.write_bytes(render(report, file_format, language))
        files.append(file)
    return files
