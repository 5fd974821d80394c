"""How well alarms fit a labelled event: counts added up over records, and what follows from them."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Quality:
    """Of samples one by one, summed over all records; no point adjustment. Shares are in 0..1.

    f1, far FP/(FP+TN), mar FN/(FN+TP), mcc Matthews' correlation; far_before, far_after the event apart
    delay_rows: median over the events that were found; missed_events: those of which no row was flagged
    """

    f1: float
    far: float
    mar: float
    mcc: float
    far_before: float
    far_after: float
    delay_rows: float | None
    events: int
    missed_events: int

    def as_json(self) -> dict[str, float | int | None]:
        """Rounded to four places."""
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


def quality(labels: Sequence[Flags], flagged: Sequence[Flags]) -> Quality:
    """The quality of alarms; labels and flagged: of each record (n,), in order of time, one event a record."""
    true_positive = sum(int((wanted & got).sum()) for wanted, got in zip(labels, flagged, strict=True))
    wanted_all, got_all = sum(int(wanted.sum()) for wanted in labels), sum(int(got.sum()) for got in flagged)
    samples = sum(len(wanted) for wanted in labels)
    false_positive, missed = got_all - true_positive, wanted_all - true_positive
    true_negative = samples - wanted_all - false_positive
    before: list[Flags] = []
    after: list[Flags] = []
    delays = []
    for wanted, got in zip(labels, flagged, strict=True):
        rows = np.flatnonzero(wanted)
        if not len(rows):
            before.append(got)
            continue
        before.append(got[: rows[0]])
        after.append(got[rows[-1] + 1 :])
        hits = np.flatnonzero(got & wanted)
        delays.append(int(hits[0] - rows[0]) if len(hits) else None)
    found = [delay for delay in delays if delay is not None]
    product = math.sqrt(float(got_all) * wanted_all * (true_negative + false_positive) * (true_negative + missed))
    return Quality(
        _share(2 * true_positive, 2 * true_positive + false_positive + missed),
        _share(false_positive, false_positive + true_negative),
        _share(missed, wanted_all),
        (true_positive * true_negative - false_positive * missed) / product if product else 0.0,
        _mean(before),
        _mean(after),
        float(np.median(found)) if found else None,
        len(delays),
        len(delays) - len(found),
    )


def episodes(flagged: Flags) -> int:
    """How often alarms begin."""
    return int(np.sum(np.diff(flagged.astype(np.int8), prepend=0) == 1))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _mean(parts: list[Flags]) -> float:
    joined = np.concatenate(parts) if parts else np.empty(0, bool)
    return float(joined.mean()) if len(joined) else 0.0
