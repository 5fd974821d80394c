"""Names taken apart, and which machine they belong to."""

import pytest

from onboarding.grouping import place
from onboarding.names import normalized, words_of


def texts(name: str) -> list[str]:
    return [word.text for word in words_of(normalized(name))]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("I_L1", ["i", "l1"]),
        ("IL1", ["i", "l1"]),
        ("Uab", ["u", "ab"]),
        ("UL1-L2", ["u", "l1l2"]),
        ("Wicklungstemp", ["wicklung", "temp"]),
        ("raozuwendu", ["raozuwendu"]),
        ("rStrom_L1", ["strom", "l1"]),  # the r is the programmer's
        ("绕组温度", ["绕组", "温度"]),
        ("A相电流", ["a相", "电流"]),
        ("Störmeldung", ["stoermeldung"]),
        ("nonDriveEndBearingTemp", ["nondriveend", "bearing", "temp"]),
        ("Cur_R", ["cur", "r"]),  # not curr
        ("Flaschenzaehler", ["flaschen", "zaehler"]),  # what a compound is, its last part says
        ("ТокФазаА", ["ток", "фазаа"]),
        ("モータ電流", ["モータ", "電流"]),
    ],
)
def test_words(name: str, words: list[str]) -> None:
    assert texts(name) == words


@pytest.mark.parametrize(
    ("names", "machines"),
    [
        (["Motor1.I_L1"], ["Motor1"]),
        (["电机3_绕组温度"], ["电机3"]),
        (["M12/Temp_W"], ["M12"]),
        (["dianji2.dianliu_a"], ["dianji2"]),
        (["Pumpe_03_Wicklungstemp"], ["Pumpe_03"]),
        (["P-101A.VIB_DE"], ["P-101A"]),
        (['"DB_Motor"."M01".rStrom_L1'], ["M01"]),
        (["Program:Main.MTR_101.AmpsA"], ["MTR_101"]),
        (["AI_40001 U-V volt"], ["machine-1"]),
        (["Ia", "Ib", "Ic"], ["machine-1"] * 3),
        (["L1/M1/Speed", "L2/M1/Speed"], ["L1_M1", "L2_M1"]),
        (["D100_dianliu", "D101_wendu", "D102_zhuansu"], ["machine-1"] * 3),
        (["stMotor[1].rSpeed", "stMotor[2].rSpeed"], ["stMotor_1", "stMotor_2"]),
        (["MTR-301/TI-301.PV", "MTR-301/II-301.PV"], ["MTR-301", "MTR-301"]),
        (["Fan2_I_U", "Fan2_xyz"], ["Fan2", "Fan2"]),
        (["GW.M4_Ia", "GW.M4_Ib", "GW.M4_Tw", "GW.M5_Tw"], ["M4", "M4", "M4", "M5"]),
        (["GB1_IL1", "GB1_IL2", "GB1_TLag"], ["GB1"] * 3),
        (["TEMP1_A", "TEMP1_B", "TEMP1_C"], ["machine-1"] * 3),
        (["Total system power", "Phase 1 current", "Phase 2 current"], ["machine-1"] * 3),
    ],
)
def test_machines(names: list[str], machines: list[str]) -> None:
    assert [placed.machine for placed in place(names)] == machines
