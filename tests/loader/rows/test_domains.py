"""The registered domain of a name from the wire."""

import pytest

from loader.rows.domains import registered_domain


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("www.shop.example.co.uk", "example.co.uk"),
        ("a.github.io", "github.io"),
        ("co.uk", None),
        ("host", None),
        (r"x.bank\.example.com", r"bank\.example.com"),
        (r"bank\.co.uk", r"bank\.co.uk"),
        (r"x\.example\.co.uk", r"x\.example\.co.uk"),
        (r"x\\.example.co.uk", "example.co.uk"),
        (r"example\.com", None),
        (r"a\.b.example.com", "example.com"),
    ],
)
def test_a_dot_within_a_label_divides_nothing(name: str, domain: str | None) -> None:
    assert registered_domain(name) == domain
