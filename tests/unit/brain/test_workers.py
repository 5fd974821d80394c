"""How sources are shared among workers."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from brain.services.workers import Worker, mqtt_share, whole_share
from collectors import MqttSource, OpcUaSource, remembered_workers
from collectors.memory import Memory

SOURCE = MqttSource(name="field", url="mqtt://127.0.0.1", client_id="brain", topics=("ib/v1/+/+/readings",))


def test_one_worker_subscribes_plainly() -> None:
    assert mqtt_share(SOURCE, Worker(), []) == [SOURCE]


def test_several_share_one_subscription_with_a_session_each() -> None:
    shares = [share for number in range(3) for share in mqtt_share(SOURCE, Worker(number, 3), [])]
    assert [share.client_id for share in shares] == ["brain", "brain-1", "brain-2"]
    assert {share.topics for share in shares} == {("$share/brain/ib/v1/+/+/readings",)}
    assert len({share.name for share in shares}) == 3


def test_sessions_of_workers_that_are_no_more_are_emptied_by_the_first(tmp_path: Path) -> None:
    for name in ("field", "field@1", "field@4", "field@x", "field-2", "afield@3"):
        Memory(tmp_path, "mqtt", name).save({"topics": []})
    Memory(tmp_path, "opcua", "field@5").save({})
    known = remembered_workers(tmp_path, "mqtt", "field")
    assert known == [1, 4]
    first = mqtt_share(SOURCE, Worker(0, 2), known)
    assert [(share.client_id, share.topics) for share in first[1:]] == [("brain-4", ())]
    assert len(mqtt_share(SOURCE, Worker(1, 2), known)) == 1
    assert remembered_workers(tmp_path / "missing", "mqtt", "field") == []


@given(st.integers(0, 12), st.integers(1, 5))
def test_every_server_has_exactly_one_worker(servers: int, workers: int) -> None:
    sources = [OpcUaSource(name=f"s{number}", url="opc.tcp://127.0.0.1:4840") for number in range(servers)]
    taken = [source.name for number in range(workers) for source in whole_share(sources, Worker(number, workers))]
    assert sorted(taken) == sorted(source.name for source in sources)
