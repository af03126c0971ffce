"""Checkpoints: loaded safely, saved whole, and told of where they do not fit."""

from __future__ import annotations

from autoassist_fairseq.tools.install.edit_lists.edit import Edit

_RUNS = "from fairseq.autoassist_runs import "
_TASKS = "fairseq/tasks/__init__.py"
_CHECKPOINTS = "fairseq/checkpoint_utils.py"

CHECKPOINTS = (
    # torch >= 2.6 loads weights only, which refuses the few other types of a checkpoint
    Edit(
        "checkpoint-import",
        _CHECKPOINTS,
        "from fairseq.data import data_utils\n",
        "from fairseq.autoassist_checkpoints import (\n"
        "    clear_errors,\n    copy_whole,\n    safe_load,\n    save_whole,\n)\n"
        f"{_RUNS}patience\nfrom fairseq.data import data_utils\n",
    ),
    Edit(
        "checkpoint-load",
        _CHECKPOINTS,
        'torch.load(f, map_location=torch.device("cpu"))',
        'safe_load(f, map_location=torch.device("cpu"))',
    ),
    Edit("ema-load", _CHECKPOINTS, "new_state = torch.load(\n", "new_state = safe_load(\n"),
    # a library call could not load a checkpoint whose task has had an option more
    Edit(
        "task-of-checkpoint",
        _CHECKPOINTS,
        "task = tasks.setup_task(cfg.task)",
        "task = tasks.setup_task(cfg.task, from_checkpoint=True)",
    ),
    Edit(
        "task-options",
        _TASKS,
        "def setup_task(cfg: FairseqDataclass, **kwargs):",
        "def setup_task(cfg: FairseqDataclass, from_checkpoint=False, **kwargs):",
    ),
    Edit(
        "task-options-gone",
        _TASKS,
        "cfg = merge_with_parent(dc(), cfg)",
        "cfg = merge_with_parent(dc(), cfg, from_checkpoint)",
    ),
    # a checkpoint that does not fit must say what does not, and what to do
    Edit(
        "checkpoint-fit",
        _CHECKPOINTS,
        "    extra_state = trainer.load_checkpoint(\n",
        "    extra_state = clear_errors(trainer.load_checkpoint)(\n",
    ),
    # a full disk left half a file behind, and a copy that is cut short took the last one's place
    Edit(
        "checkpoint-save",
        _CHECKPOINTS,
        """        if PathManager.supports_rename(filename):
            # do atomic save
            with PathManager.open(filename + ".tmp", "wb") as f:
                _torch_persistent_save(obj, f)
            PathManager.rename(filename + ".tmp", filename)
        else:
            # fallback to non-atomic save
            with PathManager.open(filename, "wb") as f:
                _torch_persistent_save(obj, f)
""",
        "        save_whole(obj, filename, PathManager)\n",
    ),
    Edit(
        "checkpoint-copy",
        _CHECKPOINTS,
        """                assert PathManager.copy(
                    checkpoints[0], cp, overwrite=True
                ), f"Failed to copy {checkpoints[0]} to {cp}"
""",
        "                copy_whole(checkpoints[0], cp, PathManager)\n",
    ),
)
