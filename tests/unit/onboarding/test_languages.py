"""Words of many languages: each as plants of that tongue write it, with and without its marks."""

import tomllib
from importlib.resources import files

import pytest

from onboarding import Tag, propose


@pytest.mark.parametrize(
    ("name", "unit", "signal"),
    [
        ("Дымосос1.Ток_фаза_В", "А", "current_v"),
        ("Дымосос1.Темп_обмотки", "°C", "winding_temperature"),
        ("Дымосос1.Обороты", "об/мин", "speed"),
        ("POMPA2.SARGI_SICAKLIGI", "°C", "winding_temperature"),
        ("POMPA2.sargı_sıcaklığı", "°C", "winding_temperature"),
        ("POMPA2.GUC_FAKTORU", "", "power_factor"),
        ("1号ポンプ_軸受温度(反負荷側)", "℃", "bearing_temperature_nde"),
        ("1号ポンプ_回転数", "min-1", "speed"),
        ("FAN01.베어링온도_부하측", "℃", "bearing_temperature_de"),
        ("FAN01.유효전력", "kW", "power"),
        ("Pump1/Lindningstemperatur", "°C", "winding_temperature"),
        ("Pomp1/Toerental", "omw/min", "speed"),
        ("PRESSE_4.TEMP_PALIER_COTE_OPP", "°C", "bearing_temperature_nde"),
        ("Wentylator1.Predkosc_obrotowa", "obr/min", "speed"),
    ],
)
def test_words_of_a_language(name: str, unit: str, signal: str) -> None:
    (item, *_) = propose(
        [
            Tag(name, unit),
            Tag(f"{name.split('.', maxsplit=1)[0].split('_', maxsplit=1)[0].split('/', maxsplit=1)[0]}.I_L1", "A"),
        ]
    )
    assert (item.ask, item.signal) == (False, signal)


@pytest.mark.parametrize("name", ["P1.ARIZA", "P1.Авария", "P1.故障", "P1.고장", "P1.Larm", "P1.storing", "P1.porucha"])
def test_alarms_of_a_language(name: str) -> None:
    (item,) = propose([Tag(name)])
    assert (item.ask, item.signal) == (False, None)


def test_words_of_a_language_nobody_wrote_down_are_asked() -> None:
    names = ("Szivattyu.Tekercs_homerseklet", "Szivattyu.Csapagy_homerseklet", "Szivattyu.Uzemel", "Szivattyu.Hiba")
    items = propose([Tag(names[0], "°C"), Tag(names[1], "°C"), Tag(names[2]), Tag(names[3])])
    assert all(item.ask for item in items)


def test_languages_use_the_meanings_and_roles_that_there_are() -> None:
    room = files("onboarding")
    words = tomllib.loads(room.joinpath("words.toml").read_text(encoding="utf-8"))
    sheets = [sheet for sheet in room.joinpath("languages").iterdir() if sheet.name.endswith(".toml")]
    assert sheets
    known = {part for meaning in words["meanings"] for part in meaning.split("+")}
    for sheet in sheets:
        language = tomllib.loads(sheet.read_text(encoding="utf-8"))
        assert {part for meaning in language["meanings"] for part in meaning.split("+")} <= known, sheet.name
        assert language["roles"].keys() <= words["roles"].keys(), sheet.name
