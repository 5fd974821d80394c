"""From an address to tags: what a server or broker shows, for proposals."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from brain.failure import Failure
from brain.settings import Settings
from collectors import CertificateStore, DiscoveredTag, OpcUaSource, discover_mqtt, discover_opcua, is_mqtt_url
from onboarding import Tag


async def discover(settings: Settings, url: str, topics: Sequence[str], seconds: float) -> list[Tag]:
    """The tags behind an address or a source's name; :class:`Failure` where nothing can be had from it."""
    try:
        found = await _found(settings, url, topics, seconds)
    except OSError as problem:
        raise Failure(f"{problem}: check address, port and log-in") from problem
    if not found:
        raise Failure(f"{url} shows no tags within {seconds:g} s: check the topic, or take longer (--seconds)")
    return [_tag(one) for one in found]


async def _found(settings: Settings, url: str, topics: Sequence[str], seconds: float) -> list[DiscoveredTag]:
    named = {source.name: source for source in settings.opcua}
    if url in named:
        return await discover_opcua(named[url], CertificateStore(settings.pki_dir), seconds)
    if is_mqtt_url(url):
        return await discover_mqtt(url, topics or ("#",), seconds)
    if urlsplit(url).scheme == "opc.tcp" and urlsplit(url).hostname:
        source = OpcUaSource(name="discovery", url=url)
        return await discover_opcua(source, CertificateStore(settings.pki_dir), seconds)
    raise Failure(
        f"{url!r} must look like opc.tcp://address:port/path or mqtt://address:port, or name an [[opcua]] source"
    )


def _tag(found: DiscoveredTag) -> Tag:
    source = {key: value for key in ("node", "topic", "path") if (value := getattr(found, key))}
    return Tag(found.name, found.unit, found.description, found.data_type, found.low, found.high, found.samples, source)
