"""Install autoassist_fairseq; fairseq itself comes from ``autoassist build-fairseq``."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent

# fairseq is not listed: the stock one cannot be resolved by pip >= 24.1, and the corrected one is
# on no index. What the corrected one needs is listed, so that `pip install .` leaves it complete.
FAIRSEQ_NEEDS = [
    "bitarray",
    "cffi",
    "cython",
    "hydra-core>=1.3,<1.4",
    "omegaconf>=2.3,<2.4",
    "regex",
]


def read_version() -> str:
    """Return ``__version__`` without importing the package."""
    text = (ROOT / "autoassist_fairseq" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    assert found
    return found[1]


def read_description() -> str:
    """Return the README, or nothing where it was not shipped."""
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.is_file() else ""


setup(
    name="autoassist_fairseq",
    version=read_version(),
    description="An Assistant on the CPU says which sentence pairs fairseq is to train on",
    long_description=read_description(),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["autoassist_fairseq", "autoassist_fairseq.*"]),
    package_data={"autoassist_fairseq": ["**/*.yaml", "**/*.txt", "**/*.html", "py.typed"]},
    python_requires=">=3.10,<3.14",
    entry_points={"console_scripts": ["autoassist = autoassist_fairseq.__main__:run"]},
    install_requires=[
        *FAIRSEQ_NEEDS,
        "numba>=0.60",
        "numpy>=1.26",
        "pooch>=1.8",
        "requests",
        "sacrebleu>=2.0",
        "sacremoses",
        "sentencepiece",
        "subword-nmt",
        "tensorboardX",
        "torch>=2.6",
        "tqdm",
        "urllib3>=2",  # tells a download that was cut off from a whole one
    ],
    extras_require={
        "demo": ["Babel", "num2words"],
        "docs": ["furo", "myst-parser", "sphinx"],
        "images": ["jinja2", "matplotlib", "pillow", "scikit-learn", "torchvision"],
        "language-id": ["py3langid>=0.4"],
        "report": ["jinja2", "matplotlib", "scikit-learn", "scipy"],
        "dev": [
            "hypothesis",
            "mypy",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "ruff",
            "scikit-learn",
            "scipy",
        ],
    },
)
