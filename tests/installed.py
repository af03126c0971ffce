"""The package as a wheel in an environment without this checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = {
    "fairseq-preprocess": "fairseq_cli.preprocess import cli_main",
    "fairseq-train": "fairseq_cli.train import cli_main",
    "fairseq-generate": "fairseq_cli.generate import cli_main",
    "torchrun": "torch.distributed.run import main as cli_main",
}


def install(folder: Path) -> Path:
    """Make the wheel, install it into a new environment in ``folder``; return its programs' place.

    What the package needs is lent by the environment of the tests, whose own (editable) copy of
    the package is out of reach.
    """
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    run(*wheel, "--wheel-dir", str(folder), str(copy_of_the_checkout(folder)))
    home = folder / "env"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    (site,) = home.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps"]
    run(*pip, *map(str, folder.glob("*.whl")))
    # Folders that a .pth names are searched, but their own .pth files are not read.
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name, module in PROGRAMS.items():
        program = home / "bin" / name
        program.write_text(
            f"#!{python}\nfrom {module}\nif __name__ == '__main__':\n    cli_main()\n"
        )
        program.chmod(0o755)
    return home / "bin"


def copy_of_the_checkout(folder: Path) -> Path:
    """Copy what git knows or would: building writes beside the sources."""
    copy = folder / "checkout"
    names = run("git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard").split("\n")
    for name in names:
        if name.startswith("autoassist_fairseq/") or name in ("setup.py", "pyproject.toml"):
            target = copy / name
            if (ROOT / name).is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((ROOT / name).read_bytes())
    return copy


def run(*words: str) -> str:
    """Run a program that must succeed; return what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
