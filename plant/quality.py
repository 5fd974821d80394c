"""Quality of a reading: the severity of an OPC UA status code."""

from enum import IntEnum


class Quality(IntEnum):
    """How far a value may be trusted (OPC UA Part 4, 7.39: severity bits of a StatusCode).

    The numbers are the two severity bits themselves, so ``Quality(status_code >> 30)`` is right for
    every status code but the reserved severity 3, which counts as bad.
    """

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2

    @classmethod
    def of_status_code(cls, status_code: int) -> "Quality":
        """Severity of an OPC UA status code (uint32).

        >>> Quality.of_status_code(0x80340000)
        <Quality.BAD: 2>
        """
        return cls(min(status_code >> 30 & 0b11, 2))
