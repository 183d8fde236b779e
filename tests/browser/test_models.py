"""The Models page gets a checkpoint from a Hub on this machine, in a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests import checkpoints
from tests.browser.helpers import Screenshot, Server, running
from tests.hub_server import HubServer


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    folder = checkpoints.write("clip", tmp_path_factory.mktemp("repo") / "clip")
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    pickled = {"config.json": files["config.json"], "pytorch_model.bin": b"pickle"}
    with HubServer({"tiny/clip": files, "tiny/pickled": pickled}) as started:
        yield started


@pytest.fixture(scope="module")
def online(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose Hub is `hub`; the shared server has none."""
    with running(tmp_path_factory.mktemp("models") / "log", HF_ENDPOINT=hub.url) as started:
        yield started


def ask(page: Page, server: Server, model: str) -> None:
    page.goto(f"{server.url}/models?models_id={model}")
    page.get_by_role("button", name="Download…").click()


def test_a_download_is_confirmed_stopped_resumed_and_used(
    hub: HubServer, online: Server, page: Page, screenshot: Screenshot
) -> None:
    ask(page, online, "tiny/clip")
    confirm = page.get_by_role("dialog").get_by_role("button", name="Download 0 MB")
    expect(confirm).to_be_visible()
    expect(page.get_by_role("dialog").get_by_text("to download in")).to_be_visible()
    assert not hub.asked_for("model.safetensors")  # nothing before the click
    hub.bytes_per_second = len(hub.repos["tiny/clip"]["model.safetensors"]) / 8
    confirm.click()
    expect(page.get_by_text("Downloading clip: 0 MB of 0 MB")).to_be_visible()
    screenshot(page, "models-downloading")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("was stopped; it can be resumed")).to_be_visible()
    hub.bytes_per_second = None
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("clip is on disk.")).to_be_visible()
    assert any(request.range for request in hub.asked_for("model.safetensors"))
    page.get_by_role("link", name="Use in Match").click()
    expect(page.get_by_role("button", name=re.compile("^Rank 1 of")).first).to_be_visible()
    expect(page.get_by_test_id("stPopover").filter(has_text="clip").first).to_be_visible()
    assert "model=tiny" in page.url
    page.goto(f"{online.url}/models?models_id=tiny/clip")
    page.get_by_role("button", name="Remove…").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove from disk").click()
    expect(page.get_by_role("button", name="Download…")).to_be_visible()


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("nobody/nothing", "The Hub has no model nobody/nothing"),
        ("tiny/pickled", "tiny/pickled stores its weights as pickles"),
    ],
)
def test_a_model_that_cannot_be_downloaded_has_a_reason(
    online: Server, page: Page, model: str, sentence: str
) -> None:
    ask(page, online, model)
    expect(page.get_by_role("dialog").get_by_text(sentence)).to_be_visible()


def test_without_a_network_one_sentence_says_so(server: Server, page: Page) -> None:
    ask(page, server, "openai/clip-vit-base-patch32")
    expect(page.get_by_text("The Hub cannot be reached for openai/clip")).to_be_visible()
