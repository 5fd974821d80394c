"""A tag as a device names it, and lists of tags as people export them."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MOST_TAGS = 50_000
_MOST_TEXT = 500
_COLUMNS = ("name", "unit", "description", "data_type", "low", "high", "samples", "node", "topic", "path")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag.

    name: with its path, as the device has it
    unit: as the device writes it; empty where it says none
    data_type: number, bool, text or empty
    low, high: its range [unit]
    samples: values it had lately [unit]
    source: where it is read, to be handed on: node, or topic and path
    """

    name: str
    unit: str = ""
    description: str = ""
    data_type: str = ""
    low: float | None = None
    high: float | None = None
    samples: tuple[float, ...] = ()
    source: Mapping[str, str] | None = None


class TagListError(ValueError):
    """A list of tags cannot be read; the message names the row."""


def read_tag_list(content: bytes) -> list[Tag]:
    """Tags of a CSV file with a header; separated by comma, semicolon or tab. Raises :class:`TagListError`."""
    return [tag_of(number, row) for number, row in tag_rows(content)]


def tag_rows(content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, columns by name) of each row that is not empty; :class:`TagListError` names the line."""
    reader = _reader(content)
    try:
        header = [name.strip().lower() for name in next(reader)]
    except (StopIteration, csv.Error):
        raise TagListError("row 1: there is no header: the first row names the columns, at least name") from None
    if "name" not in header:
        raise TagListError(f"row 1: there is no column name, but {', '.join(filter(None, header)) or 'nothing'}")
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        raise TagListError(f"row 1: column {', '.join(doubled)} is there twice")
    count = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as problem:
            raise TagListError(f"row {reader.line_num}: cannot be read: {problem}") from problem
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
            raise TagListError(
                f"row {reader.line_num}: has {len(cells)} cells, the header {len(header)}: "
                "put text that holds the separator in quotes"
            )
        count += 1
        if count > MOST_TAGS:
            raise TagListError(f"row {reader.line_num}: more than {MOST_TAGS:,} tags: split the list")
        yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=False))
    if not count:
        raise TagListError("row 2: there is no tag below the header")


def _reader(content: bytes) -> "csv._reader":  # type: ignore[name-defined]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        row = content[: problem.start].count(b"\n") + 1
        raise TagListError(f"row {row}: is not UTF-8: save the file as UTF-8 (byte {problem.start})") from None
    if "\x00" in text:
        raise TagListError(f"row {text[: text.index(chr(0))].count(chr(10)) + 1}: holds a zero byte: is it text?")
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def tag_of(number: int, row: Mapping[str, str]) -> Tag:
    """The tag of a row; :class:`TagListError` naming it where something is wrong."""
    name = row.get("name", "")
    if not name:
        raise TagListError(f"row {number}: name is empty")
    for column in ("name", "unit", "description"):
        if len(row.get(column, "")) > _MOST_TEXT:
            raise TagListError(f"row {number}: {column} is longer than {_MOST_TEXT} letters")
    samples = tuple(_number(number, "samples", part) for part in row.get("samples", "").split())
    source = {key: row[key] for key in ("node", "topic", "path") if row.get(key)}
    return Tag(
        name,
        row.get("unit", ""),
        row.get("description", ""),
        row.get("data_type", "").lower(),
        _number(number, "low", row["low"]) if row.get("low") else None,
        _number(number, "high", row["high"]) if row.get("high") else None,
        samples,
        source or None,
    )


def _number(row: int, column: str, text: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TagListError(f"row {row}: {column}: {text!r} is not a number")
    return value


def write_tag_list(tags: Sequence[Tag]) -> str:
    """The list as CSV, to be read again by :func:`read_tag_list`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for tag in tags:
        source = tag.source or {}
        writer.writerow(
            [
                tag.name,
                tag.unit,
                tag.description,
                tag.data_type,
                "" if tag.low is None else f"{tag.low!r}",
                "" if tag.high is None else f"{tag.high!r}",
                " ".join(map(repr, tag.samples)),
                *(source.get(key, "") for key in ("node", "topic", "path")),
            ]
        )
    return out.getvalue()
