"""The server's own addresses: who reads the metrics, and when the server is healthy."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from components import models
from components.server import counters, media
from components.server.routes import ROUTES, LoopbackOnly
from tests.standin import stand_in

HERE = "127.0.0.1"


def client(peer: str, host: str = "localhost:8501") -> TestClient:
    """Return a client at an address that asks for the server by a name."""
    own = Route("/_stcore/metrics", lambda _: PlainTextResponse("Streamlit's own"))
    app = Starlette(routes=[*ROUTES, own], middleware=[Middleware(LoopbackOnly)])
    return TestClient(app, base_url=f"http://{host}", client=(peer, 50_000))


@pytest.mark.parametrize("path", ["/metrics", "/_stcore/metrics"])
@pytest.mark.parametrize("peer", [HERE, "::1", "::ffff:127.0.0.1"])
def test_this_computer_reads_the_metrics(path: str, peer: str) -> None:
    assert client(peer).get(path).status_code == 200
    assert client(peer, "[::1]:8501").get(path).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/_stcore/metrics", "/_stcore/metrics/"])
def test_nobody_else_does_and_no_proxy_on_this_computer(path: str) -> None:
    assert client("192.0.2.7").get(path).status_code == 404
    assert client("10.0.0.1").get(path).status_code == 404
    assert client(HERE, "photos.example.org").get(path).status_code == 404
    assert client(HERE, "localhost.evil.example").get(path).status_code == 404
    for header in ("X-Forwarded-For", "x-forwarded-proto", "Forwarded", "X-Real-IP", "Via"):
        for value in (HERE, "192.0.2.7", ""):
            assert client(HERE).get(path, headers={header: value}).status_code == 404


def test_the_metrics_are_prometheus_text_without_names() -> None:
    counters.count_query(0.03)
    answer = client(HERE).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE captionlens_query_seconds histogram" in answer.text
    assert 'captionlens_query_seconds_bucket{le="0.05"}' in answer.text
    assert "process_resident_memory_bytes" in answer.text


def test_queries_are_counted_with_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    before = counters.usage()
    monkeypatch.setattr(counters, "_seconds", type(counters._seconds)(maxlen=1000))
    assert counters.usage().p50 is None
    for seconds in [0.01] * 90 + [0.2] * 10:
        counters.count_query(seconds)
    counters.count_build()
    now = counters.usage()
    assert (now.queries - before.queries, now.builds - before.builds) == (100, 1)
    assert now.p50 == pytest.approx(0.01)
    assert now.p95 == pytest.approx(0.2)
    assert now.memory > 2**20


def test_a_counting_encoder_gives_the_same_vectors() -> None:
    before = counters.usage()
    encoder = stand_in()
    counted = counters.counted(encoder)
    images = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    assert counted.key == encoder.key
    assert np.array_equal(counted.images(images), encoder.images(images))
    assert np.array_equal(counted.texts(["a cat", "a dog"]), encoder.texts(["a cat", "a dog"]))
    now = counters.usage()
    assert (now.images - before.images, now.captions - before.captions) == (3, 2)


def test_a_server_that_can_serve_is_healthy_to_everyone() -> None:
    answer = client("192.0.2.7", "photos.example.org").get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_a_server_without_its_model_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(models, "default_id", lambda: str(tmp_path))
    answer = client(HERE).get("/healthz")
    assert (answer.status_code, answer.text) == (503, "The default model cannot be loaded.")


def test_a_server_without_its_collections_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "made/later"))
    assert client(HERE).get("/healthz").status_code == 200
    file = tmp_path / "file"
    file.write_text("")
    for place in (file, file / "inside"):
        monkeypatch.setenv("CAPTIONLENS_DATA", str(place))
        answer = client(HERE).get("/healthz")
        assert answer.status_code == 503
        assert answer.text.startswith("The folder of collections")
        assert str(tmp_path) not in answer.text


def test_an_address_serves_a_file_by_ranges(tmp_path: Path) -> None:
    film = tmp_path / "a film.mp4"
    film.write_bytes(bytes(range(100)))
    address = media.of_file(film, "video/mp4")
    assert media.of_file(film, "video/mp4") == address
    part = client("192.0.2.7").get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["content-type"] == "video/mp4"
    film.unlink()
    assert client("192.0.2.7").get(address).status_code == 404


def test_an_address_answers_only_what_it_was_made_for() -> None:
    known = {"1": media.Answer(b"one", "text/plain")}
    address = media.of_answers("numbers", known.get)
    assert client(HERE).get(f"{address}/1").content == b"one"
    for other in (f"{address}/2", f"{address}/../1", address, "files/guess/1", "files/guess"):
        assert client(HERE).get(other).status_code == 404
    known = {"1": media.Answer(b"another", "text/plain")}
    assert media.of_answers("numbers", known.get) == address
    assert client(HERE).get(f"{address}/1").content == b"another"


def test_the_oldest_address_ends_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "_MOST", 2)
    addresses = [
        media.of_answers(("many", number), lambda rest: media.Answer(rest.encode(), "text/plain"))
        for number in range(3)
    ]
    answered = [client(HERE).get(f"{address}/x").status_code for address in addresses]
    assert answered == [404, 200, 200]
