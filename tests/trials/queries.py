"""Fuzzes the query language: every text is terms, and terms are a unit vector or one sentence."""

import numpy as np
from hypothesis import strategies as st

from components.collection.query import QueryError, compose, parse
from tests.standin import WIDTH, stand_in

_PIECES = (
    *("dog", "a cat", "-", "\u2212", "*", "\u00d7", "2*", "0*", "0.001*", "999.999*", '"', ","),
    *("\uff0c", "\u3001", " ", "\n", "\r", "\u2028", "#", "\x00", "\u200b", "\u0661*", "{}", "{0}"),
    *("{x!r}", "%s", "\\", "-0.5*", "1.5", ".5*", "\ud83d", "\U0001f680", "e\u0301", "24-hour"),
)
_ENCODER = stand_in()


def check(text: str) -> None:
    """Raise where terms are not as `parse` states, or their vector is not as `compose` states."""
    terms = parse(text)
    assert len(terms) <= 16
    for term in terms:
        assert term.text == term.text.strip()
        assert "\n" not in term.text
        assert 0 < abs(term.weight) < 1000
        assert term.label.endswith(term.text)
    for templates in (False, True):
        try:
            query = compose(_ENCODER, terms, templates=templates)
        except QueryError as error:
            assert str(error).endswith(".")
            continue
        assert query.vector.shape == (WIDTH,)
        assert np.isclose(np.linalg.norm(query.vector), 1, atol=1e-4)
        assert np.allclose(query.parts.sum(axis=0), query.vector, atol=1e-3)
        assert len(query.labels) == len(terms)
        assert query.is_text == all(term.weight > 0 for term in terms)


def strategy() -> st.SearchStrategy[str]:
    """Return texts of the language's marks, of words, and of any characters."""
    piece = st.one_of(st.sampled_from(_PIECES), st.text(max_size=4))
    return st.lists(piece, max_size=40).map("".join)
