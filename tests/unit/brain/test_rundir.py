"""The run directory holds one supervisor at a time and never shows half a file."""

import pytest

from brain.failure import Failure
from brain.rundir import RunDirectory


def test_second_supervisor_is_told_what_to_do(tmp_path):
    with (
        RunDirectory(tmp_path).locked(),
        pytest.raises(Failure, match="--data-dir"),
        RunDirectory(tmp_path).locked(),
    ):
        pass


def test_lock_is_free_again_afterwards(tmp_path):
    with RunDirectory(tmp_path).locked():
        pass
    with RunDirectory(tmp_path).locked():
        pass


def test_reads_back_what_was_written_and_nothing_else(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.prepare()
    assert directory.read("collect") == {}
    directory.write("collect", {"readings": 3})
    directory.write("collect", {"readings": 4})
    assert directory.read("collect") == {"readings": 4}
    assert [path.name for path in directory.path.iterdir()] == ["collect.json"]
    directory.remove("collect")
    assert directory.read("collect") == {}


def test_torn_file_reads_as_empty(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.prepare()
    (directory.path / "collect.json").write_bytes(b'{"readings"')
    assert directory.read("collect") == {}


def test_data_directory_that_cannot_be_made_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(Failure, match=str(blocked)):
        RunDirectory(blocked / "data").prepare()
