"""The whole judgement on simulated plants that nothing was tuned on: right machines, right failure mode.

Tuned on seeds 101-110; judged here on 1, 2, 3 and 11. Nothing is told to the judge but the readings.
"""

from datetime import UTC, datetime, timedelta

import pytest

from analytics.behaviour import learn
from analytics.condition import judge_machine
from analytics.indicators import indicators
from plant import fault_library, template_library, to_microseconds
from simulators import PlantSimulation, simulate_plan

MOTOR = template_library()["motor"]
SLOW = [signal.key for signal in MOTOR.signals if signal.response == "slow"]


@pytest.mark.parametrize("seed", [1, 2, 3, 11])
def test_flagged_are_the_broken_ones_with_the_right_mode(seed):
    now = datetime(2026, 11, 21, seed * 5 % 24, tzinfo=UTC)
    plan = simulate_plan(40, seed, now, timedelta(days=3.5))
    simulation = PlantSimulation(plan)
    history = simulation.advance(to_microseconds(now), 60)
    live = simulation.advance(to_microseconds(now + timedelta(seconds=110)), 1)
    truth = {fault.machine: fault.failure_mode for fault in plan.faults}
    named, risks = {}, {}
    for column, spec in enumerate(plan.specs):
        nameplate = MOTOR.complete_nameplate(spec.nameplate)
        behaviour = MOTOR.behaviour
        baseline = {key: values[: behaviour.baseline_samples, column] for key, values in history.signals.items()}
        found = indicators("motor", nameplate, baseline)
        model = learn(found, behaviour.expectations, SLOW, behaviour.sampling_s, behaviour.minimum_samples)
        judgement = judge_machine(
            MOTOR,
            nameplate,
            model,
            fault_library(),
            {key: values[-360:, column] for key, values in history.signals.items()},
            {key: values[-75:, column] for key, values in live.signals.items()},
        )
        risks[spec.machine] = judgement.risk
        top = max((*judgement.machine, *judgement.sensors), key=lambda verdict: verdict.probability)
        if top.probability >= 0.6:
            named[spec.machine] = top.failure_mode
    assert named.keys() == truth.keys()
    assert sum(named[machine] == mode for machine, mode in truth.items()) >= 0.9 * len(truth)
    assert set(sorted(risks, key=lambda machine: -risks[machine])[: len(truth)]) == truth.keys()
