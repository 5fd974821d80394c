"""Equipment lists: machines as rows of an Excel or CSV file, read whole or not at all, and written the same."""

import csv
import io
import math
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from openpyxl import Workbook, load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from brain.failure import Failure
from plant import ConversionError, MachineSpec, Template, TemplateError, conversion, template_library

MOST_ROWS = 20_000
_FORBIDDEN = re.compile(r"[/+#\x00-\x1f]")
_HEADER = re.compile(r"(?P<key>[^\[\]]+?)\s*(?:\[(?P<unit>[^\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is not of the nameplate: its title in the file, and the field of the machine it fills."""

    title: str
    attribute: str
    needed: bool = False


COLUMNS = (
    Column("site", "site", needed=True),
    Column("line", "line", needed=True),
    Column("machine", "machine", needed=True),
    Column("name", "name"),
    Column("template", "template", needed=True),
    Column("area", "area"),
    Column("downtime_cost_per_h", "downtime_cost_per_h"),
    Column("commissioned_at", "commissioned_at"),
    Column("site_name", "site_name"),
    Column("time_zone", "time_zone"),
    Column("currency", "currency"),
)
_KEYS = frozenset({"site", "line", "machine"})
_OF_SITE = ("site_name", "time_zone", "currency")


@dataclass(slots=True)
class EquipmentList:
    """What a file holds: machines, and every error with its row and column; either is empty."""

    machines: list[MachineSpec] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def read_equipment(path: Path, known: Sequence[MachineSpec] = ()) -> EquipmentList:
    """The machines of a file; :class:`Failure` where it cannot be opened at all.

    known: registered machines; what a row does not say of its site is as they have it
    """
    rows = _xlsx_rows(path) if path.suffix.lower() == ".xlsx" else _csv_rows(path)
    return _read(rows, {machine.site: machine for machine in known})


def _xlsx_rows(path: Path) -> list[Sequence[Any]]:
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as problem:
        raise Failure(f"{path} cannot be read as an Excel file: {problem}: save it as .xlsx or .csv") from problem
    try:
        sheet = book.worksheets[0]
        rows: list[Sequence[Any]] = []
        for row in sheet.iter_rows(values_only=True):
            rows.append(row)
            if len(rows) > MOST_ROWS + 1:
                raise Failure(f"{path}: more than {MOST_ROWS:,} rows: split the list")
        return rows
    finally:
        book.close()


def _csv_rows(path: Path) -> list[Sequence[Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise Failure(f"{path} is not UTF-8 (byte {problem.start}): save it as UTF-8") from problem
    separator = max(",;\t", key=text.partition("\n")[0].count)
    try:
        rows: list[Sequence[Any]] = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as problem:
        raise Failure(f"{path} cannot be read as CSV: {problem}") from problem
    if len(rows) > MOST_ROWS + 1:
        raise Failure(f"{path}: more than {MOST_ROWS:,} rows: split the list")
    return rows


def _read(rows: Sequence[Sequence[Any]], known_sites: Mapping[str, MachineSpec]) -> EquipmentList:
    found = EquipmentList()
    if not rows or not any(_text(cell) for cell in rows[0]):
        found.errors.append("row 1: there is no header: the first row names the columns")
        return found
    titles = _titles(rows[0], found.errors)
    known = {column.title for column in COLUMNS}
    for column in COLUMNS:
        if column.needed and column.title not in [key for key, _ in titles]:
            found.errors.append(f"row 1: column {column.title} is missing")
    if found.errors:
        return found
    seen: dict[tuple[str, str], int] = {}
    sites: dict[str, tuple[int, MachineSpec]] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(_text(cell) for cell in row):
            continue
        problems: list[str] = []
        plain: dict[str, Any] = {}
        nameplate: list[tuple[str, str, Any]] = []
        for index, cell in enumerate(row):
            if not _text(cell):
                continue
            if index >= len(titles) or not titles[index][0]:
                problems.append(f"column {index + 1}: {_text(cell)!r} stands below no title")
            elif titles[index][0] in known:
                plain[titles[index][0]] = cell
            else:
                nameplate.append((*titles[index], cell))
        site = _text(plain.get("site"))
        like = sites[site][1] if site in sites else known_sites.get(site)
        machine = _machine(plain, nameplate, like, problems)
        if machine is not None:
            key = (machine.site, machine.machine)
            if key in seen:
                problems.append(f"column machine: {machine.site}/{machine.machine} stands in row {seen[key]} already")
            seen.setdefault(key, number)
            first, other = sites.setdefault(machine.site, (number, machine))
            problems += [
                f"column {name}: site {machine.site} has {getattr(other, name)!r} in row {first}"
                for name in _OF_SITE
                if getattr(other, name) != getattr(machine, name)
            ]
            found.machines.append(machine)
        found.errors += [f"row {number}, {problem}" for problem in problems]
    if not found.machines and not found.errors:
        found.errors.append("row 2: there is no machine below the header")
    if found.errors:
        found.machines = []
    return found


def _titles(header: Sequence[Any], errors: list[str]) -> list[tuple[str, str]]:
    """(key, unit) of each column."""
    known = {column.title for column in COLUMNS}
    fields = {entry.key for template in template_library().values() for entry in template.nameplate}
    titles: list[tuple[str, str]] = []
    for index, cell in enumerate(header, 1):
        text = _text(cell)
        match = _HEADER.fullmatch(text)
        key = re.sub(r"[\s-]+", "_", match["key"].strip().lower()) if match else text
        unit = (match["unit"] or "") if match else ""
        if text and key not in known | fields:
            errors.append(f"row 1, column {index}: {text!r} is neither a column nor a nameplate field of any template")
        if text and (key, unit) in titles:
            errors.append(f"row 1, column {index}: {text!r} is there twice")
        titles.append((key, unit) if text else ("", ""))
    return titles


def _machine(
    plain: Mapping[str, Any],
    nameplate: Sequence[tuple[str, str, Any]],
    like: MachineSpec | None,
    problems: list[str],
) -> MachineSpec | None:
    values: dict[str, Any] = {name: getattr(like, name) for name in _OF_SITE} if like is not None else {}
    for column in COLUMNS:
        cell = plain.get(column.title)
        if cell is None:
            if column.needed:
                problems.append(f"column {column.title}: is empty")
            continue
        try:
            values[column.attribute] = _value(column, cell)
        except ValueError as problem:
            problems.append(f"column {column.title}: {problem}")
    template = template_library().get(values.get("template", ""))
    if "template" in values and template is None:
        known = ", ".join(template_library())
        problems.append(f"column template: {values['template']!r} is not known; known are {known}")
    if template is None:
        return None
    values["nameplate"] = _nameplate(template, nameplate, problems)
    if problems:
        return None
    values.setdefault("name", values["machine"])
    return MachineSpec(**values)


def _value(column: Column, cell: Any) -> Any:
    text = _text(cell)
    if column.attribute == "downtime_cost_per_h":
        number = _number(cell)
        if number < 0:
            raise ValueError(f"{text} must not be below 0")
        return number
    if column.attribute == "commissioned_at":
        return _moment(cell)
    if column.attribute == "time_zone":
        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{text!r} is no IANA time zone such as Asia/Shanghai") from None
    if column.attribute == "currency" and not re.fullmatch(r"[A-Z]{3}", text):
        raise ValueError(f"{text!r} is no ISO 4217 code such as CNY")
    if column.attribute in _KEYS and _FORBIDDEN.search(text):
        raise ValueError(f"{text!r} must not hold / + # or line breaks: it is part of topics and addresses")
    return text


def _nameplate(
    template: Template, cells: Sequence[tuple[str, str, Any]], problems: list[str]
) -> dict[str, float | str]:
    fields = {entry.key: entry for entry in template.nameplate}
    found: dict[str, float | str] = {}
    for key, unit, cell in cells:
        title = f"{key} [{unit}]" if unit else key
        known = fields.get(key)
        if known is None:
            problems.append(f"column {title}: template {template.key} has no such nameplate field: leave it empty")
            continue
        if key in found:
            problems.append(f"column {title}: {key} is given in another column too")
            continue
        try:
            if isinstance(known.default, str):
                value: float | str = _text(cell)
            else:
                value = _number(cell)
                if unit and unit != known.unit:
                    value = conversion(unit, known.unit)(value)
            template.complete_nameplate({key: value})
        except (ValueError, TemplateError, ConversionError) as problem:
            problems.append(f"column {title}: {problem}")
            continue
        found[key] = value
    return found


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _number(cell: Any) -> float:
    if isinstance(cell, bool | date):
        raise ValueError(f"{cell} is not a number")
    try:
        number = float(cell) if isinstance(cell, int | float) else float(_text(cell).replace(",", "."))
    except (ValueError, OverflowError):
        raise ValueError(f"{_text(cell)!r} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{_text(cell)!r} is not a number")
    return number


def _moment(cell: Any) -> datetime:
    try:
        moment = cell if isinstance(cell, datetime) else datetime.fromisoformat(_text(cell))
    except ValueError:
        raise ValueError(f"{_text(cell)!r} is no time such as 2026-11-20T08:00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def write_equipment(path: Path, machines: Iterable[MachineSpec]) -> None:
    """The machines as a file that :func:`read_equipment` reads back."""
    rows = _rows(list(machines))
    if path.suffix.lower() == ".xlsx":
        book = Workbook()
        sheet = book.active
        sheet.title = "machines"
        for number, row in enumerate(rows, 1):
            for index, value in enumerate(row, 1):
                if value in ("", None):
                    continue
                cell = sheet.cell(number, index, value)
                if isinstance(value, str):
                    cell.data_type = "s"  # a name that begins with = is no formula
        sheet.freeze_panes = "A2"
        book.save(path)
        return
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    path.write_text(out.getvalue(), encoding="utf-8")


def _rows(machines: Sequence[MachineSpec]) -> list[list[Any]]:
    library = template_library()
    used = dict.fromkeys(machine.template for machine in machines)
    fields = dict.fromkeys((entry.key, entry.unit) for key in used for entry in library[key].nameplate)
    header = [column.title for column in COLUMNS]
    header += [key if unit in {"1", ""} else f"{key} [{unit}]" for key, unit in fields]
    rows: list[list[Any]] = [header]
    for machine in machines:
        own = {(entry.key, entry.unit) for entry in library[machine.template].nameplate}
        cells = [getattr(machine, column.attribute) for column in COLUMNS]
        rows.append(
            [cell.isoformat() if isinstance(cell, datetime) else cell for cell in cells]
            + [machine.nameplate.get(key, "") if (key, unit) in own else "" for key, unit in fields]
        )
    return rows
