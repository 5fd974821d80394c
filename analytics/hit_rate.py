"""How often a diagnosis was right, as people found it, and how sure that is."""

import math
from dataclasses import dataclass

# Fewer answers than this say nothing.
LEAST_ANSWERS = 5
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class HitRate:
    """right of n answered; low and high of its 95 % interval, None with too few answers to say."""

    right: int
    n: int
    low: float | None
    high: float | None
    text_en: str
    text_zh: str


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share, 0..1; raises ``ValueError`` where n is not positive.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209; it holds its level for small n, and stays within 0..1.

    >>> [round(border, 2) for border in wilson(7, 9)]
    [0.45, 0.94]
    """
    if not 0 <= right <= n or not n:
        raise ValueError(f"{right} of {n} is no share")
    share = right / n
    widened = 1 + _Z**2 / n
    middle = (share + _Z**2 / (2 * n)) / widened
    reach = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / widened
    # Rounding may lead past the share itself where it is 0 or 1.
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))


def hit_rate(right: int, n: int) -> HitRate:
    """A share of right diagnoses with its interval and its words."""
    if n == 0:
        return HitRate(0, 0, None, None, "nobody has said yet whether this was right", "尚无人工确认")
    if n < LEAST_ANSWERS:
        return HitRate(
            right, n, None, None, f"right in {right} of {n} cases: too few to say", f"{n}次中{right}次正确，样本过少"
        )
    low, high = wilson(right, n)
    shown = f"{100 * low:.0f}-{100 * high:.0f} %"
    return HitRate(
        right, n, low, high, f"right in {right} of {n} cases, {shown}", f"{n}次中{right}次正确，95%区间{shown}"
    )
