"""What the pages "how to add a policy" and "how to add a command" say, done as they say it."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from corpora import alone, make_planner, run_pass

from autoassist_fairseq import __main__ as program
from autoassist_fairseq.assistant.policies import by_name, warming
from autoassist_fairseq.schedule.packing import Budget

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str) -> list[str]:
    """The Python of a page."""
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.M | re.S)


@pytest.mark.slow
def test_the_policy_of_the_page_keeps_every_other_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    rule, adapter = blocks("add-a-policy.md")
    names = {**vars(warming), "np": np}
    exec(rule + adapter, names)
    monkeypatch.setitem(by_name.POLICIES, "alternate", names["Alternate"])
    planner = make_planner(1000, Budget(60, 0), alone(policy="alternate"))
    passes = [
        np.sort(np.concatenate([plan.batches.pairs for plan in run_pass(planner, index, 2)]))
        for index in (1, 2, 3)
    ]
    every = np.arange(1000)
    assert passes[0].tolist() == every.tolist()  # warm-up
    assert passes[1].tolist() == every[::2].tolist()
    assert passes[2].tolist() == every[1::2].tolist()


def test_the_command_of_the_page_runs_and_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = blocks("add-a-command.md")
    module = types.ModuleType("autoassist_fairseq.tools.count.command", None)
    exec(code.replace("from __future__ import annotations\n", ""), vars(module))
    monkeypatch.setattr(module, "count", lambda data: len(str(data)), raising=False)
    monkeypatch.setattr(module, "__doc__", "Count the pairs of a corpus.")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = eval(f"{{{line}}}", vars(program))
    monkeypatch.setitem(program.GROUPS["look"], "count", entry["count"])
    monkeypatch.setitem(program.COMMANDS, "count", entry["count"])
    assert program.main(["count", "seven77"]) == 0
    assert capsys.readouterr().out == "7\n"
    assert "  count " in program.help_text()
    with pytest.raises(SystemExit):
        program.main(["count", "--help"])
    assert capsys.readouterr().out.startswith("usage: autoassist count")
