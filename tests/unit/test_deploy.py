"""The container files: what they promise stands in them, and fits the code and nginx."""

import re
import shlex
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # no stubs come with it

from components.settings import ROOT
from tests.scale.milvus_server import SEGMENTS

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
NGINX = (ROOT / "docs" / "nginx.conf").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
APPS = {name: service for name, service in SERVICES.items() if name.startswith("app")}


def instructions(name: str) -> list[str]:
    """Return the arguments of an instruction of the Dockerfile, continued lines as one."""
    lines = re.sub(r"\\\n\s*", "", DOCKERFILE).splitlines()
    return [line.partition(" ")[2] for line in lines if line.split(" ")[0] == name]


def ignored(path: str) -> bool:
    """Return whether .dockerignore keeps a path out of the image: the last line that fits says."""
    keeps_out = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        parts = path.split("/")
        places = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        if line and not line.startswith("#") and any(fnmatch(each, pattern) for each in places):
            keeps_out = not line.startswith("!")
    return keeps_out


def test_there_are_two_apps_a_proxy_milvus_and_an_object_store() -> None:
    assert set(SERVICES) == {"app1", "app2", "proxy", "milvus", "objects"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_and_its_health_is_checked(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - inside the container
    assert not service.get("privileged")
    checked = service.get("healthcheck", {}).get("test") or (
        "build" in service and instructions("HEALTHCHECK")
    )
    assert checked
    image = service["image"]
    assert "build" in service or re.search(r":[\w.-]*\d", image), f"{image} names no version"


def test_the_proxys_port_is_the_only_one_that_is_published() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert all("network_mode" not in service for service in SERVICES.values())
    engines = yaml.safe_load(COMPOSE)["networks"]["engines"]
    assert engines["internal"] is True
    assert SERVICES["milvus"]["networks"] == SERVICES["objects"]["networks"] == ["engines"]
    assert "engines" not in SERVICES["proxy"]["networks"]


def test_what_waits_for_a_service_waits_until_it_is_healthy() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES
            assert how == {"condition": "service_healthy"}


def test_no_password_or_token_is_written_down() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|USER|KEY", name):
                assert re.fullmatch(r"\$\{\w+(:\?[^}]*|:-)\}", value), name
    assert not re.search("PASSWORD|TOKEN|SECRET", DOCKERFILE)


def test_apps_share_their_data_and_nginx_knows_their_ports() -> None:
    volumes = [service["volumes"] for service in APPS.values()]
    assert volumes[0] == volumes[1] == ["captionlens:/data"]
    for name, service in APPS.items():
        port = service["environment"]["STREAMLIT_SERVER_PORT"]
        assert f"server {name}:{port} " in NGINX
        assert f'"~:{port}$"' in NGINX
    named = set(re.findall(r"server (\w+):(\d+) ", NGINX))
    ports = {name: each["environment"]["STREAMLIT_SERVER_PORT"] for name, each in APPS.items()}
    assert named == set(ports.items())
    assert "./docs/nginx.conf:/etc/nginx/conf.d/default.conf:ro" in SERVICES["proxy"]["volumes"]
    assert SERVICES["proxy"]["ports"][0].endswith(":8080")
    assert "listen 8080;" in NGINX


def test_the_image_is_not_roots_and_writes_to_its_volume_alone() -> None:
    assert instructions("USER") == ["10001"]
    assert DOCKERFILE.index("\nUSER ") > DOCKERFILE.rindex("\nRUN ")  # the code is root's
    assert instructions("VOLUME") == ["/data"]
    settings = dict(pair.split("=", 1) for pair in shlex.split(instructions("ENV")[0]))
    assert settings["CAPTIONLENS_DATA"] == "/data"
    assert settings["CAPTIONLENS_MODEL_CACHE"].startswith("/data/")
    assert settings["HOME"] == "/tmp"  # noqa: S108 - inside the container


def test_the_health_check_asks_an_address_that_the_server_has() -> None:
    from components.server.routes import ROUTES

    (asked,) = re.findall(r"\+ '(/\w+)'", instructions("HEALTHCHECK")[0])
    assert asked in [route.path for route in ROUTES]


def test_the_image_holds_what_the_app_needs_and_nothing_private() -> None:
    needed = [
        *("app.py", "cli.py", "pyproject.toml", "requirements.txt", "requirements-scale.txt"),
        *(".streamlit/config.toml", "pages/match.py", "components/ui/style.css"),
        *("model_cache/pocket/model.safetensors", "sample_images/captions.csv"),
    ]
    assert [path for path in needed if ignored(path)] == []
    assert [path for path in needed if not (ROOT / path).exists()] == []
    private = [
        *(".streamlit/secrets.toml", ".env", ".git/config", ".venv/bin/python", "compose.yaml"),
        *("model_cache/hub/x", "tests/conftest.py", "components/__pycache__/x.pyc"),
    ]
    assert [path for path in private if not ignored(path)] == []


def test_milvus_has_the_segments_that_were_measured() -> None:
    assert SEGMENTS.items() <= SERVICES["milvus"]["environment"].items()
