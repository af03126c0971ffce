"""Errors that end a training program uncaught: which ones become a sentence, and which stay."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from binarised import Binarised
from training import USER_DIR, command

pytestmark = pytest.mark.slow  # importing the plug-in imports torch and fairseq


class ProcessRaisedException(Exception):
    """As torch.multiprocessing's."""


SPAWNED = """

-- Process 1 terminated with the following error:
Traceback (most recent call last):
  File "train.py", line 1, in main
    load()
{0}
"""


def system(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            ProcessRaisedException(
                SPAWNED.format("fairseq.autoassist_checkpoints.CheckpointError: `c.pt` must be.")
            ),
            "`c.pt` must be.",
        ),
        (
            ProcessRaisedException(
                SPAWNED.format("autoassist_fairseq.errors.UserError: `--x` must.")
            ),
            "`--x` must.",
        ),
        (ProcessRaisedException(SPAWNED.format("KeyError: '--x'")), None),
        (
            Exception("process 1 terminated with exit code 1"),
            "a training process ended; it said why above (process 1 terminated with exit code 1).",
        ),
        (
            RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"),
            "a process that loads data exited unexpectedly; see",
        ),
        (system(errno.ENOSPC, "/a/log"), "`/a/log` must be a place .* (No space left on device)"),
        (system(errno.EACCES, "/save/dummy"), "`/save` must be a place"),
        (system(errno.ENOENT, "/a/log"), None),
        (OSError("no number"), None),
        (AssertionError("--x must\nbe"), "--x must."),
        (ModuleNotFoundError("Please install iopath"), None),
        (
            ImportError("please run pip install pyarrow to use --use_plasma_view"),
            "`--use-plasma-view` must have plasma, which pyarrow no longer holds; leave it out, as "
            "translation has no use for it.",
        ),
        (ImportError("Please install fairscale."), "Please install fairscale."),
        (KeyError("--x"), None),
        (FloatingPointError("Try --ddp-backend=legacy_ddp"), None),
        (RuntimeError("Connection closed by peer"), None),  # no ranks here
        (ZeroDivisionError("by nought"), None),
    ],
)
def test_what_is_told(error: Exception, says: str | None) -> None:
    from autoassist_fairseq.plugin.border import sentence_of

    told = sentence_of(error)
    if says is None:
        assert told is None
    else:
        assert told is not None and told.startswith(says.split(" .* ")[0])
        assert says.split(" .* ")[-1] in told and told.endswith(".") and "\n" not in told


def test_a_file_that_cannot_be_read_is_not_said_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autoassist_fairseq.plugin.border import sentence_of

    (path := tmp_path / "dict.txt").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)  # root may read all
    told = sentence_of(system(errno.EACCES, str(path)))
    says = "must be a file that can be read, but is not (Permission denied); see to it."
    assert told == f"`{path}` {says}"


def test_a_lost_connection_is_told_while_ranks_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    from autoassist_fairseq.plugin.border import sentence_of

    joined = SimpleNamespace(is_initialized=lambda: True)
    monkeypatch.setitem(sys.modules, "torch.distributed", joined)
    told = sentence_of(RuntimeError("[gloo/pair.cc:534] Connection closed by peer [::1]:4"))
    assert told is not None and told.startswith("another rank has ended")
    assert sentence_of(RuntimeError("shapes do not fit")) is None


NCCL = """NCCL error in: /pytorch/torch/csrc/distributed/NCCLUtils.cpp:77, {0}, NCCL version 2.27.3
{1}
Last error:
{2}
"""
SYSTEM = (
    "unhandled system error (run with NCCL_DEBUG=INFO for details)",
    "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device "
    "error. ",
)
REMOTE = (
    "remote process exited or there was a network error",
    "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting "
    "prematurely.",
)
FRAMES = "\nException raised at socket.cpp:3: Connection reset (most recent call first):"


