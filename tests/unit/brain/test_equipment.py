"""Equipment lists: every error with its row, and lists that come back as they went."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from brain.equipment import read_equipment, write_equipment
from brain.failure import Failure
from plant import MachineSpec, template_library

HEADER = "site,line,machine,template"


def errors(tmp_path: Path, *lines: str) -> list[str]:
    file = tmp_path / "list.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    found = read_equipment(file)
    assert found.machines == [] or found.errors == []
    return found.errors


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["site,line,machine"], "row 1: column template is missing"),
        ([HEADER + ",horsepower"], "row 1, column 5: 'horsepower' is neither"),
        ([HEADER + ",site"], "row 1, column 5: 'site' is there twice"),
        ([HEADER], "row 2: there is no machine"),
        ([HEADER, "s,l,M1,moter"], "row 2, column template: 'moter' is not known"),
        ([HEADER, "s,l,,motor"], "row 2, column machine: is empty"),
        ([HEADER, "s,l,a/b,motor"], "row 2, column machine: 'a/b' must not hold"),
        ([HEADER, "s,l,M1,motor", "s,l2,M1,motor"], "row 3, column machine: s/M1 stands in row 2 already"),
        ([HEADER + ",rated_power", "s,l,M1,motor,much"], "row 2, column rated_power: 'much' is not a number"),
        ([HEADER + ",rated_power [V]", "s,l,M1,motor,5"], "row 2, column rated_power [V]: no way from unit 'V'"),
        ([HEADER + ",insulation_class", "s,l,M1,motor,Z"], "row 2, column insulation_class: nameplate field"),
        ([HEADER + ",rated_power", "s,l,P1,pump_set,5"], "row 2, column rated_power: template pump_set has no such"),
        ([HEADER + ",time_zone", "s,l,M1,motor,Mars"], "row 2, column time_zone: 'Mars' is no IANA"),
        ([HEADER + ",currency", "s,l,M1,motor,yuan"], "row 2, column currency: 'yuan' is no ISO"),
        ([HEADER + ",downtime_cost_per_h", "s,l,M1,motor,-1"], "must not be below 0"),
        ([HEADER + ",commissioned_at", "s,l,M1,motor,May"], "'May' is no time"),
        ([HEADER, "s,l,M1,motor,x"], "row 2, column 5: 'x' stands below no title"),
        (
            [HEADER + ",time_zone", "s,l,M1,motor,UTC", "s,l,M2,motor,Asia/Shanghai"],
            "row 3, column time_zone: site s has 'UTC' in row 2",
        ),
    ],
)
def test_errors_name_row_and_column(tmp_path: Path, lines: list[str], said: str) -> None:
    (error,) = errors(tmp_path, *lines)
    assert said in error


def test_the_bus_of_a_motor_is_told_by_a_column_and_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"{HEADER},bus\ns,l,M1,motor,MCC-1\ns,l,M2,motor,3\ns,l,M3,motor,\n", encoding="utf-8")
    machines = read_equipment(file).machines
    assert [machine.nameplate.get("bus") for machine in machines] == ["MCC-1", "3", None]
    write_equipment(file, machines)
    assert read_equipment(file).machines == machines


def test_all_errors_are_named_at_once(tmp_path: Path) -> None:
    found = errors(tmp_path, HEADER + ",rated_power", "s,l,M1,moter,1", ",l,M2,motor,x", "s,l,M3,motor,1")
    assert [error.partition(",")[0] for error in found] == ["row 2", "row 3", "row 3"]


def test_excel_as_people_write_it(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.append(["Site", "Line", "Machine", "Template", "Rated power [W]", "Name", None])
    sheet.append(["works", 1, 101.0, "motor", 7500, "1号泵", None])
    sheet.append([None] * 7)
    book.save(tmp_path / "list.xlsx")
    (machine,) = read_equipment(tmp_path / "list.xlsx").machines
    assert (machine.line, machine.machine, machine.name) == ("1", "101", "1号泵")
    assert machine.nameplate == {"rated_power": 7.5}


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"no zip")
    (tmp_path / "a.csv").write_bytes(b"site\xff")
    for name in ("a.xlsx", "a.csv"):
        with pytest.raises(Failure):
            read_equipment(tmp_path / name)


def test_a_name_is_never_a_formula(tmp_path: Path) -> None:
    write_equipment(tmp_path / "a.xlsx", [MachineSpec("s", "l", "M1", "=1+1", "motor")])
    sheet = load_workbook(tmp_path / "a.xlsx").worksheets[0]
    assert {cell.data_type for cell in sheet[2] if cell.value is not None} <= {"s", "n"}


_word = st.text(st.characters(whitelist_categories=("L", "N")), min_size=1, max_size=10)
_spec = st.builds(
    MachineSpec,
    st.just("works"),
    _word,
    _word,
    _word,
    st.sampled_from(sorted(template_library())),
    nameplate=st.just({}),
    downtime_cost_per_h=st.decimals(0, 10**6, places=2).map(float),
)


@settings(max_examples=30)
@given(st.lists(_spec, min_size=1, max_size=4, unique_by=lambda spec: spec.machine), st.sampled_from(["csv", "xlsx"]))
def test_lists_come_back_as_they_went(
    tmp_path_factory: pytest.TempPathFactory, specs: list[MachineSpec], kind: str
) -> None:
    path = tmp_path_factory.mktemp("lists") / f"list.{kind}"
    write_equipment(path, specs)
    found = read_equipment(path)
    assert found.errors == []
    assert found.machines == specs
