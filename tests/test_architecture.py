"""Three rings, arrows inward only; and starting a tool costs neither torch nor fairseq."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "autoassist_fairseq"
HERE = "autoassist_fairseq"
SHARED = {f"{HERE}.errors", f"{HERE}.log_lines", f"{HERE}.settings", f"{HERE}.__version__"}
FAIRSEQ = {"fairseq", "fairseq_cli", "hydra", "omegaconf"}

# What each ring may import of this package, and of others beside the standard library
# (None: anything but what FORBIDDEN says).
INNER: dict[str, set[str]] = {
    "assistant": {"assistant"},
    "schedule": {"assistant", "schedule"},
    "plugin": {"assistant", "schedule", "plugin"},
    "tools": {"assistant", "schedule", "tools"},
    "probes": {"assistant", "schedule", "plugin", "tools", "probes"},
}
OUTER: dict[str, set[str] | None] = {
    "assistant": {"numpy", "numba", "llvmlite"},  # llvmlite: below Numba, for prefetching
    "schedule": {"numpy", "numba"},
    "plugin": None,
    "tools": None,
    "probes": None,
}
# What a folder of tools/ shows to the others; `common` is for all, the rest is its own.
DOORS = {
    "averaging": {"command"},
    "bench": {"programs"},
    "compare": {"command", "table", "updates"},
    "dataprep": {
        "cleaning",
        "columns",
        "manifest",
        "pipeline",
        "reading",
        "settings",
        "steps",
        "subwords",
    },
    "demo": {"command", "settings"},
    "demo_corpus": {"base", "build"},
    "install": {"checkpoints", "edits", "interpreter", "pip_run", "programs", "wheel"},
    "noise": {"command", "kinds"},
    "report": {"command", "corpus", "figures", "fitting", "page", "style", "table"},
    "scores": {"command"},
    "scoring": {"command", "generated", "layout", "metrics", "split", "text"},
    "synthetic": {"files", "shape"},
    "training": {"recipes"},
    "wrong_pairs": {"dropping"},
}
FORBIDDEN = {"tools": FAIRSEQ, "plugin": {"torchvision"}}


def imports_of(source: str) -> set[str]:
    """Every module that a source imports, wherever in it, `from x import y` as both x and x.y."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def violations(ring: str, source: str) -> set[str]:
    """The imports of a source that its ring forbids."""
    bad = set()
    for name in imports_of(source):
        top, _, rest = name.partition(".")
        if top == HERE:
            inner = rest.split(".")[0]
            shared = name == HERE or any(f"{name}.".startswith(f"{one}.") for one in SHARED)
            if not shared and inner not in INNER[ring]:
                bad.add(name)
        elif top not in sys.stdlib_module_names and top != "__future__":
            allowed = OUTER[ring]
            if (allowed is not None and top not in allowed) or top in FORBIDDEN.get(ring, ()):
                bad.add(name)
    return bad


@pytest.mark.parametrize("ring", INNER)
def test_arrows_point_inward(ring: str) -> None:
    files = sorted((PACKAGE / ring).rglob("*.py"))
    assert files
    bad = {str(path): violations(ring, path.read_text(encoding="utf-8")) for path in files}
    assert {path: names for path, names in bad.items() if names} == {}


def cellars(folder: str, source: str) -> set[str]:
    """The imports of a source in a ``folder`` of tools/ from what another folder does not show."""
    tools, bad = f"{HERE}.tools.", set()
    for name in imports_of(source):
        other, _, rest = name.removeprefix(tools).partition(".")
        inside = rest.split(".")[0]
        if not name.startswith(tools) or other in (folder, "common") or not inside:
            continue
        if inside not in DOORS.get(other, ()):
            bad.add(name)
    return bad


def test_no_tool_reaches_into_another_s_cellar() -> None:
    files = sorted((PACKAGE / "tools").rglob("*.py"))
    bad = {
        str(path): cellars(
            path.relative_to(PACKAGE / "tools").parts[0], path.read_text(encoding="utf-8")
        )
        for path in files
    }
    assert {path: names for path, names in bad.items() if names} == {}
    assert cellars("noise", f"from {HERE}.tools.dataprep.bpe import apply")
    assert not cellars("noise", f"from {HERE}.tools.dataprep.manifest import write")


@pytest.mark.parametrize(
    ("ring", "source", "bad"),
    [
        ("assistant", "import numpy as np\nfrom numba import njit\nimport math", set()),
        ("assistant", f"from {HERE}.errors import UserError", set()),
        ("assistant", f"def f():\n    from {HERE}.schedule import plan", {f"{HERE}.schedule.plan"}),
        ("assistant", "import torch", {"torch"}),
        ("assistant", "import torchvision", {"torchvision"}),
        ("schedule", "from torchvision import models", {"torchvision.models"}),
        ("plugin", "import torchvision", {"torchvision"}),
        ("schedule", f"from {HERE}.assistant.trivial.model import Model", set()),
        ("schedule", f"import {HERE}.plugin.task", {f"{HERE}.plugin.task"}),
        ("schedule", "from fairseq import utils", {"fairseq.utils"}),
        ("plugin", f"from {HERE}.tools import noise", {f"{HERE}.tools.noise"}),
        ("tools", f"from {HERE}.probes import gpu", {f"{HERE}.probes.gpu"}),
        ("tools", "import torch", set()),
        ("tools", "from fairseq.data import dictionary", {"fairseq.data.dictionary"}),
        ("tools", f"from {HERE} import plugin", {f"{HERE}.plugin"}),
    ],
)
def test_an_outward_arrow_is_found(ring: str, source: str, bad: set[str]) -> None:
    assert violations(ring, source) == bad


def test_fairseq_imports_no_folder_of_ours_by_itself() -> None:
    # `--user-dir` imports every file in folders of these two names
    assert not [path for path in PACKAGE.rglob("*") if path.name in {"tasks", "models"}]


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh Python holds after it ran some code."""
    code += "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def module_names(ring: str) -> list[str]:
    paths = [path.relative_to(PACKAGE.parent) for path in (PACKAGE / ring).rglob("*.py")]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]


@pytest.mark.slow
def test_the_method_and_its_running_load_neither_torch_nor_fairseq() -> None:
    names = [name for ring in ("assistant", "schedule") for name in module_names(ring)]
    loaded = modules_after("\n".join(f"import {name}" for name in names))
    assert {HERE, "numpy"} <= loaded
    assert not {"torch", "torchvision", *FAIRSEQ} & loaded


@pytest.mark.slow
def test_asking_for_the_image_experiments_loads_neither_torch_nor_torchvision() -> None:
    loaded = modules_after(f"import {HERE}.tools.figure5.command")
    assert HERE in loaded
    assert not {"torch", "torchvision", "matplotlib", *FAIRSEQ} & loaded


def test_building_fairseq_and_the_doctor_need_the_standard_library_only() -> None:
    code = f"import {HERE}.__main__, {HERE}.tools.install.wheel, {HERE}.tools.install.doctor"
    started = modules_after("")  # what site-packages start by themselves
    loaded = modules_after(code)
    assert HERE in loaded
    assert loaded - started - set(sys.stdlib_module_names) <= {HERE}
