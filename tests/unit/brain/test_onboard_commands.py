"""`brain onboard propose` from outside: JSON as the last line, errors in one line, files that come back."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from brain.application import source_settings, specs_of
from brain.cli import app
from brain.failure import Failure
from onboarding import ProposalError, read_proposal, write_proposal

TAGS = "\ufeffname;unit;description\nMotor1.I_L1;A;\nMotor1.Temp_W;°F;winding\nMotor1.BearingTemp;°C;\nMotor1.I_SP;A;\n"


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["onboard", *words])


@pytest.fixture
def tags(tmp_path: Path) -> Path:
    file = tmp_path / "tags.csv"
    file.write_text(TAGS, encoding="utf-8")
    return file


def test_the_last_line_is_one_json_object(tags: Path) -> None:
    result = run("propose", "--tags", str(tags), "--json")
    assert result.exit_code == 0
    told = json.loads(result.output.splitlines()[-1])
    assert told["tags"] == 4
    assert [item["signal"] for item in told["items"]] == ["current_u", "winding_temperature", None, None]
    assert [item["ask"] for item in told["items"]] == [False, False, True, False]
    wanted = {
        "name",
        "machine",
        "template",
        "signal",
        "factor",
        "offset",
        "unit",
        "confidence",
        "reason",
        "ask",
        "candidates",
    }
    assert wanted <= told["items"][0].keys()
    assert told["items"][1]["factor"] == pytest.approx(5 / 9)
    assert told["items"][2]["candidates"][0]["signal"] == "bearing_temperature_de"


def test_the_table_says_the_same(tags: Path) -> None:
    assert "4 tags: 2 mapped, 1 to be asked, 1 no signals" in run("propose", "--tags", str(tags)).output


def test_wrong_use_and_broken_files(tmp_path: Path) -> None:
    assert run("propose").exit_code == 2
    assert run("propose", "--tags", str(tmp_path / "none.csv")).exit_code == 2
    assert run("check", "works").exit_code == 2
    assert run().exit_code == 2
    broken = tmp_path / "broken.csv"
    broken.write_text("name\na\n\n,x\n")
    result = run("propose", "--tags", str(broken))
    assert isinstance(result.exception, Failure)
    assert (
        str(result.exception)
        == f"{broken}: row 4: has 2 cells, the header 1: put text that holds the separator in quotes"
    )


@pytest.mark.parametrize("kind", ["json", "toml"])
def test_a_proposal_comes_back_and_is_not_replaced(tags: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"proposal.{kind}"
    assert run("propose", "--tags", str(tags), "--out", str(out), "--site", "works").exit_code == 0
    text = out.read_text(encoding="utf-8")
    proposal = read_proposal(text, toml=kind == "toml")
    assert write_proposal(proposal, toml=kind == "toml") == text
    assert [item.signal for item in proposal.confirmed] == ["current_u", "winding_temperature"]
    assert [item.name for item in proposal.open] == ["Motor1.BearingTemp"]
    (spec,) = specs_of(proposal)
    assert (spec.site, spec.machine, spec.template) == ("works", "Motor1", "motor")
    assert isinstance(run("propose", "--tags", str(tags), "--out", str(out)).exception, Failure)
    with pytest.raises(Failure, match="names no server"):
        source_settings(proposal, "x")


MACHINE = {"machine": "M1", "template": "motor"}


@pytest.mark.parametrize(
    ("machines", "item", "said"),
    [
        ([MACHINE], {"signal": "currentu"}, r"item 1 \(a\): 'currentu' is no signal of template motor"),
        ([], {"signal": "current_u"}, "machine 'M1' is not among machines"),
        ([MACHINE, MACHINE], {}, "is there twice"),
        ([{**MACHINE, "template": "x"}], {}, "template 'x' is not known"),
        ([{**MACHINE, "nameplate": {"rated_power": "x"}}], {}, "must be a number in kW"),
        ([MACHINE], {"signal": "current_u", "factor": 0}, "factor of 0"),
        ([MACHINE], {"signal": 5}, "items.1.signal"),
        ([MACHINE], {"colour": "red"}, "items.1.colour"),
    ],
)
def test_what_a_person_got_wrong_is_named(machines: list[object], item: dict[str, object], said: str) -> None:
    content = {"machines": machines, "items": [{"name": "a", "machine": "M1", **item}]}
    with pytest.raises(ProposalError, match=said):
        read_proposal(json.dumps(content), toml=False)


def test_a_signal_is_fed_once() -> None:
    item = {"machine": "M1", "signal": "current_u"}
    content = {"machines": [MACHINE], "items": [{"name": "a", **item}, {"name": "b", **item}]}
    with pytest.raises(ProposalError, match="M1/current_u is fed by a already"):
        read_proposal(json.dumps(content), toml=False)


def test_settings_of_a_broker_are_toml() -> None:
    source = {"topic": "a/b", "path": "$['x \"y'].z"}
    content = {
        "url": "mqtt://192.0.2.1:1883",
        "machines": [MACHINE],
        "items": [{"name": "a", "machine": "M1", "signal": "current_u", "factor": 0.1, "source": source}],
    }
    table = tomllib.loads(source_settings(read_proposal(json.dumps(content), toml=False), "box"))["mqtt"][0]
    assert table["mappings"][0]["values"] == [
        {"path": source["path"], "machine": "M1", "signal": "current_u", "factor": 0.1}
    ]
