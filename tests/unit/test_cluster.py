"""Builds on a Ray cluster, as far as they need none: tests/scale has the others."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.collection.build import BuildJob, build
from components.collection.cluster import ClusterError, _shapes, cluster
from components.collection.sources.source import SourceSpec
from components.settings import ROOT
from tests.standin import stand_in, tiny_images


def test_without_ray_a_build_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(sys.modules, "ray", None)
    encoder = stand_in()
    job = BuildJob("mine", SourceSpec("folder", str(tiny_images(tmp_path / "images", 2))))
    with pytest.raises(ClusterError, match=r"Run `pip install -r requirements-scale\.txt`"):
        build(job, encoder, engine=cluster("auto", encoder))
    assert build(job, encoder).added == 2


def test_nothing_of_ray_is_imported_without_the_option() -> None:
    code = "import sys, cli, components.collection.cluster; print('ray' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("resources", "workers"),
    [
        ([{"CPU": 1.0}], [(1, 0)]),
        ([{"CPU": 9.0}, {"CPU": 0.0}], [(4, 0), (4, 0)]),
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 8.0}], [(8, 1), (8, 1)]),
        ([{"CPU": 2.0, "GPU": 4.0}], [(0, 1)] * 4),
        ([{}], []),
    ],
)
def test_a_worker_has_a_gpu_or_four_cores(
    resources: list[dict[str, float]], workers: list[tuple[int, int]]
) -> None:
    nodes: list[dict[str, Any]] = [{"Alive": True, "Resources": each} for each in resources]
    nodes.append({"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}})
    assert [(shape.cpus, shape.gpus) for shape in _shapes(nodes, 4)] == workers
