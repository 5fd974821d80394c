"""A Sparkplug host application's STATE: edge nodes may wait for it (Sparkplug 3.0, 5.3 and 6.4.27)."""

import orjson

from collectors.mqtt_session import Will
from collectors.sparkplug_nodes import NAMESPACE


class HostState:
    """What is said on ``spBv1.0/STATE/<host_id>``: JSON with ``online`` and the time of the connection."""

    def __init__(self, host_id: str) -> None:
        self.topic = f"{NAMESPACE}/STATE/{host_id}"
        self._connected_at_ms = 0

    def will(self, now_us: int) -> Will:
        """What the broker says if we end without a word; the connection that begins now bears this time."""
        self._connected_at_ms = now_us // 1000
        return Will(self.topic, self._said(online=False, at_ms=self._connected_at_ms))

    def online(self) -> bytes:
        """Said once the subscriptions stand; with the time of the will, so that both are known to belong together."""
        return self._said(online=True, at_ms=self._connected_at_ms)

    def offline(self, now_us: int) -> bytes:
        """Said before an orderly end."""
        return self._said(online=False, at_ms=now_us // 1000)

    def is_denied_by(self, payload: bytes) -> bool:
        """Whether somebody says that we are not there, such as the will of our connection before this one."""
        try:
            content = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return True  # what nobody can read must not stay there either
        return not (isinstance(content, dict) and content.get("online") is True)

    @staticmethod
    def _said(*, online: bool, at_ms: int) -> bytes:
        return orjson.dumps({"online": online, "timestamp": at_ms})
