"""A name's labels, whatever is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.labels import is_below, labels_of
from schema.store.lookup import parse_name

LABELS = st.lists(st.text("ab", min_size=1) | st.sampled_from([r"a\.b", r"\\", r"\.", r"\\\.", r"\032x"]), min_size=1)


@given(LABELS)
def test_labels_are_what_the_name_was_made_of(labels: list[str]) -> None:
    assert labels_of(".".join(labels)) == labels
    assert parse_name(".".join(labels) + ".") == ".".join(labels)


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("www.bank.example", True),
        ("a.www.bank.example", True),
        ("bank.example", False),
        ("xbank.example", False),
        (r"x\.bank.example", False),
        (r"x\\.bank.example", True),
        (r"x.y\.bank.example", False),
        (r"x\..bank.example", True),
    ],
)
def test_below_ends_at_a_label(name: str, below: bool) -> None:
    assert is_below(name, "bank.example") is below


def test_what_people_type_may_end_anyhow() -> None:
    assert [parse_name(text) for text in ("WWW.Example.", "a..", ".", "", "a\\", "a\\.")] == [
        "www.example",
        "a",
        ".",
        "",
        "a\\",
        "a\\.",
    ]
