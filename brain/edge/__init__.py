"""The gateway beside the machines: collectors and a spool without a database, and the link that empties the spool.

Nothing in here may import what a gateway has no room for (historian, analytics, API); a test holds that.
"""

from brain.edge.catalogue import Catalogue, Newest
from brain.edge.forwarder import Forwarder, LinkStatus
from brain.edge.link import Credential, Link, link_of
from brain.edge.messages import BatchMessages, Message, Messages, NativeMessages
from brain.edge.settings import EdgeSettings

__all__ = [
    "BatchMessages",
    "Catalogue",
    "Credential",
    "EdgeSettings",
    "Forwarder",
    "Link",
    "LinkStatus",
    "Message",
    "Messages",
    "NativeMessages",
    "Newest",
    "link_of",
]
