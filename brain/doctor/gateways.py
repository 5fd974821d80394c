"""In the cloud: whether gateways can come in at all."""

import asyncio
import os
from collections.abc import AsyncIterator

from brain.doctor.answer import Answer
from brain.doctor.network import trusted, way
from brain.failure import Failure
from brain.gateways import GatewaySettings
from collectors import Tls

_CHECK = "gateways"


async def gateways(settings: GatewaySettings) -> AsyncIterator[Answer]:
    """The broker as they reach it, whether they would trust it, and the file with their accounts; only where set up."""
    if settings.broker_url is None:
        return
    reached = False
    async for answer in way(_CHECK, settings.broker_url):
        reached = reached or (answer.check.startswith("port") and answer.level == "ok")
        yield answer
    try:
        settings.authorities()
    except Failure as problem:
        yield Answer(_CHECK, "problem", str(problem), "gateways are told what to trust from it: bring it back")
    else:
        if reached and settings.broker_url.startswith("mqtts"):
            yield await trusted(_CHECK, settings.broker_url, Tls(settings.broker_ca_file))
    yield await asyncio.to_thread(_accounts, settings)


def _accounts(settings: GatewaySettings) -> Answer:
    path = settings.password_file
    if path is None:
        return Answer(
            _CHECK, "warning", "no password_file is set", "nobody can be let in without: set it in [gateways]"
        )
    if not path.is_file():
        found = f"{path} is not there"
        return Answer(_CHECK, "problem", found, "is it the broker's password_file, on a volume that both see?")
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        fix = "run `brain doctor` as the user of `brain serve`; if it is, give that user the file and its folder"
        return Answer(_CHECK, "warning", f"{path} cannot be written by user {os.getuid()}", fix)
    return Answer(_CHECK, "ok", f"accounts are written to {path}")
