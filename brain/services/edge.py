"""``brain edge``: collectors and spool on a gateway, and the link that forwards the spool. No database."""

import asyncio
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta

from brain.edge import BatchMessages, Catalogue, Forwarder, Link, Messages, NativeMessages, Newest, link_of
from brain.edge.forwarder import segment_bytes
from brain.failure import Failure
from brain.rundir import RunDirectory
from brain.services.lifetime import run_until_told, until_told_to_stop
from brain.services.sources import collectors_of, now_us, report, require_sources
from brain.services.workers import Worker
from brain.settings import Settings
from collectors import EDGE_TOPICS, Memory, ReportByException
from ingest import CheckedSink, Spool, lane_directory

LANE = "edge"
_NEWEST_S = 5.0


async def edge(settings: Settings) -> None:
    """Collect from every source in the settings and forward until told to stop."""
    require_sources(settings)
    settings = without_gateways(settings)
    run_directory = RunDirectory(settings.data_dir)
    run_directory.prepare()
    folder = settings.edge_dir
    link = link_of(settings.edge, folder)
    site = site_of(settings, link)
    catalogue = Catalogue.load(folder / "signals.json", [machine.spec() for machine in settings.machines])
    told = until_told_to_stop()
    max_bytes = int(settings.spool_max_gb * 1e9)
    lane = lane_directory(settings.spool_dir, LANE)
    messages: Messages = (
        BatchMessages(catalogue.names, site, link.gateway)
        if settings.edge.format == "batch"
        else NativeMessages(catalogue.names, folder / "rejected.jsonl")
    )
    forwarder = Forwarder(lane, link, messages, Memory(folder, "link", link.gateway), settings.edge, max_bytes)
    async with Spool.open(
        settings.spool_dir, LANE, segment_bytes=segment_bytes(max_bytes), max_bytes=max_bytes
    ) as spool:
        newest = Newest(spool, catalogue, Memory(folder, "newest", "readings"))
        directory = newest.directory()
        sink = CheckedSink(
            ReportByException(newest, lambda: directory),
            retention=timedelta(days=settings.retention_days),
            ahead=timedelta(seconds=settings.time_ahead_s),
            clock=now_us,
        )
        collectors = collectors_of(settings, Worker(), lambda: directory, sink)
        await run_until_told(
            *(collector.run() for collector in collectors),
            forwarder.run(),
            _remember(newest),
            report(collectors, run_directory, LANE, lambda: {"link": asdict(forwarder.status())}),
            told=told,
        )


def without_gateways(settings: Settings) -> Settings:
    """A gateway collects from devices: batches of gateways, its own among them, are for the cloud."""
    sources = [
        source.model_copy(update={"topics": tuple(topic for topic in source.topics if topic != EDGE_TOPICS)})
        for source in settings.mqtt
    ]
    return settings.model_copy(update={"mqtt": sources})


def site_of(settings: Settings, link: Link) -> str:
    """The one site that a gateway speaks for; raises :class:`Failure` where the settings name no machine or others."""
    sites = sorted({machine.site for machine in settings.machines})
    if not sites:
        raise Failure("no machines: give [[machines]] in the settings file, as they are registered in the cloud")
    if settings.edge.format == "native" and not link.site:
        return sites[0]
    if len(sites) > 1:
        raise Failure(f"a gateway is of one site, and [[machines]] names {', '.join(sites)}: use a gateway a site")
    if link.site and sites[0] != link.site:
        raise Failure(f"this gateway was enrolled for site {link.site!r}, and [[machines]] names {sites[0]!r}")
    return sites[0]


async def _remember(newest: Newest) -> None:
    """What is not remembered is asked for again of servers that keep history; nothing is lost by that."""
    try:
        while True:
            await asyncio.sleep(_NEWEST_S)
            with suppress(OSError):
                await asyncio.to_thread(newest.save)
    finally:
        with suppress(OSError):
            newest.save()