@pytest.mark.parametrize(
    ("kind", "last", "says"),
    [
        (SYSTEM, "Error while creating shared memory segment /dev/shm/nccl-a1 (size 33030528)", ""),
        (SYSTEM, "socketStartConnect: Connect to 10.0.0.2<52822> failed : No route to host", ""),
        (SYSTEM, FRAMES, ""),
        (SYSTEM, "NET/IB : no memory" + FRAMES, ""),
        (
            SYSTEM,
            "socketStartConnect: Connect to 10.0.0.2<5> failed : Connection refused",
            "ncclSystemError: socketStartConnect: Connect to 10.0.0.2<5> failed : Connection "
            "refused",
        ),
        (
            REMOTE,
            "socketProgressOpt: Call to recv from 10.0.0.2<3> failed : Connection reset by peer",
            "ncclRemoteError: socketProgressOpt: Call to recv from 10.0.0.2<3> failed : "
            "Connection reset by peer",
        ),
        (REMOTE, FRAMES, "ncclRemoteError"),
    ],
)
def test_what_nccl_says_is_not_hidden(
    kind: tuple[str, str], last: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch.distributed

    from autoassist_fairseq.plugin.border import sentence_of

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    told = sentence_of(torch.distributed.DistBackendError(NCCL.format(*kind, last)))
    start = f"another rank has ended, so this one ends too ({says}); see"
    assert (told or "").startswith(start) if says else told is None


@pytest.mark.parametrize(
    "text",
    [
        "[1] is setting up NCCL communicator and retrieving ncclUniqueId from [0] via c10d "
        "key-value store by key '0', but store->get('0') got error: Connection reset by peer",
        "sendBytes failed on SocketImpl(fd=4, addr=[::1]:5, remote=[::1]:6): Broken pipe",
        "Socket Timeout",
    ],
)
def test_a_store_that_is_gone_went_with_its_rank(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch.distributed

    from autoassist_fairseq.plugin.border import sentence_of

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    told = sentence_of(torch.distributed.DistBackendError(text))
    assert told is not None and told.startswith("another rank has ended, so this one ends too; see")


def test_an_unknown_error_keeps_its_traceback_and_the_hook_is_set_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from autoassist_fairseq.plugin import border

    seen: list[Any] = []
    before: Callable[..., None] = lambda *error: seen.append(error)  # noqa: E731
    monkeypatch.setattr(sys, "excepthook", before)
    monkeypatch.delitem(sys.modules, "fairseq_cli.train", raising=False)
    border.install()
    assert sys.excepthook is before, "other programs are left alone"
    monkeypatch.setitem(sys.modules, "fairseq_cli.train", SimpleNamespace())
    border.install()
    hook = sys.excepthook
    border.install()
    assert sys.excepthook is hook is not before
    error = ZeroDivisionError("by nought")
    hook(ZeroDivisionError, error, None)
    assert seen == [(ZeroDivisionError, error, None)]
    hook(ValueError, ValueError("--x must"), None)
    hook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert len(seen) == 1
    assert capsys.readouterr().err == "autoassist: error: --x must.\nautoassist: interrupted\n"


def test_hydra_lets_the_sentence_through(corpus: Binarised, tmp_path: Path) -> None:
    (tmp_path / "checkpoint_last.pt").write_bytes(b"half a checkpoint")
    folder = Path(__file__).resolve().parents[1] / "scripts" / "hydra"
    status, output = command(
        "fairseq-hydra-train",
        *("--config-dir", folder, "--config-name", "autoassist_translation"),
        *(f"common.user_dir={USER_DIR}", f"task.data={corpus.data}", "common.cpu=true"),
        *(f"hydra.run.dir={tmp_path}", f"checkpoint.save_dir={tmp_path}"),
    )
    assert status == 1 and "Traceback" not in output, output
    assert output.splitlines()[-1].startswith(f"autoassist: error: `{tmp_path}/checkpoint_last.pt`")
    assert "must be a whole checkpoint" in output.splitlines()[-1]
