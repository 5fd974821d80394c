"""The documentation says what the code does: every command, setting, failure mode, KPI, route and link."""

import ast
import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from analytics import kpi
from analytics.indicators import indicators
from analytics.operation import GAP_US
from brain.edge import EdgeSettings
from brain.failure import Failure
from brain.gateways import GatewaySettings
from brain.settings import MachineSettings, Settings, load_settings
from collectors import MappedValue, Mapping, MqttSource, OpcUaNode, OpcUaSource, SparkplugSource
from plant import Fault, Template, fault_library, template_library

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def load_script(path: Path) -> ModuleType:
    """A script of this repository as a module."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))  # as running it would
    spec.loader.exec_module(module)
    return module


WAVEFORM_ONLY = {"sideband_depth"}  # no signal of today gives it; the failure mode says what would settle it
generate = load_script(ROOT / "docs" / "generate.py")
deploy = load_script(ROOT / "deploy" / "check.py")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(text) if kind == language]


# ------------------------------------------------------------------ reference parts


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_what_is_generated_is_fresh(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert generate.renewed(text) == text, "renew with: python docs/generate.py"


def test_every_generated_part_is_on_a_page() -> None:
    shown = {name for path in (ROOT / "docs").glob("*.md") for _, name, _ in generate.PART.findall(path.read_text())}
    assert shown == set(generate.GENERATORS)


def test_a_stale_page_is_found() -> None:
    text = page("commands.md")
    assert generate.renewed(text.replace("## brain replay", "## brain reply")) == text


def test_every_command_has_help_and_an_example() -> None:
    for words, command in generate.command_tree().items():
        section = page("commands.md").partition(f"\n## brain {words}\n")[2].partition("\n## ")[0]
        assert blocks(section, "sh"), f"`brain {words}` has no example in its help"
        for parameter in command.params:
            assert parameter.name == "help" or all(name.lower() in section.lower() for name in parameter.opts)
            assert getattr(parameter, "help", "x") or parameter.name == "help", f"{words}: {parameter.name} has no help"


@pytest.mark.parametrize(
    "model",
    [
        *(Settings, MachineSettings, EdgeSettings, GatewaySettings),
        *(OpcUaSource, OpcUaNode, MqttSource, Mapping, MappedValue, SparkplugSource),
    ],
    ids=lambda model: model.__name__,
)
def test_every_setting_is_explained(model: Any) -> None:
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name} has no description"
        assert f"| `{name}` |" in page("settings.md")


def test_every_failure_mode_is_listed_in_both_languages() -> None:
    lines = page("failure-modes.md").splitlines()
    for fault in fault_library().values():
        line = next(line for line in lines if line.startswith(f"| `{fault.key}` |"))
        assert fault.name_en in line
        assert fault.name_zh in line


def test_every_indicator_is_explained() -> None:
    motor = template_library()["motor"]
    signals = {signal.key: np.zeros(1) for signal in motor.signals}
    computed = indicators("motor", motor.complete_nameplate({}), signals).keys() - signals.keys()
    judged = {symptom.indicator for fault in fault_library().values() for symptom in fault.symptoms}
    limited = {limit.indicator for template in template_library().values() for limit in template.limits}
    compared = {level.indicator for template in template_library().values() for level in template.peers.levels}
    rows = "".join(line for line in page("model.md").splitlines(keepends=True) if line.startswith("| `"))
    for name in (computed | judged | limited | compared) - signals.keys() - WAVEFORM_ONLY:
        assert f"`{name}`" in rows, name


def test_every_kpi_of_a_template_is_explained() -> None:
    for template in template_library().values():
        for key in template.kpis:
            assert f"| `{key}` |" in page("kpis.md"), key


def test_the_floors_of_kpis_and_gaps_are_those_of_the_code() -> None:
    text = " ".join(page("kpis.md").split())
    assert (kpi._LEAST_SEEN_H, GAP_US) == (1.0, 180_000_000)
    assert "less than an hour seen" in text
    assert "from three minutes on" in text
    assert f"less than {kpi._LEAST_COVERAGE:.0%} of the period".replace("%", " %") in text


def reasons_of_quarantine() -> set[str]:
    """The reason of every ``reject(...)`` and ``Rejected(...)``, and of ``reason, detail = ...``."""
    found: list[ast.expr] = []
    for path in (path for room in ("collectors", "ingest") for path in (ROOT / room).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="reject"), args=[reason, *_]):
                    found.append(reason)
                case ast.Call(func=ast.Name(id="Rejected"), args=[_, _, reason, *_]):
                    found.append(reason)
                case ast.Assign(
                    targets=[ast.Tuple(elts=[ast.Name(id="reason"), _])], value=ast.Tuple(elts=[reason, _])
                ):
                    found.append(reason)
    return {str(reason.value) for reason in found if isinstance(reason, ast.Constant)}


def test_every_reason_of_quarantine_is_explained() -> None:
    section = page("settings.md").partition("## What goes to quarantine")[2]
    assert reasons_of_quarantine() == set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))


# ------------------------------------------------------------------ what the text says


def invocations(text: str) -> Iterator[list[str]]:
    """Every `brain ...` in inline code and shell blocks, as words."""
    inline = re.findall(r"`(?:\.venv/bin/)?brain ([^`]+)`", FENCE.sub("", text))
    shell = re.findall(
        r"^(?:[A-Z_]+='?[^']*'? )?(?:\.venv/bin/)?brain (.+?)(?:#.*)?$", "\n".join(blocks(text, "sh")), re.MULTILINE
    )
    for line in [*inline, *shell]:
        words = line.split()
        if words[0] == "--config":
            words = words[2:]
        if words[0].islower():
            yield [word for word in words if word != "..."]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_that_is_named_exists(path: Path) -> None:
    for words in invocations(path.read_text(encoding="utf-8")):
        assert list(deploy.command_problems(path.name, words)) == []


def test_a_command_that_does_not_exist_is_found() -> None:
    text = "`brain colect` and\n```sh\nbrain demo --second 5\n```\n"
    found = [problem for words in invocations(text) for problem in deploy.command_problems("x", words)]
    assert found == ["x: `brain` has no command 'colect'", "x: `brain demo` has no option --second"]


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if file.suffix == ".png" and file.parent.name == "images":
            continue  # `make screenshots` takes them
        assert file.exists(), f"{path.name}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{path.name}: {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(path: Path) -> None:
    rooms = "plant|historian|collectors|ingest|analytics|api|simulators|brain|deploy|docs|tests"
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for name in re.findall(rf"`((?:{rooms})/[\w./-]+)`", text):
        example = name == "plant/templates/fan.toml"
        assert example or (ROOT / name).exists(), f"{path.name}: {name}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)) <= targets


# ------------------------------------------------------------------ examples are taken


def examples(name: str) -> list[str]:
    return blocks((ROOT / name).read_text(encoding="utf-8"), "toml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (name, text)
        for name in ("README.md", "README.zh-CN.md", "docs/settings.md", "docs/edge.md")
        for text in examples(name)
    ],
)
def test_settings_in_the_text_are_taken(name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "brain.toml"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("BRAIN_CONFIG", str(file))
    monkeypatch.setenv("DATABASE_PASSWORD", "p")
    monkeypatch.setenv("MQTT_PASSWORD", "p")
    monkeypatch.setenv("TURBINE_PASSWORD", "p")
    settings = load_settings()
    given = tomllib.loads(text)
    assert given.keys() <= settings.model_fields_set
    assert [machine.spec().machine for machine in settings.machines] == [
        entry["machine"] for entry in given.get("machines", [])
    ]


def test_both_readmes_show_the_same_settings_in_at_most_five_lines() -> None:
    assert examples("README.md") == examples("README.zh-CN.md")
    assert all(len(text.splitlines()) <= 5 for text in examples("README.md"))


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "brain.toml"
    file.write_text('[[mqtt]]\nname = "a"\nurl = "mqtt://brain:${NOBODY_SET_THIS}@192.0.2.1"\n')
    monkeypatch.setenv("BRAIN_CONFIG", str(file))
    with pytest.raises(Failure, match="NOBODY_SET_THIS"):
        load_settings()


def test_the_walk_throughs_of_contributing_are_taken() -> None:
    template, fault = (tomllib.loads(text) for text in examples("CONTRIBUTING.md"))
    assert Template.model_validate(template).key == "fan"
    assert Fault.model_validate(fault).templates == ("fan",)
