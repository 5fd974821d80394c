"""The fault library is complete, and speaks both languages."""

import pytest

from plant import fault_library, load_fault, template_library
from plant.faults import FaultError


def test_every_failure_mode_of_a_template_is_in_the_library_and_knows_the_template():
    for template in template_library().values():
        for key in template.failure_modes:
            assert template.key in fault_library()[key].templates, (template.key, key)


@pytest.mark.parametrize("fault", fault_library().values(), ids=lambda fault: fault.key)
def test_every_fault_tells_a_person_what_to_do_in_both_languages(fault):
    for text in (fault.name_zh, fault.cause_zh, fault.first_check_zh, *fault.advice_zh):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text), text
    assert len(fault.advice_en) == len(fault.advice_zh) >= 1
    assert fault.symptoms
    assert fault.response_h <= fault.failure_h * 24


@pytest.mark.parametrize("fault", fault_library().values(), ids=lambda fault: fault.key)
def test_no_fault_is_concluded_without_its_symptoms(fault):
    strongest = sum(max(symptom.support, 0) for symptom in fault.symptoms)
    assert strongest > 4.5, "could never be concluded"


def test_presence_grows_between_clear_and_at_in_either_direction():
    library = fault_library()
    high = library["overload"].symptoms[0]
    low = library["phase_loss"].symptoms[0]
    assert [high.presence(value) for value in (1.0, high.at, 2.0)] == [0, 1, 1]
    assert [low.presence(value) for value in (1.0, low.at, 0.0)] == [0, 1, 1]
    assert 0 < low.presence((low.at + low.clear) / 2) < 1


def test_wrong_document_names_file_and_key(tmp_path):
    path = tmp_path / "odd.toml"
    path.write_text('key = "odd"\n')
    with pytest.raises(FaultError, match=r"odd\.toml: component"):
        load_fault(path)
