"""Whether devices are there: what they say of themselves, and their last wills.

Native: ``ib/v1/<site>/<machine>/state`` with ``{"online": true | false, "time": RFC 3339 | epoch milliseconds}``
(``time`` may be left out), retained, and as last will with ``online`` false. Mappings name other topics and words.
States say nothing of measured values: no reading is made of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from collectors.json_path import MISSING, Frame, json_path
from collectors.mapping import Mapping, TopicPattern, word_of
from collectors.native import parsed, time_of
from collectors.refusals import OtherMessage, Refusals, shortened
from collectors.status import OfflineDevice
from plant import Rejected, SignalDirectory

_LISTED = 20


@dataclass(frozen=True, slots=True)
class DeviceState:
    """Whether a device is there, and since when [microseconds since the epoch]; None where that is not known."""

    online: bool
    since: int | None


class _StateTopic:
    """Reads the state topic of a mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._pattern = TopicPattern(mapping.state_topic)
        self._path = json_path(mapping.state_path or "$")

    def machine(self, topic: str) -> tuple[str, str] | None:
        """Site and machine of a topic; None where it is another one."""
        places = self._pattern.match(topic)
        if places is None:
            return None
        mapping = self._mapping
        machine = places.get("machine", mapping.machine)
        return places.get("site", mapping.site), mapping.machines.get(machine, machine)

    def online(self, payload: bytes) -> bool:
        """Raises ``ValueError`` where the payload says neither."""
        mapping = self._mapping
        words = {mapping.online: True, mapping.offline: False}
        text = payload.decode(errors="backslashreplace").strip()
        if not mapping.state_path and text in words:
            return words[text]  # most devices send the bare word
        try:
            said = self._path.find((Frame(parsed(payload)),))
        except (ValueError, RecursionError):
            said = text
        word = word_of(said)
        if word is None or word not in words:
            what = "nothing" if said is MISSING else shortened(said)
            raise ValueError(f"state {what} is neither {mapping.online!r} nor {mapping.offline!r}")
        return words[word]


class Presence:
    """The newest state of every registered machine that tells one."""

    def __init__(self, source: str, mappings: Sequence[Mapping]) -> None:
        self._source = source
        self._topics = [_StateTopic(mapping) for mapping in mappings if mapping.state_topic]
        self._states: dict[tuple[str, str], DeviceState] = {}
        # In order of going.
        self._offline: dict[tuple[str, str], DeviceState] = {}
        self._directory: SignalDirectory | None = None
        self._rejected: list[Rejected] = []

    @property
    def online(self) -> int:
        """Machines whose device is there, as last heard."""
        return len(self._states) - len(self._offline)

    @property
    def offline(self) -> int:
        """Machines whose device is gone, as last heard."""
        return len(self._offline)

    def newest_offline(self) -> tuple[OfflineDevice, ...]:
        """The last 20 that went, newest first."""
        newest = islice(reversed(self._offline.items()), _LISTED)
        return tuple(OfflineDevice(site, machine, state.since) for (site, machine), state in newest)

    def state(self, site: str, machine: str) -> DeviceState | None:
        """What a machine's device said last; None where it never did."""
        return self._states.get((site, machine))

    def take_rejected(self) -> list[Rejected]:
        """What could not be taken as a state since the last call, oldest first."""
        rejected, self._rejected = self._rejected, []
        return rejected

    def add(self, message: OtherMessage, directory: SignalDirectory) -> bool:
        """Take a message in if it is on a state topic; False where it is not. Never raises."""
        if directory is not self._directory:
            self._directory = directory
            self._forget_unregistered(directory)
        parts = message.topic.split("/")
        if len(parts) == 5 and parts[0] == "ib" and parts[1] == "v1" and parts[4] == "state":
            self._add(message, (parts[2], parts[3]), None, directory)
            return True
        for topic in self._topics:
            place = topic.machine(message.topic)
            if place is not None:
                self._add(message, place, topic, directory)
                return True
        return False

    def _add(
        self, message: OtherMessage, place: tuple[str, str], topic: _StateTopic | None, directory: SignalDirectory
    ) -> None:
        refusals = Refusals(
            self._source, message.topic, message.payload, message.length, message.received_at, self._rejected
        )
        reject = refusals.add
        if message.length > len(message.payload):
            reject("too_large", "a state takes a few bytes")
            return
        if directory.machine(*place) is None:
            reject("unknown_machine", f"machine {shortened(place[1])} of site {shortened(place[0])} is not registered")
            return
        if not message.payload:
            # MQTT 5, 3.3.1.3: so a retained message is taken back.
            self._states.pop(place, None)
            self._offline.pop(place, None)
            return
        time = None if message.retained else message.received_at
        if topic is not None:
            try:
                online = topic.online(message.payload)
            except ValueError as problem:
                reject("bad_shape", str(problem))
                return
        else:
            try:
                content: Any = parsed(message.payload)
            except (ValueError, RecursionError) as problem:
                reject("not_json", f"not JSON: {str(problem)[:200]}")
                return
            if not isinstance(content, dict) or not isinstance(content.get("online"), bool):
                reject("bad_shape", 'a state must be an object with "online": true or false')
                return
            online = content["online"]
            if content.get("time") is not None:
                said = time_of(content["time"])
                if said is None:
                    reject("bad_time", f"time {shortened(content['time'])} is neither RFC 3339 nor epoch milliseconds")
                    return
                time = self._since(place, online, said, time)
        self._take(place, DeviceState(online, time))

    def _since(self, place: tuple[str, str], online: bool, said: int, received: int | None) -> int | None:
        """The time a state gives, but for a last will: that was written when the device connected."""
        before = self._states.get(place)
        if not online and before is not None and before.online and before.since is not None and said <= before.since:
            return received
        return said

    def _take(self, place: tuple[str, str], state: DeviceState) -> None:
        """What comes last holds: the broker keeps the order, times of last wills would not."""
        before = self._states.get(place)
        if before is not None and before.online == state.online:
            # Said again, as with every new connection to the broker: it has been so since it was said first.
            state = before if before.since is not None or state.since is None else state
        elif state.online:
            self._offline.pop(place, None)
        self._states[place] = state
        if not state.online:
            self._offline[place] = state

    def _forget_unregistered(self, directory: SignalDirectory) -> None:
        for place in [place for place in self._states if directory.machine(*place) is None]:
            del self._states[place]
            self._offline.pop(place, None)
