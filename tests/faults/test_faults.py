"""Nothing is lost and nothing is doubled, whatever is killed, cut, filled, stopped or put out of order."""

import asyncio
import os
import random
import signal
import time

import pytest

from .conftest import LONG, Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

_ROUNDS = 4 if LONG else 2
_STANDSTILL_S = 60.0 if LONG else 4.0
_BETWEEN_S = 3.0 if LONG else 1.5


@pytest.mark.parametrize("part", ["collect", "ingest", "broker", "postgres"])
async def test_killed(rig: Rig, part: str) -> None:
    async with rig.stream(f"kill -9 of {part}, {_ROUNDS} times") as stream:
        for _ in range(_ROUNDS):
            await stream.flow(_BETWEEN_S)
            os.kill(rig.pid(part), signal.SIGKILL)
            stream.fault_is_over()
            await stream.flow(_BETWEEN_S)
            await rig.running(part)
        await stream.flow(_BETWEEN_S)


@pytest.mark.parametrize("part", ["collect", "ingest", "broker", "postgres"])
async def test_stopped_for_a_while(rig: Rig, part: str) -> None:
    async with rig.stream(f"SIGSTOP of {part}, {_STANDSTILL_S:.0f} s") as stream:
        await stream.flow(1.0)
        pid = await rig.running(part)
        os.kill(pid, signal.SIGSTOP)
        try:
            await stream.flow(_STANDSTILL_S)
        finally:
            os.kill(pid, signal.SIGCONT)
            stream.fault_is_over()
        await stream.flow(1.0)


async def test_database_restarted_while_it_writes(rig: Rig) -> None:
    rounds = 10 if LONG else 3
    async with rig.stream(f"database restarted while it writes, {rounds} times", samples=50) as stream:
        for _ in range(rounds):
            await stream.flow(0.8 + random.random(), rate=60)
            os.kill(rig.pid("postgres"), signal.SIGINT)  # a fast shutdown; the installation starts it again
            await stream.flow(0.5, rate=60)
            await rig.running("postgres")
            stream.fault_is_over()


@pytest.mark.parametrize("which", ["broker", "database"])
async def test_connection_cut(rig: Rig, which: str) -> None:
    cable = rig.broker_cable if which == "broker" else rig.database_cable
    async with rig.stream(f"connection to the {which} cut, {2 * _ROUNDS} times") as stream:
        for _ in range(2 * _ROUNDS):
            await stream.flow(0.8)
            cable.cut()
            stream.fault_is_over()
        await stream.flow(1.0)


@pytest.mark.parametrize("which", ["broker", "database"])
async def test_half_open_connection(rig: Rig, which: str) -> None:
    """Neither end is told that the other is gone: only silence says so."""
    cable = rig.broker_cable if which == "broker" else rig.database_cable
    silence_s = 90.0 if LONG else 6.0
    async with rig.stream(f"half-open connection to the {which}, {silence_s:.0f} s") as stream:
        await stream.flow(1.0)
        cable.silent = True
        try:
            await stream.flow(silence_s)
        finally:
            cable.silent = False
            stream.fault_is_over()
        if not LONG:
            cable.cut()  # the long run waits until they find out for themselves
        await stream.flow(1.0)


async def test_slow_database(rig: Rig) -> None:
    async with rig.stream("database that takes 64 kB in 0.3 s", samples=50) as stream:
        rig.database_cable.pause_s = 0.3
        try:
            await stream.flow(30.0 if LONG else 4.0, rate=60)
        finally:
            rig.database_cable.pause_s = 0.0
            stream.fault_is_over()
        await stream.flow(1.0)


async def test_disk_full_under_the_spool(rig: Rig) -> None:
    """The broker keeps what the collector cannot take; nobody crashes, and it goes on when there is space."""
    if not rig.spool_is_small:
        pytest.skip("no small disk could be mounted (not root, or no mount allowed)")
    spool = rig.product.settings.spool_dir
    collector, writer = rig.pid("collect"), await rig.running("ingest")
    async with rig.stream("disk full under the spool", samples=200) as stream:
        os.kill(writer, signal.SIGSTOP)
        try:
            deadline = time.monotonic() + 60
            while _free(spool) > 200_000 and time.monotonic() < deadline:
                await stream.flow(0.2, rate=300)
            assert _free(spool) <= 200_000, "the disk did not fill"
            await stream.flow(3.0, rate=100)
        finally:
            os.kill(writer, signal.SIGCONT)
            stream.fault_is_over()
    assert (rig.pid("collect"), rig.pid("ingest")) == (collector, writer)


async def test_device_clock_jumps(rig: Rig) -> None:
    """An hour back is taken as it is said, an hour ahead is kept in quarantine."""
    hours = 3_600_000
    async with rig.stream("clock of the device jumps back and ahead") as stream:
        await stream.flow(0.5)
        for _ in range(50):
            stream.send(-24 * hours)
        for _ in range(20):
            stream.send(3 * hours, refused=True)
        await stream.flow(0.5)


async def test_out_of_order_late_and_repeated(rig: Rig) -> None:
    chance = random.Random(3)
    day = 86_400_000
    async with rig.stream("out of order, late by days, repeated") as stream:
        for _ in range(400):
            stream.send(-day * chance.choice((0, 0, 0, 1, 2, 9, 30)))
            if chance.random() < 0.3:
                stream.send_again(0)
            if chance.random() < 0.02:
                await asyncio.sleep(0.05)


def _free(path: os.PathLike[str]) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
