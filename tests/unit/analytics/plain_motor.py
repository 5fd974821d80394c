"""A motor that has been learnt, and its newest seconds."""

import numpy as np

from analytics.behaviour import BehaviourModel, learn_machine
from plant import Nameplate, Template, template_library

VALUES = (
    {f"current_{phase}": 20.0 for phase in "uvw"}
    | {f"voltage_{line}": 400.0 for line in ("uv", "vw", "wu")}
    | {"power": 11.0}
)


def seconds(count: int = 75) -> dict[str, np.ndarray]:
    """Readings of so many seconds, all well."""
    random = np.random.default_rng(1)
    return {key: value * (1 + random.normal(0, 0.001, count)) for key, value in VALUES.items()}


def learnt() -> tuple[Template, Nameplate, BehaviourModel]:
    """Template, nameplate and what a day of this motor has taught."""
    template = template_library()["motor"]
    nameplate = template.complete_nameplate({"rated_current": 25.0})
    model = learn_machine(
        template,
        nameplate,
        seconds(2880)
        | {"winding_temperature": np.full(2880, 70.0)}
        | {"ambient_temperature": np.random.default_rng(2).normal(25, 1, 2880)},
    )
    assert model is not None
    return template, nameplate, model
