"""Evidence in words."""

from typing import Any

from api.console.session import Visitor


def evidence_text(row: dict[str, Any], visitor: Visitor) -> str:
    """What was seen, its value and the limit that it is held against."""
    text = visitor.pick(row["text_en"], row["text_zh"])
    if row["value"] is None:
        return text
    symbol = row["unit"] if row["unit"] not in ("1", "") else ""
    return f"{text}: {row['value']:.3g} {symbol} ({visitor.say('limit')} {row['limit']:.3g} {symbol})".replace(
        " )", ")"
    )
