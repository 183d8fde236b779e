"""Queries: terms and weights, their sum, and the contribution of each."""

import numpy as np
import pytest

from components.collection.query import TEMPLATES, QueryError, Term, compose, parse
from components.encoder import Encoder, load
from components.scores import unit

pytestmark = pytest.mark.slow  # converts or trains a model


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a dog", [("a dog", 1)]),
        (
            "2*golden retriever, snow, -person",
            [("golden retriever", 2), ("snow", 1), ("person", -1)],
        ),
        ("-0.5*cat", [("cat", -0.5)]),
        ("\u2212 2 * cat", [("cat", -2)]),
        ('"a man, smiling", t-shirt', [("a man, smiling", 1), ("t-shirt", 1)]),
        ("日本，犬、猫", [("日本", 1), ("犬", 1), ("猫", 1)]),  # noqa: RUF001
        ("  a   dog ,, ,", [("a dog", 1)]),
        ("0*dog, cat", [("cat", 1)]),
        ("3 dogs", [("3 dogs", 1)]),
        ("24-hour shop", [("24-hour shop", 1)]),
        ('"unclosed, quote', [('"unclosed', 1), ("quote", 1)]),
        ("# heading", [("heading", 1)]),
        ("two\nlines", [("two lines", 1)]),
        ("", []),
        ("-, 2*, ,", []),
        ("\u200b\x00", []),
    ],
)
def test_terms_and_weights(text: str, terms: list[tuple[str, float]]) -> None:
    assert [(term.text, term.weight) for term in parse(text)] == terms


def test_no_more_than_sixteen_terms() -> None:
    assert len(parse(",".join(f"thing {n}" for n in range(50)))) == 16


def test_one_term_is_its_own_vector(encoder: Encoder) -> None:
    query = compose(encoder, parse("a dog"))
    assert np.allclose(query.vector, encoder.texts(["a dog"])[0], atol=1e-6)
    assert query.labels == ("a dog",)


def test_the_sum_is_weighted_and_a_unit(encoder: Encoder) -> None:
    query = compose(encoder, parse("2*a dog, snow, -a person"))
    dog, snow, person = encoder.texts(["a dog", "snow", "a person"])
    assert np.allclose(query.vector, unit(2 * dog + snow - person), atol=1e-6)
    assert query.labels == ("2 x a dog", "snow", "-1 x a person")


def test_contributions_sum_to_the_cosine(encoder: Encoder) -> None:
    query = compose(encoder, parse("2*a dog, snow, -a person"), unit(np.ones(384)), 0.5)
    vectors = unit(np.random.default_rng(0).standard_normal((7, 384)))
    shares = query.contributions(vectors)
    assert shares.shape == (7, 4)
    assert np.allclose(shares.sum(axis=1), vectors @ query.vector, atol=1e-6)


def test_a_negative_term_moves_the_query_away(encoder: Encoder) -> None:
    away = encoder.texts(["a person"])[0]
    without = compose(encoder, parse("a person on a beach")).vector @ away
    with_it = compose(encoder, parse("a person on a beach, -a person")).vector @ away
    assert with_it < without


def test_an_image_alone_and_beside_words(encoder: Encoder) -> None:
    image = unit(np.random.default_rng(1).standard_normal(384))
    assert np.allclose(compose(encoder, (), image).vector, image, atol=1e-6)
    both = compose(encoder, parse("a dog"), image, 0.5)
    assert np.allclose(both.vector, unit(encoder.texts(["a dog"])[0] + 0.5 * image), atol=1e-6)
    assert both.labels == ("a dog", "0.5 x the image")


def test_templates_average_phrasings(encoder: Encoder) -> None:
    query = compose(encoder, (Term("a {dog}"),), templates=True)
    rows = encoder.texts([form.format("a {dog}") for form in TEMPLATES])
    assert np.allclose(query.vector, unit(rows.mean(axis=0)), atol=1e-5)


def test_empty_queries_and_terms_that_cancel(encoder: Encoder) -> None:
    with pytest.raises(QueryError, match="The query is empty"):
        compose(encoder, ())
    with pytest.raises(QueryError, match="cancel each other out"):
        compose(encoder, parse("a dog, -a dog"))
