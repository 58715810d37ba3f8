"""The wire's JSON, compared with what jupyter_client packs and unpacks: that is what ipykernel sends."""

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from cellheap._core import json_dump, json_load
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import json_packer, json_unpacker

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
)


def forbidden(_: Any) -> Any:
    raise AssertionError("plain JSON was given to jupyter_client")


@given(PLAIN)
def test_what_is_sent_reads_as_jupyter_clients_does(value: Any) -> None:
    assert json.loads(json_dump(value, json_packer)) == json.loads(json_packer(value))


@given(PLAIN)
def test_what_is_read_is_what_python_reads(value: Any) -> None:
    text = json.dumps(value).encode()
    read = json_load(text, json_unpacker)
    assert read == json.loads(text)
    assert repr(read) == repr(json.loads(text))


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_is_packed_or_refused_as_by_jupyter_client(text: str) -> None:
    try:
        expected = json_packer(text)
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            json_dump(text, json_packer)
    else:
        assert json_unpacker(json_dump(text, json_packer)) == json_unpacker(expected)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 11, 25, 10, 0, 0, 123, tzinfo=UTC),
        datetime(2026, 11, 25, tzinfo=timezone(timedelta(hours=2))),
        date(2026, 11, 25),
        b"\x00\xff",
        {1, 2},
        range(3),
        {1: "an integer as key", None: 2, False: 3},
        np.int64(7),
        np.float32(0.5),
        np.arange(3),
        {"deep": [{"er": (np.float64(0.1), b"x")}]},
        2**80,
        -(2**63),
        2**63 - 1,
        2**63,
        -0.0,
        5e-324,
        1.7976931348623157e308,
    ],
    ids=repr,
)
def test_what_is_not_plain_becomes_what_jupyter_client_makes_of_it(value: Any) -> None:
    expected = json_packer({"value": value})
    assert json.loads(json_dump({"value": value}, json_packer)) == json.loads(expected)


@pytest.mark.filterwarnings("ignore:Message serialization failed")
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_jupyter_clients_to_decide(number: float) -> None:
    assert json_dump({"n": [number]}, json_packer) == json_packer({"n": [number]})


def test_a_list_that_holds_itself_is_an_error_and_no_crash() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises((ValueError, RecursionError)):
        json_dump(circle, json_packer)


def test_deep_nesting_is_sent_and_read() -> None:
    deep: Any = 0
    for _ in range(500):
        deep = [deep]
    assert json_load(json_dump(deep, json_packer), json_unpacker) == deep


@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN}',
        '"\\ud800"',
        "123456789012345678901234567890",
        "1e400",
        "9007199254740993.0",
        '{"a":1,"a":2}',
    ],
)
def test_text_that_only_python_takes_for_json_is_read_as_by_python(text: str) -> None:
    assert repr(json_load(text.encode(), json_unpacker)) == repr(json_unpacker(text.encode()))


def test_text_that_is_not_json_is_an_error() -> None:
    for text in (b"", b"{", b"1 2", b"\xff"):
        with pytest.raises(ValueError, match=r"Expecting|Extra"):
            json_load(text, json_unpacker)


def test_plain_objects_never_reach_python() -> None:
    header = {"date": datetime.now(UTC), "msg_id": "é", "n": [1, 2.5, None, True, ()]}
    packed = json_dump(header, forbidden)
    assert json_load(packed, forbidden) == json.loads(packed)
