"""The console speaks both languages: every text that a page asks for is there."""

import ast
from pathlib import Path
from typing import get_args

import pytest

from analytics.stops import PHASES
from api.console.session import STATE_COLOURS
from api.console.texts import TEXTS
from api.work_orders import Kind, Verdict

PAGES = Path(__file__).parents[3] / "api" / "console"
# Words that data name: a new state or phase must not be an error on a page.
NAMED = {
    *(f"kind_{kind}" for kind in get_args(Kind)),
    *get_args(Verdict),
    *(f"phase_{phase}" for phase in PHASES),
    *STATE_COLOURS,
}


def asked_for() -> set[str]:
    """Every text that a page asks for by its key."""
    found = set()
    for path in PAGES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr="say") | ast.Name(id="say"), args=[ast.Constant(value=key), *_]):
                    found.add(key)
    return found


@pytest.mark.parametrize("key", sorted(asked_for() | NAMED))
def test_every_text_is_written_in_both_languages(key: str) -> None:
    english, chinese = TEXTS[key]
    assert english
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    # The same places to fill in.
    assert english.count("{}") == chinese.count("{}")
