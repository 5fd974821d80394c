"""Lists of tags as files: separators, encodings, and errors that name the row; and the figure of the shipped lists."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brain.bench.onboarding import bench_onboarding
from brain.failure import Failure
from onboarding import Tag, TagListError, read_tag_list, write_tag_list

LISTS = Path(__file__).parents[2] / "data" / "tag_lists"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_separators_marks_and_line_ends(separator: str, bom: bytes, ending: str) -> None:
    rows = [["Name", "unit", "description"], ["电机1_电流", "A", "相"], [], ["b", "", ""]]
    text = ending.join(separator.join(row) for row in rows)
    assert read_tag_list(bom + text.encode()) == [Tag("电机1_电流", "A", "相"), Tag("b")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "row 1: there is no header"),
        (b"tag,unit\nx,A\n", "row 1: there is no column name"),
        (b"name,unit\n", "row 2: there is no tag"),
        (b"name,unit\na,A\n,V\n", "row 3: name is empty"),
        (b"name,unit\na,A,b,c\n", "row 2: has 4 cells"),
        (b"name,unit\na,\xff\n", "row 2: is not UTF-8"),
        (b"name,unit\na,b\x00\n", "row 2: holds a zero byte"),
        (b'name,unit\n"a,b\n', "row 2: cannot be read"),
        (b"name,low\na,x\n", "row 2: low: 'x' is not a number"),
        (b"name,samples\na,1 nan\n", "row 2: samples: 'nan' is not a number"),
        (b"name,name\na,b\n", "row 1: column name is there twice"),
        (b"name\n" + b"a" * 501 + b"\n", "row 2: name is longer"),
    ],
)
def test_errors_name_the_row(content: bytes, said: str) -> None:
    with pytest.raises(TagListError, match=said):
        read_tag_list(content)


_text = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40).map(str.strip)
_number = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(
        st.builds(
            Tag, _text.filter(bool), _text, _text, st.sampled_from(["", "number", "bool"]), st.none() | _number,
            st.none() | _number, st.lists(_number, max_size=3).map(tuple), st.none() | st.just({"node": "nsu=u;s=a"}),
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_a_list_comes_back_as_it_went(tags: list[Tag]) -> None:
    assert read_tag_list(write_tag_list(tags).encode()) == tags


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_an_error(content: bytes) -> None:
    try:
        tags = read_tag_list(content)
    except TagListError as problem:
        tags, said = [], str(problem)
    assert tags or said.startswith("row ")


def test_the_shipped_lists_are_proposed_as_well_as_was_measured() -> None:
    """Bounds a little below docs/benchmarks.md."""
    result = bench_onboarding(LISTS)
    assert result["tuning"]["lists"] >= 250
    assert result["tuning"]["right_share"] >= 0.985
    assert result["tuning"]["confidently_wrong_share"] <= 0.003


def test_a_folder_without_lists_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no tag lists below"):
        bench_onboarding(tmp_path)
