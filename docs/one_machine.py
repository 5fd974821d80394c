"""One machine from raw readings to a diagnosis, step by step, with pictures.

Run it with `python docs/one_machine.py --out pictures` (matplotlib is needed: `pip install "industry-brain[docs]"`).
The readings are those of a simulated motor; nothing but its readings and its nameplate is told to the judge.
"""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from analytics.behaviour import BehaviourModel, features, learn_machine
from analytics.condition import Judgement, judge_machine
from analytics.indicators import Array, indicators
from plant import Nameplate, fault_library, template_library, to_microseconds
from simulators import PlantSimulation, simulate_plan

MOTOR = template_library()["motor"]
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
MACHINES, SEED = 40, 11


def main() -> None:
    """Simulate, learn, judge, say why, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", default="cooling_blocked", help="failure mode whose first machine is looked at")
    parser.add_argument("--out", type=Path, default=None, help="folder for pictures; none are drawn without")
    chosen = parser.parse_args()

    # 1. Raw readings: three and a half days of minutes, then two minutes of seconds.
    plan = simulate_plan(MACHINES, SEED, NOW, timedelta(days=3.5))
    broken = {fault.failure_mode: fault.machine for fault in plan.faults}
    if chosen.mode not in broken:
        parser.error(f"no machine has {chosen.mode}; this plant has {', '.join(sorted(broken))}")
    column = next(number for number, spec in enumerate(plan.specs) if spec.machine == broken[chosen.mode])
    simulation = PlantSimulation(plan)
    history = simulation.advance(to_microseconds(NOW), 60)
    live = simulation.advance(to_microseconds(NOW + timedelta(seconds=110)), 1)
    minutes = {key: values[:, column] for key, values in history.signals.items()}
    seconds = {key: values[-75:, column] for key, values in live.signals.items()}
    nameplate = MOTOR.complete_nameplate(plan.specs[column].nameplate)
    print(f"{broken[chosen.mode]}: {len(minutes)} signals, {len(history.times):,} minutes")

    # 2. What is normal: learnt on the first two days, spreads from blocks of time left out.
    baseline = {key: values[: MOTOR.behaviour.baseline_samples] for key, values in minutes.items()}
    model = learn_machine(MOTOR, nameplate, baseline)
    assert model is not None
    for expected in model.expected:
        print(f"  {expected.signal:26} foretold to {expected.deviation:.2f} {MOTOR.signal(expected.signal).unit}")

    # 3. The judgement: sensors first, then residuals, then which failure mode explains them.
    recent = {key: values[-360:] for key, values in minutes.items()}
    judgement = judge_machine(MOTOR, nameplate, model, fault_library(), recent, seconds)
    _explain(judgement)
    if chosen.out is not None:
        _draw(chosen.out, nameplate, model, minutes, judgement)


def _explain(judgement: Judgement) -> None:
    print(
        f"health {judgement.health:.0f} of 100, risk {judgement.risk:.2f}, not believed: {judgement.suspects or 'none'}"
    )
    ranking = sorted((*judgement.machine, *judgement.sensors), key=lambda verdict: -verdict.probability)
    for verdict in ranking[:3]:
        fault = fault_library()[verdict.failure_mode]
        print(f"{verdict.probability:6.1%}  {fault.name_en} {fault.name_zh}")
        for entry in verdict.evidence:
            print(f"{entry.weight:+14.1f}  {entry.text_en}: {entry.value:.3g} {entry.unit} (full at {entry.limit:g})")
        if verdict.unknown:
            print(f"{'':14}  not known: {', '.join(verdict.unknown)}")
    first = fault_library()[ranking[0].failure_mode]
    print(f"Do: {' '.join(first.advice_en)} First check: {first.first_check_en} Act within {first.response_h:g} h.")


def _draw(
    out: Path, nameplate: Nameplate, model: BehaviourModel, minutes: dict[str, Array], judgement: Judgement
) -> None:
    try:
        import matplotlib as mpl
    except ImportError:
        raise SystemExit('matplotlib is missing: pip install "industry-brain[docs]"') from None
    mpl.use("Agg")
    from matplotlib import pyplot

    out.mkdir(parents=True, exist_ok=True)
    series = indicators("motor", nameplate, minutes)
    hours = np.arange(len(next(iter(minutes.values())))) * model.step_s / 3600
    figure, panels = pyplot.subplots(len(model.expected), 1, figsize=(10, 2.2 * len(model.expected)), sharex=True)
    for panel, expected in zip(np.atleast_1d(panels), model.expected, strict=True):
        foretold = expected.expect(features(expected.names, series, model.step_s))
        panel.plot(hours, series[expected.signal], lw=0.7, label="measured")
        panel.plot(hours, foretold, lw=0.7, label="expected")
        panel.axvline(model.samples * model.step_s / 3600, color="grey", ls=":", label="end of the baseline")
        panel.set_ylabel(f"{expected.signal}\n[{MOTOR.signal(expected.signal).unit}]", fontsize=7)
    np.atleast_1d(panels)[0].legend(fontsize=7, ncol=3)
    np.atleast_1d(panels)[-1].set_xlabel("hours")
    figure.tight_layout()
    figure.savefig(out / "expected.png", dpi=110)

    ranking = sorted((*judgement.machine, *judgement.sensors), key=lambda verdict: verdict.probability)[-6:]
    figure, panel = pyplot.subplots(figsize=(7, 2.8))
    panel.barh([verdict.failure_mode for verdict in ranking], [100 * verdict.probability for verdict in ranking])
    panel.set_xlabel("probability, %")
    figure.tight_layout()
    figure.savefig(out / "diagnosis.png", dpi=110)
    print(f"drawn: {out / 'expected.png'}, {out / 'diagnosis.png'}")


if __name__ == "__main__":
    main()
