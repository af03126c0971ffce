"""Names in comments, docstrings and documents: of files that are here, of code that is here."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

HERE = "tests/test_names.py"
ROOT = Path(__file__).parents[1]
ENDS = "py|sh|md|toml|yaml|html|json|csv"
_FILE = re.compile(rf"(?<![\w./*{{}}$-])[\w.-][\w./-]*\.(?:{ENDS})\b(?!\w|` of commit)")
_TICKED = re.compile(r"`+([^`\n]+)`+")
_NAME = re.compile(r"[A-Za-z_]\w+(?:\.\w+)*(?:\(\))?")
# Documents that are not in this repository
_ELSEWHERE = re.compile(r"\bDESIGN\b|\b(?:FAIRSEQ|STYLE|DECOYS|FAULTS|PEERS|GPU)\.md|\.\./shared")
FOREIGN = {"_bleu_counts", "_best"}
"""What fairseq has: a part of the names of its meters, and of its checkpoints."""


@cache
def tracked() -> tuple[str, ...]:
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    return tuple(sorted({p for p in done.stdout.splitlines() if (ROOT / p).is_file()}))


@cache
def prose(path: str) -> str:
    """The text for people in a file: all of a document, comments and docstrings of code."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".py"):
        comments = re.findall(r"(?:^|\s)#(?: .*)$", text, re.MULTILINE)
        nodes = (ast.Module, ast.ClassDef, ast.FunctionDef)
        docs = [ast.get_docstring(n) or "" for n in ast.walk(tree(path)) if isinstance(n, nodes)]
        return "\n".join([*docs, *comments])
    if path.endswith((".sh", "Makefile", "run", ".yaml")):
        return "\n".join(line for line in text.split("\n") if line.lstrip().startswith("#"))
    return text


def sources() -> list[str]:
    ends = (".py", ".md", ".sh", "Makefile", ".ci/run", ".yaml")
    return [p for p in tracked() if p.endswith(ends) and p != HERE]


@cache
def tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def code_words() -> frozenset[str]:
    """Names and short strings of all code, not of its prose."""
    found: set[str] = set()
    for path in (path for path in tracked() if path.endswith(".py") and path != HERE):
        for node in ast.walk(tree(path)):
            for _, value in ast.iter_fields(node):
                if isinstance(value, str) and len(value) < 80:
                    found.update(re.findall(r"[\w.-]+", value), re.findall(r"\w+", value))
    return frozenset(found)


def is_file(name: str) -> bool:
    """Whether a file of that name, or path from some folder on, is here or is made here."""
    name = name.removeprefix("./").removeprefix("../")
    if name.partition(".")[0].isupper() and "/" not in name:  # a word for any name
        return True
    there = any(path == name or path.endswith(f"/{name}") for path in tracked())
    return there or name.rpartition("/")[2] in code_words()


def is_name(name: str) -> bool:
    """Whether code uses all parts of a dotted name; a module's name is that of a file."""
    module, _, rest = name.removesuffix("()").rpartition(".")
    files = [path for path in tracked() if path.endswith(f"/{module.rpartition('.')[2]}.py")]
    if module and files:
        return any(re.search(rf"\b{rest}\b", (ROOT / path).read_text("utf-8")) for path in files)
    return set(re.split(r"\W+", name.removesuffix("()"))) <= code_words() | FOREIGN


@pytest.mark.slow
def test_files_that_are_named_are_there() -> None:
    wrong = {
        (path, name)
        for path in sources()
        for name in _FILE.findall(re.sub(r"\w+://\S+", "", prose(path)))
        if not is_file(name)
    }
    assert not wrong


@pytest.mark.slow
def test_code_that_is_named_is_there() -> None:
    wrong = {
        (path, name)
        for path in sources()
        for name in _TICKED.findall(prose(path))
        if _NAME.fullmatch(name) and not re.search(rf"\.(?:{ENDS})$", name)
        # Documents have other words in backticks; what is dotted or has a _ is a name there, too
        if path.endswith(".py") or re.search(r"\w[._]\w", name)
        if not is_name(name)
    }
    assert not wrong


@pytest.mark.slow
def test_documents_that_are_elsewhere_are_not_named() -> None:
    assert not [path for path in sources() if _ELSEWHERE.search(prose(path))]


@pytest.mark.slow
def test_a_wrong_name_is_found() -> None:
    assert is_file("scripts/report.py") and is_file("report.py")
    assert not is_file("tools/no_such.py") and not is_file(
        "autoassist_fairseq/tools/score_evaluate.py"
    )
    assert is_name("passes.LEAST_UPDATES") and not is_name("iterator.allowed_prefetch")
    assert is_name("read_line()") and not is_name("read_lone")
