"""What the tests of the plug-in share: a server that runs fairseq, and a tiny corpus."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from binarised import Binarised, make_corpus
from training import Server

# A shell that starts the tests in the background has them ignore Ctrl-C, which programs that they
# start would inherit; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The first example of a test may wait for Numba's compiler.
hypothesis.settings.register_profile("compiled", deadline=None)
hypothesis.settings.load_profile("compiled")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import a module of slow tests where they are left out: some import PyTorch."""
    if config.getoption("markexpr") != "not slow" or collection_path.suffix != ".py":
        return None
    slow = re.search(r"^pytestmark = pytest\.mark\.slow\b", collection_path.read_text(), re.M)
    return True if slow else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first: the others then fill every worker's last seconds."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Runs fairseq's programs; imports fairseq once, when it is first asked."""
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def corpus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Binarised:
    """400 pairs of 3 to 15 words."""
    return make_corpus(server, tmp_path_factory.mktemp("corpus"), 400)


@pytest.fixture(scope="session")
def few(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Binarised:
    """200 pairs of the same kind: half the updates, where a test counts passes."""
    return make_corpus(server, tmp_path_factory.mktemp("few"), 200)
