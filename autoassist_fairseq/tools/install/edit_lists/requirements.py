"""What fairseq needs beside it, and what keeps it from starting on today's Python and hydra."""

from __future__ import annotations

from autoassist_fairseq.tools.install.edit_lists.edit import Edit

LOCAL_VERSION = "0.12.2+autoassist.1"
_HASHABLE = ("\n@dataclass\nclass ", "\n@dataclass(unsafe_hash=True)\nclass ")
_COMPAT = "from fairseq.autoassist_compat import "
_DATACLASS_UTILS = "fairseq/dataclass/utils.py"

REQUIREMENTS = (
    # doctor and pip must be able to tell the corrected fairseq from the stock one
    Edit("version", "fairseq/version.txt", "0.12.2", LOCAL_VERSION),
    # pip >= 24.1 cannot read the metadata of omegaconf 2.0, and hydra 1.0 breaks on Python 3.11
    Edit("hydra-requirement", "setup.py", "hydra-core>=1.0.7,<1.1", "hydra-core>=1.3,<1.4"),
    Edit("omegaconf-requirement", "setup.py", "omegaconf<2.1", "omegaconf>=2.3,<2.4"),
    # the allow-list for checkpoints names functions, which older versions of torch cannot
    Edit("torch-requirement", "setup.py", '            "torch",\n', '            "torch>=2.6",\n'),
    # only speech tasks use it, and its builds must match torch's to the digit
    Edit("torchaudio-requirement", "setup.py", '            "torchaudio>=0.8.0",\n', ""),
    # Python >= 3.11 refuses unhashable defaults; hydra_init reads `.default`, so no factories
    Edit("config-dataclasses", "fairseq/dataclass/configs.py", *_HASHABLE, count=13),
    Edit(
        "transformer-dataclasses",
        "fairseq/models/transformer/transformer_config.py",
        *_HASHABLE,
        count=4,
    ),
    # hydra.experimental is deprecated in 1.3 and gone after it
    Edit(
        "hydra-import",
        _DATACLASS_UTILS,
        "from hydra.experimental import compose, initialize\n",
        f"from hydra import compose, initialize\n{_COMPAT}quiet_hydra\n",
    ),
    # hydra warns of what fairseq's own YAML files still do, which a user cannot change
    Edit(
        "hydra-initialize",
        _DATACLASS_UTILS,
        "    with initialize(config_path=config_path):\n",
        "    with quiet_hydra(), initialize(config_path=config_path):\n",
    ),
)
