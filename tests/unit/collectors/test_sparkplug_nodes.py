"""The life of edge nodes: births, deaths, sequence numbers, aliases, and when a rebirth is asked for."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.sparkplug_nodes import EdgeNodes, MetricPath, Taken, Topic, parsed_topic
from collectors.sparkplug_payload import Metric, Payload
from plant import MICROSECONDS

S = MICROSECONDS
NODE = ("works", "edge")


def bd(seq: int) -> Metric:
    return Metric("bdSeq", datatype=8, field="long_value", value=seq)


def named(name: str, alias: int | None = None, datatype: int = 9, value: float = 1.0) -> Metric:
    return Metric(name, alias, datatype=datatype, field="float_value", value=value)


def by_alias(alias: int, value: float = 2.0) -> Metric:
    return Metric(alias=alias, field="float_value", value=value)


class Plant:
    """One edge node that counts its messages as it should, unless told otherwise."""

    def __init__(self) -> None:
        self.nodes = EdgeNodes(5 * S)
        self.seq = 0

    def send(self, kind: str, *metrics: Metric, device: str = "", seq: int | None = None) -> Taken:
        if kind == "NBIRTH":
            self.seq = 0
        if seq is not None:
            self.seq = seq
        sent = None if kind == "NDEATH" else self.seq
        if sent is not None:
            self.seq = (self.seq + 1) % 256
        return self.nodes.take(Topic(kind, *NODE, device), Payload(0, sent, metrics))

    def born(self, **devices: int) -> "Plant":
        """Births of the node (alias 0: ``n``) and of devices (their alias: ``m``)."""
        self.send("NBIRTH", bd(3), named("n", 0))
        for device, alias in devices.items():
            self.send("DBIRTH", named("m", alias), device=device)
        return self


def names(taken: Taken) -> list[str]:
    return [str(value.path) for value in taken.values]


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "spBv1.0",
        "spAv1.0/g/NDATA/n",
        "spBv1.0/g/NDATA",
        "spBv1.0/g/NDATA/n/d",
        "spBv1.0/g/DDATA/n",
        "spBv1.0/g/DDATA/n/d/x",
        "spBv1.0/g/NCMD/n",
        "spBv1.0//NDATA/n",
        "spBv1.0/g/NDATA/+",
        "spBv1.0/STATE/host",
    ],
)
def test_other_topics_are_none(topic: str) -> None:
    assert parsed_topic(topic) is None


def test_births_are_readings_and_teach_aliases() -> None:
    plant = Plant()
    assert names(plant.send("NBIRTH", bd(0), named("n", 0))) == ["works/edge/bdSeq", "works/edge/n"]
    assert names(plant.send("DBIRTH", named("Motor/u", 1, datatype=3), device="M1")) == ["works/edge/M1/Motor/u"]
    taken = plant.send("DDATA", by_alias(1), device="M1")
    assert [(value.path, value.datatype) for value in taken.values] == [(MetricPath(*NODE, "M1", "Motor/u"), 3)]
    assert names(plant.send("NDATA", by_alias(0))) == ["works/edge/n"]
    assert plant.nodes.due(0) == []
    assert (plant.nodes.count(online=True), plant.nodes.count(online=False)) == ((1, 1), (0, 0))


@given(st.integers(0, 1000))
def test_sequence_numbers_go_round(messages: int) -> None:
    plant = Plant().born(M1=1)
    for _ in range(messages):
        assert names(plant.send("DDATA", by_alias(1), device="M1")) == ["works/edge/M1/m"]
    assert plant.nodes.due(0) == []


@given(st.integers(0, 300), st.integers(1, 255))
def test_every_gap_is_seen(messages: int, missing: int) -> None:
    plant = Plant().born(M1=1)
    for _ in range(messages):
        plant.send("DDATA", by_alias(1), device="M1")
    taken = plant.send("DDATA", by_alias(1), named("m"), device="M1", seq=(plant.seq + missing) % 256)
    assert (names(taken), taken.unresolved) == (["works/edge/M1/m"], [1])
    assert plant.nodes.due(0) == [NODE]


def test_after_a_gap_only_names_count_until_the_birth() -> None:
    plant = Plant().born(M1=1)
    plant.send("DDATA", by_alias(1), device="M1", seq=77)
    taken = plant.send("DDATA", by_alias(1), named("m"), Metric("m", field="int_value", value=1), device="M1")
    assert taken.unresolved == [1]
    # The type that the old birth gave is as uncertain as its aliases.
    assert [value.datatype for value in taken.values] == [9, 0]
    plant.born(M1=1)
    assert names(plant.send("DDATA", by_alias(1), device="M1")) == ["works/edge/M1/m"]
    assert plant.nodes.due(0) == []


def test_data_before_a_birth_ask_for_one() -> None:
    plant = Plant()
    taken = plant.send("DDATA", by_alias(1), named("m"), device="M1", seq=9)
    assert (names(taken), taken.unresolved) == (["works/edge/M1/m"], [1])
    assert plant.nodes.due(0) == [NODE]
    assert plant.nodes.count(online=True) == (1, 0)


def test_data_of_a_device_without_birth_ask_for_one() -> None:
    plant = Plant().born(M1=1)
    plant.send("DDATA", named("m"), device="M2")
    assert plant.nodes.due(0) == [NODE]


def test_an_unknown_alias_asks_for_a_birth_and_harms_nothing_else() -> None:
    plant = Plant().born(M1=1)
    taken = plant.send("DDATA", by_alias(1), by_alias(99), device="M1")
    assert (names(taken), taken.unresolved) == (["works/edge/M1/m"], [99])
    assert plant.nodes.due(0) == [NODE]


def test_an_alias_of_another_device_is_not_taken_for_this_one() -> None:
    plant = Plant().born(M1=1, M2=2)
    taken = plant.send("DDATA", by_alias(2), device="M1")
    assert (names(taken), taken.unresolved) == ([], [2])


def test_an_alias_that_names_two_metrics_names_none_and_is_not_asked_for() -> None:
    plant = Plant().born(M1=1, M2=1)
    for device in ("M1", "M2"):
        taken = plant.send("DDATA", by_alias(1), device=device)
        assert (names(taken), taken.unresolved) == ([], [1])
    assert plant.nodes.due(0) == []


def test_a_birth_replaces_what_the_device_had() -> None:
    plant = Plant().born(M1=1, M2=2)
    plant.send("DBIRTH", named("other", 5), device="M1")
    assert plant.send("DDATA", by_alias(1), device="M1").unresolved == [1]
    assert names(plant.send("DDATA", by_alias(5), device="M1")) == ["works/edge/M1/other"]
    assert names(plant.send("DDATA", by_alias(2), device="M2")) == ["works/edge/M2/m"]


def test_a_device_that_died_is_away_until_it_is_born_again() -> None:
    plant = Plant().born(M1=1, M2=2)
    assert plant.send("DDEATH", device="M1").is_end
    assert plant.nodes.count(online=False) == (0, 1)
    assert plant.nodes.offline() == ["works/edge/M1"]
    assert names(plant.send("DDATA", by_alias(2), device="M2")) == ["works/edge/M2/m"]
    assert plant.nodes.due(0) == []
    plant.send("DBIRTH", named("m", 1), device="M1")
    assert plant.nodes.offline() == []


def test_a_death_takes_node_and_devices_and_asks_nobody() -> None:
    plant = Plant().born(M1=1)
    plant.send("DDATA", by_alias(99), device="M1")
    assert plant.send("NDEATH", bd(3)).is_end
    assert plant.nodes.offline() == ["works/edge", "works/edge/M1"]
    assert plant.nodes.due(0) == []


def test_the_will_of_an_earlier_connection_kills_nobody() -> None:
    plant = Plant().born(M1=1)
    assert not plant.send("NDEATH", bd(2)).is_end
    assert (plant.nodes.count(online=True), plant.nodes.stale_deaths) == ((1, 1), 1)
    assert names(plant.send("DDATA", by_alias(1), device="M1")) == ["works/edge/M1/m"]


def test_a_death_without_the_number_that_the_birth_had_is_none() -> None:
    plant = Plant().born(M1=1)
    assert "bdSeq" in plant.send("NDEATH").problem
    assert plant.nodes.count(online=True) == (1, 1)


def test_a_death_of_who_was_not_heard_of_is_known() -> None:
    plant = Plant()
    assert plant.send("NDEATH", bd(7)).is_end
    assert plant.nodes.offline() == ["works/edge"]


def test_after_a_gap_any_death_counts() -> None:
    """The birth with the new bdSeq may be what was lost."""
    plant = Plant().born(M1=1)
    plant.send("NDATA", seq=200)
    assert plant.send("NDEATH", bd(4)).is_end
    assert plant.nodes.count(online=False) == (1, 1)


def test_a_birth_of_the_node_puts_its_devices_off_until_theirs() -> None:
    plant = Plant().born(M1=1, M2=2)
    plant.send("NBIRTH", bd(3), named("n", 0))
    assert plant.nodes.count(online=False) == (0, 2)
    plant.send("DBIRTH", named("m", 1), device="M1")
    assert plant.nodes.offline() == ["works/edge/M2"]


def test_requests_keep_their_distance_and_grow_rarer() -> None:
    plant = Plant()
    asked = []
    for second in range(200):
        plant.send("NDATA", seq=9)
        if plant.nodes.due(second * S):
            asked.append(second)
    assert asked == [0, 5, 15, 35, 75, 135, 195]


def test_a_birth_ends_the_asking_but_not_the_distance() -> None:
    plant = Plant()
    plant.send("NDATA", seq=9)
    assert plant.nodes.due(0) == [NODE]
    plant.born()
    plant.send("NDATA", seq=99)
    assert [bool(plant.nodes.due(second * S)) for second in (1, 4, 5, 6)] == [False, False, True, False]


def test_a_clock_that_is_set_back_does_not_silence_requests() -> None:
    plant = Plant()
    plant.send("NDATA", seq=9)
    assert plant.nodes.due(1_000 * S)
    assert plant.nodes.due(10 * S)


def test_a_new_connection_asks_those_who_were_there() -> None:
    plant = Plant().born(M1=1)
    gone = Topic("NDEATH", "works", "gone", "")
    plant.nodes.take(gone, Payload(0, None, (bd(0),)))
    plant.nodes.begin_anew()
    assert plant.nodes.due(0) == [NODE]
    assert (plant.nodes.count(online=True), plant.nodes.count(online=False)) == ((0, 0), (0, 0))
    assert plant.send("DDATA", by_alias(1), device="M1").unresolved == [1]


def test_who_is_there_can_be_asked_for_other_reasons() -> None:
    plant = Plant().born()
    for name in ("edge", "unheard-of"):
        plant.nodes.want("works", name)
    assert plant.nodes.due(0) == [NODE]
    plant.send("NDEATH", bd(3))
    plant.nodes.want(*NODE)
    assert plant.nodes.due(60 * S) == []


def test_many_are_not_asked_at_once() -> None:
    nodes = EdgeNodes(5 * S)
    for number in range(120):
        nodes.take(Topic("NDATA", "works", f"edge-{number:03}", ""), Payload(0, 5, ()))
    first, second, third = (nodes.due(moment) for moment in (0, S, 2 * S))
    assert (len(first), len(second), len(third)) == (50, 50, 20)
    assert len({*first, *second, *third}) == 120


def test_without_a_sequence_number_nothing_is_taken() -> None:
    plant = Plant().born(M1=1)
    taken = plant.nodes.take(Topic("DDATA", *NODE, "M1"), Payload(0, None, (named("m"),)))
    assert "sequence number" in taken.problem
    assert names(plant.send("DDATA", by_alias(1), device="M1")) == ["works/edge/M1/m"]


METRICS = st.builds(
    Metric, st.sampled_from(["", "a", "b", "bdSeq"]), st.none() | st.integers(0, 3), st.none(), st.integers(0, 40)
)
MESSAGES = st.tuples(
    st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"]),
    st.sampled_from(["M1", "M2"]),
    st.builds(Payload, st.none(), st.none() | st.integers(0, 255), st.lists(METRICS, max_size=4).map(tuple)),
)


@given(st.lists(MESSAGES, max_size=40))
def test_no_order_of_messages_breaks_it(messages: list[tuple[str, str, Payload]]) -> None:
    nodes = EdgeNodes(5 * S)
    clock = itertools.count(0, S)
    for kind, device, payload in messages:
        taken = nodes.take(Topic(kind, *NODE, device if kind[0] == "D" else ""), payload)
        assert all(value.path.name for value in taken.values)
        assert len(nodes.due(next(clock))) <= 1
    assert nodes.count(online=True)[0] + nodes.count(online=False)[0] <= 1
