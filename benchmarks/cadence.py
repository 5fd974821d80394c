"""Does it matter that `brain bench fleet` looks now and then, where the service looks every second?

Ten motors, of which eight break within an hour: judged as the benchmark does, and every second, by the same functions.

    PYTHONPATH=. python benchmarks/cadence.py
"""

from datetime import timedelta

from brain.bench.fleet import START, Opening, Span, judge_plan, looks
from plant import MICROSECONDS, to_microseconds
from simulators import InjectedFault, PlantPlan, labelled_plan

SEED = 929
MODES = (
    ("overload", ""),
    ("phase_loss", ""),
    ("locked_rotor", ""),
    ("voltage_unbalance", ""),
    ("loose_foundation", ""),
    ("current_unbalance", "current_u"),
    ("frequent_starts", ""),
    ("sensor_spikes", "winding_temperature"),
)
FROM_H, TO_H, END_H = 50.0, 51.5, 54.0


def plan() -> PlantPlan:
    """Ten machines that run all day, with an onset every seven minutes."""
    specs = [
        spec for spec in labelled_plan(17, SEED, START, 8, {}, 0.0).specs if spec.nameplate["duty"] == "continuous"
    ]
    faults = tuple(
        InjectedFault(
            spec.site,
            spec.machine,
            mode,
            START + timedelta(hours=FROM_H, minutes=5 + 7 * number, seconds=13 * number),
            signal,
            grows_h=0.02 if mode == "locked_rotor" else 24.0,
        )
        for number, ((mode, signal), spec) in enumerate(zip(MODES, specs, strict=False))
    )
    return PlantPlan(SEED, START, timedelta(0), tuple(specs[:10]), faults)


def at(hours: float) -> int:
    """Microseconds of so many hours after the beginning."""
    return to_microseconds(START + timedelta(hours=hours))


def main() -> None:
    plant = plan()
    now_and_then = looks(plant, END_H / 24, 60)
    dense = Span(at(FROM_H) - 120 * MICROSECONDS, at(TO_H), tuple(range(at(FROM_H), at(TO_H), MICROSECONDS)))
    kept = [span for span in now_and_then if span.end < dense.start or span.start > dense.end]
    every_second = sorted([*kept, dense], key=lambda span: span.start)
    columns = range(len(plant.specs))
    found = [judge_plan(plant, spans, columns) for spans in (now_and_then, every_second)]
    faults = {fault.machine: fault for fault in plant.faults}
    for spec in plant.specs:
        fault = faults.get(spec.machine)
        print(
            f"{spec.machine} {fault.failure_mode if fault else 'healthy'}:",
            *(_said(way, spec.machine, fault) for way in found),
        )


def _said(openings: list[Opening], machine: str, fault: InjectedFault | None) -> str:
    mine = [opening for opening in openings if opening.machine == machine]
    if fault is None or not mine:
        return f"[{', '.join(opening.failure_mode for opening in mine) or 'nothing'}]"
    onset = to_microseconds(fault.onset)
    return f"[{', '.join(f'{one.failure_mode} after {(one.time - onset) / MICROSECONDS:.0f} s' for one in mine)}]"


if __name__ == "__main__":
    main()
