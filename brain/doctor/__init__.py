"""`brain doctor`: what a service engineer would ask on the phone, each answer with what to do about it."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeAlias

from brain.doctor import gateway, local
from brain.doctor.answer import Answer, Level
from brain.doctor.collecting import collecting
from brain.doctor.configured import replaced_lists
from brain.doctor.gateways import gateways
from brain.doctor.network import broker_log_in, opcua_log_in, way
from brain.endpoints import ENDPOINTS
from brain.rundir import RunDirectory
from brain.settings import Settings
from collectors import CertificateStore, MqttSource, OpcUaSource, SessionOptions, SparkplugSource, Tls

if TYPE_CHECKING:
    from historian import Position

__all__ = ["Answer", "Level", "examine"]

_Source: TypeAlias = MqttSource | SparkplugSource | OpcUaSource


async def examine(settings: Settings) -> AsyncIterator[Answer]:
    """Every check in turn; none of them changes anything. On a gateway the link stands in for the database."""
    yield local.disk(settings)
    for answer in replaced_lists():
        yield answer
    is_gateway = gateway.is_gateway(settings)
    async for answer in _of_gateway(settings) if is_gateway else _of_installation(settings):
        yield answer
    for answer in collecting(settings, "edge" if is_gateway else "collect"):
        yield answer
    for answer in local.certificates(settings):
        yield answer
    sources: list[_Source] = [*settings.mqtt, *settings.sparkplug, *settings.opcua]
    for source in sources:
        async for answer in _source(source, settings):
            yield answer


async def _of_gateway(settings: Settings) -> AsyncIterator[Answer]:
    for answer in await asyncio.to_thread(
        local.spool, settings, gateway.positions(settings), "`brain edge`", known=True
    ):
        yield answer
    for answer in gateway.ready(settings):
        yield answer
    async for answer in gateway.link(settings):
        yield answer


async def _of_installation(settings: Settings) -> AsyncIterator[Answer]:
    positions: dict[str, Position] = {}
    url = settings.database_url or RunDirectory(settings.data_dir).read(ENDPOINTS).get("database_url")
    if url:
        # A gateway does not have what this imports.
        from brain.doctor.database import database

        collects = bool(settings.mqtt or settings.sparkplug or settings.opcua)
        async for answer in database(str(url), positions, collects=collects):
            yield answer
    else:
        fix = "start `brain run`, or set BRAIN_DATABASE_URL"
        yield Answer("database", "problem", "none is set, and none runs here", fix)
    for answer in await asyncio.to_thread(local.spool, settings, positions, "`brain ingest`", known=bool(url)):
        yield answer
    async for answer in gateways(settings.gateways):
        yield answer


async def _source(source: _Source, settings: Settings) -> AsyncIterator[Answer]:
    last = None
    async for answer in way(source.name, source.url):
        last = answer
        yield answer
    if last is None or last.level == "problem":
        return  # a log-in would only say the same again
    if isinstance(source, MqttSource | SparkplugSource):
        tls = Tls(source.ca_file, source.certificate_file, source.key_file)
        yield await broker_log_in(source.name, source.url, SessionOptions(source.client_id, tls=tls))
    else:
        async for answer in opcua_log_in(source, CertificateStore(settings.pki_dir)):
            yield answer
