"""The catalogue of KPIs: each one entry with its formula, unit, source standard, names and explanation.

A formula takes :class:`historian.KpiSums` and gives an :class:`Answer`. A KPI is added here, and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from scipy.stats import chi2

from historian import KpiSums

_H = 3600.0
_CONFIDENCE = 0.95
# Pieces must have been counted over so much of the operating time before they are set against it.
LEAST_COUNTED = 0.95

Evidence = Literal["time", "energy", "pieces", "none"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a formula gives: the value (None: nothing to divide by), what it rests on, and its bounds.

    bound: the value is a lower bound; low, high: were all time without data counted against, or for, the machines
    """

    value: float | None
    n: int
    bound: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class KpiDefinition:
    """What a KPI is, for people and for the computation.

    unit: UCUM code, ``currency`` stands for the group's; text_formula: the formula in words of :class:`KpiSums`
    needs: what must have been observed before there is a value
    better: the direction a plant wants (0: neither)
    adds_up: grows with the time that is counted, so that periods are compared per hour seen
    """

    key: str
    unit: str
    name_en: str
    name_zh: str
    text_en: str
    text_zh: str
    standard: str
    text_formula: str
    formula: Callable[[KpiSums], Answer]
    needs: Evidence = "time"
    better: Literal[-1, 0, 1] = 0
    adds_up: bool = False


def mtbf_lower_bound(operating_h: float, failures: int, confidence: float = _CONFIDENCE) -> float:
    """One-sided lower bound of the mean time between failures, MTBF >= 2 T / chi2(confidence; 2 n + 2) [h]."""
    return 2 * operating_h / _chi2_quantile(confidence, 2 * failures + 2)


# Machines by the thousand share a few numbers of failures, and the quantile is what their KPIs would spend most on.
@lru_cache(maxsize=4096)
def _chi2_quantile(confidence: float, degrees: int) -> float:
    return float(chi2.ppf(confidence, degrees))


def planned_busy_s(sums: KpiSums) -> float:
    """Time known in which the machines were meant to run [s] (ISO 22400-2: planned busy time).

    A noted stop is known also where its readings are lost: data that vanish never make a stop shorter.
    """
    return max(sums.seen_s - sums.planned_s, sums.operating_s + sums.unplanned_s)


def _ratio(over: float, under: float, n: float) -> Answer:
    return Answer(over / under if under > 0 else None, int(n))


def _availability(sums: KpiSums) -> Answer:
    busy = planned_busy_s(sums)
    if busy <= 0:
        return Answer(None, 0)
    # What borders a stop and was not seen counts as if it had lasted: no lost reading of it makes it look better.
    value = 1 - (sums.unplanned_s + sums.doubtful_s) / (busy + sums.doubtful_s)
    meant = max(sums.asked_s - sums.planned_s, busy + sums.doubtful_s)
    up = min(busy - sums.unplanned_s, meant)
    # Rounding must not put the value outside of its own bounds.
    low, high = min(up / meant, value), max(1 - sums.unplanned_s / meant, value)
    return Answer(value, int(sums.machines), low=low, high=high)


def _performance(sums: KpiSums) -> Answer:
    return _ratio(sums.ideal_s, sums.running_s, sums.pieces)


def _quality(sums: KpiSums) -> Answer:
    return _ratio(sums.good, sums.pieces, sums.pieces)


def _oee(sums: KpiSums) -> Answer:
    parts = [part.value for part in (_availability(sums), _performance(sums), _quality(sums))]
    if any(part is None for part in parts):
        return Answer(None, int(sums.pieces))
    availability, performance, quality = (float(part) for part in parts if part is not None)
    return Answer(availability * performance * quality, int(sums.pieces))


def _mean_time(operating_s: float, events: float) -> Answer:
    hours = operating_s / _H
    if hours <= 0:
        return Answer(None, int(events))
    if events == 0:
        return Answer(mtbf_lower_bound(hours, 0), 0, bound=True)
    return Answer(hours / events, int(events), low=mtbf_lower_bound(hours, int(events)))


def _alarm_load(sums: KpiSums) -> Answer:
    # Hours of the period, as far as it was seen: the machines of a group run side by side.
    hours = sums.seen_s / _H / sums.machines if sums.machines else 0.0
    return _ratio(sums.alarms, hours * sums.operators, sums.alarms)


