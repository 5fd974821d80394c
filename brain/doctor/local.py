"""What can be looked at on this host: disk, spool, certificates of OPC UA."""

import os
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from brain.doctor.answer import Answer, Level
from brain.edge import EdgeSettings
from brain.settings import Settings
from collectors import Certificate, CertificateStore, MqttSource, SparkplugSource
from ingest import Place, inspect_spool

if TYPE_CHECKING:
    from historian import Position

_LEAST_FREE = 2e9
_LATE_S = 60.0
_NEARLY_FULL = 0.8


def disk(settings: Settings) -> Answer:
    """Room below the data directory, and whether it may be written at all."""
    existing = next(path for path in (settings.data_dir, *settings.data_dir.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    words = f"{free / 1e9:.1f} GB free below {settings.data_dir}"
    if os.statvfs(existing).f_flag & os.ST_RDONLY:
        fix = "a disk with errors is mounted so: look into the kernel's log, and replace it before mounting it anew"
        return Answer("disk", "problem", f"{existing} is mounted read-only; {words}", fix)
    if free <= _LEAST_FREE:
        fix = "make room, or lower spool_max_gb: a full disk holds collectors back"
        return Answer("disk", "warning", words, fix)
    used = sum(path.stat().st_size for path in settings.spool_dir.glob("*/*.spool"))
    if free + used < settings.spool_max_gb * 1e9:
        fix = "lower spool_max_gb below what is free: else an outage fills the disk for everything else on it, too"
        return Answer("disk", "warning", f"{words}; the spool may take {settings.spool_max_gb:g} GB", fix)
    return Answer("disk", "ok", words)


def certificates(settings: Settings) -> list[Answer]:
    """Dates of OPC UA certificates, and of our own at brokers; none before security is used."""
    store = CertificateStore(settings.pki_dir)
    known = [(f"OPC UA server {one.subject}", one) for one in store.trusted()]
    if store.own_certificate_file.is_file():
        known.append(("OPC UA, our own", store.own()))
    answers = []
    for file in sorted({one.certificate_file for one in _brokers(settings) if one.certificate_file is not None}):
        try:
            known.append((f"broker, {file}", Certificate.of(file.read_bytes())))
        except (OSError, ValueError) as problem:
            fix = "it is our own certificate for a broker: bring the file back, or correct certificate_file"
            answers.append(Answer(f"certificate: broker, {file}", "problem", f"cannot be read: {problem}", fix))
    for whose, certificate in known:
        warning = certificate.expiry_warning("it", datetime.now(UTC))
        fix = "have the server's renewed, and trust the new one with `brain onboard trust`"
        if whose.endswith("own"):
            fix = "`brain onboard certificate --renew`, then let every server trust it"
        elif whose.startswith("broker"):
            fix = "have whoever runs the broker sign a new one, and put it there"
        answers.append(
            Answer(f"certificate: {whose}", "warning", warning, fix)
            if warning
            else Answer(f"certificate: {whose}", "ok", f"valid until {certificate.expires:%Y-%m-%d}")
        )
    return answers


def _brokers(settings: Settings) -> list[MqttSource | SparkplugSource | EdgeSettings]:
    return [*settings.mqtt, *settings.sparkplug, settings.edge]


def spool(
    settings: Settings, positions: "Mapping[str, Position | Place]", emptied_by: str, *, known: bool
) -> list[Answer]:
    """What waits in each lane; ``known``: whether the positions could be had."""
    answers = []
    for lane in inspect_spool(settings.spool_dir, positions):
        words = f"{lane.waiting_readings:,} of {lane.readings:,} readings waiting in {lane.segments} segments"
        words += f" ({lane.packed} packed), {lane.bytes / 1e9:,.2f} GB of {settings.spool_max_gb:g}"
        level: Level = "ok"
        fix = ""
        if not known or (not positions and lane.waiting_readings):
            words += " (how far they have been taken is not known)"
        elif lane.oldest_us is not None and (age := time.time() - lane.oldest_us / 1e6) > _LATE_S:
            level, words = "warning", f"{words}, the oldest for {age:,.0f} s"
            fix = f"what empties it is behind or does not run: look at {emptied_by} and its log"
        if lane.bytes > _NEARLY_FULL * settings.spool_max_gb * 1e9:
            level, words = "warning", f"{words}; nearly full: collectors will be held back"
            fix = fix or f"raise spool_max_gb if the disk has room, and see why {emptied_by} is behind"
        if lane.torn:
            words += f"; {len(lane.torn)} with a torn end (a crash; what was torn was never acknowledged)"
        if lane.skipped_bytes:
            level, words = "warning", f"{words}; {lane.skipped_bytes:,} bytes damaged, what lies behind them is read"
            fix = fix or "what was damaged is lost: look at this host's disk (smartctl, kernel log)"
        if lane.foreign:
            level, words = "problem", f"{words}; not ours or of another version: {', '.join(map(str, lane.foreign))}"
            fix = "nothing passes there: write them with the version they came from, or move the files away"
        answers.append(Answer(f"spool {lane.lane}", level, words, fix))
    return answers or [Answer("spool", "ok", f"empty: nothing was collected below {settings.spool_dir} yet")]
