"""When a verdict becomes a finding, and when a finding ends: held for a moment, gone for a while."""

from dataclasses import dataclass, field

from plant import MICROSECONDS

OPEN_AT = 0.6
CLOSE_BELOW = 0.2
_HELD_US = 4 * MICROSECONDS
_GONE_US = 600 * MICROSECONDS
# Another mode explains the machine now: the first thought was a passing one.
_REPLACED_US = 20 * MICROSECONDS


@dataclass(slots=True)
class Case:
    """The open findings of one machine, by failure mode, and what is about to change."""

    open: dict[str, int] = field(default_factory=dict)
    _rising: dict[str, int] = field(default_factory=dict)
    _falling: dict[str, int] = field(default_factory=dict)

    def follow(self, time: int, tops: dict[str, float], probabilities: dict[str, float]) -> tuple[list[str], list[str]]:
        """Failure modes to open and to close at a source time [us].

        tops: the leading mode of the machine and that of its sensors, with their probabilities
        probabilities: all modes; a mode that is not in it is not known and changes nothing
        """
        opening = []
        for mode, probability in tops.items():
            if probability < OPEN_AT or mode in self.open:
                self._rising.pop(mode, None)
            elif time - self._rising.setdefault(mode, time) >= _HELD_US:
                opening.append(mode)
        for mode in [mode for mode in self._rising if mode not in tops]:
            del self._rising[mode]
        leading = {mode for mode, probability in tops.items() if probability >= OPEN_AT}
        closing = []
        for mode in self.open:
            if probabilities.get(mode, 1.0) >= CLOSE_BELOW:
                self._falling.pop(mode, None)
                continue
            patience = _REPLACED_US if leading - {mode} else _GONE_US
            if time - self._falling.setdefault(mode, time) >= patience:
                closing.append(mode)
        return opening, closing

    @property
    def undecided(self) -> bool:
        """Whether something leads that has not been held for long enough."""
        return bool(self._rising)

    def opened(self, mode: str, finding_id: int) -> None:
        """A finding was opened."""
        self.open[mode] = finding_id
        self._rising.pop(mode, None)

    def closed(self, mode: str) -> None:
        """A finding was closed."""
        self.open.pop(mode, None)
        self._falling.pop(mode, None)