DEFINITIONS: tuple[KpiDefinition, ...] = (
    KpiDefinition(
        "availability", "1", "Availability", "可用率",
        "Share of the planned time seen in which the machines were not down unplanned; "
        "time without data beside a stop counts as down.",
        "在可见的计划时间内，设备未发生非计划停机的比例；紧邻停机的无数据时间按停机计。",
        "ISO 22400-2; SMRP 2.2", "1 - (unplanned + doubtful) / (seen - planned + doubtful)", _availability, better=1,
    ),
    KpiDefinition(
        "performance", "1", "Performance", "性能率",
        "Planned time of the pieces made over the time the machines ran.",
        "产出件数的计划工时与设备实际运行时间之比。",
        "ISO 22400-2 (effectiveness)", "pieces x planned time of each / running", _performance, "pieces", 1,
    ),
    KpiDefinition(
        "quality", "1", "Quality", "合格率",
        "Good pieces over all pieces made.", "合格件数占产出件数的比例。",
        "ISO 22400-2 (quality ratio)", "good / pieces", _quality, "pieces", 1,
    ),
    KpiDefinition(
        "oee", "1", "Overall equipment effectiveness", "设备综合效率",
        "Availability times performance times quality; only where pieces are counted.",
        "可用率×性能率×合格率；仅在有产量计数时给出。",
        "ISO 22400-2; SMRP 2.1.1", "availability x performance x quality", _oee, "pieces", 1,
    ),
    KpiDefinition(
        "mtbf", "h", "Mean time between failures", "平均无故障时间",
        "Operating time over failures; with no failure a lower bound at 95 % confidence.",
        "运行时间除以故障次数；无故障时给出95%置信度的下限。",
        "ISO 22400-2; SMRP 3.5.1", "operating / failures",
        lambda sums: _mean_time(sums.operating_s, sums.failures), better=1,
    ),
    KpiDefinition(
        "mttr", "h", "Mean time to repair", "平均修复时间",
        "Mean length of the unplanned stops that began in the period.",
        "期内开始的非计划停机的平均时长。",
        "ISO 22400-2; SMRP 3.5.2", "length of unplanned stops that began / their number",
        lambda sums: _ratio(sums.repair_s / _H, sums.failures, sums.failures), better=-1,
    ),
    KpiDefinition(
        "mttf", "h", "Mean time to failure", "平均失效前时间",
        "Operating time over machines that came to the end of their life; with none a lower bound at 95 % confidence.",
        "运行时间除以报废设备数；无报废时给出95%置信度的下限。",
        "SMRP 3.5.5", "operating / machines scrapped",
        lambda sums: _mean_time(sums.operating_s, sums.scrapped), better=1,
    ),
    KpiDefinition(
        "stops", "1", "Unplanned stops", "非计划停机次数",
        "Unplanned stops that began in the period.", "期内开始的非计划停机次数。",
        "SMRP 3.4", "failures", lambda sums: Answer(sums.failures, int(sums.failures)), better=-1, adds_up=True,
    ),
    KpiDefinition(
        "unplanned_downtime_h", "h", "Unplanned downtime", "非计划停机",
        "Hours in which machines that should run did not.", "应运行而未运行的小时数。",
        "SMRP 3.4", "unplanned", lambda sums: Answer(sums.unplanned_s / _H, int(sums.failures)),
        better=-1, adds_up=True,
    ),
    KpiDefinition(
        "unplanned_downtime_share", "1", "Share of unplanned downtime", "非计划停机占比",
        "Unplanned standstill over the planned time seen.", "非计划停机时间占可见计划时间的比例。",
        "SMRP 3.4", "unplanned / (seen - planned)",
        lambda sums: _ratio(sums.unplanned_s, planned_busy_s(sums), sums.failures), better=-1,
    ),
    KpiDefinition(
        "planned_downtime_h", "h", "Planned downtime", "计划停机",
        "Hours of stops that the calendar or a person called planned.",
        "日历或人工标记为计划的停机小时数。",
        "SMRP 3.3", "planned", lambda sums: Answer(sums.planned_s / _H, int(sums.machines)), adds_up=True,
    ),
    KpiDefinition(
        "unplanned_downtime_cost", "currency", "Cost of unplanned downtime", "非计划停机损失",
        "Unplanned hours of each machine times its cost per hour; apart from maintenance cost.",
        "每台设备非计划停机小时数乘以其小时损失；与维护成本分列。",
        "SMRP 3.4", "unplanned x cost per hour", lambda sums: Answer(sums.downtime_cost, int(sums.failures)),
        better=-1, adds_up=True,
    ),
    KpiDefinition(
        "maintenance_cost", "currency", "Maintenance cost", "维护成本",
        "Labour and parts of the work orders closed in the period.",
        "期内完成工单的人工与备件费用。",
        "EN 15341; SMRP 5.1", "labour hours x rate + parts",
        lambda sums: Answer(sums.maintenance_cost, int(sums.jobs_planned + sums.jobs_unplanned)), "none", -1,
        adds_up=True,
    ),
    KpiDefinition(
        "maintenance_cost_share", "1", "Maintenance cost over replacement value", "维护费用占重置价值比",
        "Maintenance cost of the period over what the machines would cost new; not scaled to a year.",
        "期内维护成本与设备重置价值之比；未折算为全年。",
        "EN 15341; SMRP 1.5", "maintenance cost / replacement value",
        lambda sums: _ratio(sums.maintenance_cost, sums.replacement_value, sums.jobs_planned + sums.jobs_unplanned),
        "none", -1, adds_up=True,
    ),
    KpiDefinition(
        "maintenance_cost_per_unit", "currency/piece", "Maintenance cost per good piece", "单件维护成本",
        "Maintenance cost over good pieces made.", "维护成本除以合格件数。",
        "EN 15341; SMRP 1.3", "maintenance cost / good",
        lambda sums: _ratio(sums.maintenance_cost, sums.good, sums.good), "pieces", -1,
    ),
    KpiDefinition(
        "planned_work_share", "1", "Share of planned work", "计划性维护占比",
        "Work orders closed that were preventive, condition-based or inspections, over all.",
        "期内完成的预防性、状态性与点检工单占全部工单的比例。",
        "SMRP 5.3.1", "planned jobs / jobs",
        lambda sums: _ratio(
            sums.jobs_planned, sums.jobs_planned + sums.jobs_unplanned, sums.jobs_planned + sums.jobs_unplanned
        ),
        "none", 1,
    ),
    KpiDefinition(
        "energy", "kW.h", "Energy", "用电量",
        "Energy measured: from a meter, from power, or from current, voltage and power factor.",
        "实测用电量：来自电表、有功功率，或电流、电压与功率因数。",
        "ISO 22400-2; EN 15341", "sum of power x time", lambda sums: Answer(sums.kwh, int(sums.energy_s / _H)),
        "energy", -1, adds_up=True,
    ),
    KpiDefinition(
        "specific_energy", "kW.h/piece", "Energy per good piece", "单件能耗",
        "Energy measured over good pieces made.", "实测用电量除以合格件数。",
        "ISO 22400-2 (energy intensity)", "energy / good", lambda sums: _ratio(sums.kwh, sums.good, sums.good),
        "pieces", -1,
    ),
    KpiDefinition(
        "load_factor", "1", "Load factor", "负荷率",
        "Energy measured over what rated power would have used in the same time.",
        "实测用电量与同一时间按额定功率用电量之比。",
        "GB/T 12497", "energy / (rated power x time measured)",
        lambda sums: _ratio(sums.kwh, sums.rated_kwh, sums.energy_s / _H), "energy",
    ),
    KpiDefinition(
        "networked_share", "1", "Share of machines networked", "设备联网率",
        "Machines that sent anything in the period over all machines.",
        "期内有数据上传的设备占全部设备的比例。",
        "Zhejiang smart-manufacturing indicator", "networked / machines",
        lambda sums: _ratio(sums.networked, sums.machines, sums.machines), "none", 1,
    ),
    KpiDefinition(
        "numerically_controlled_share", "1", "Share numerically controlled", "数控化率",
        "Machines registered as numerically controlled over all machines.",
        "登记为数控的设备占全部设备的比例。",
        "Zhejiang smart-manufacturing indicator", "numerically controlled / machines",
        lambda sums: _ratio(sums.controlled, sums.machines, sums.machines), "none", 1,
    ),
    KpiDefinition(
        "alarm_load", "1/h", "Alarms per hour and operator", "每小时每人报警数",
        "Alarms raised over the hours seen and the operators of the sites; up to 6 are manageable.",
        "期内报警数除以可见小时数与操作员人数；不超过6为可接受。",
        "ISA-18.2; IEC 62682", "alarms / (hours seen x operators)", _alarm_load, better=-1,
    ),
)  # fmt: skip
