"""How a run starts, ends, resumes, and reads its options and data."""

from __future__ import annotations

from autoassist_fairseq.tools.install.edit_lists.edit import Edit

_RUNS = "from fairseq.autoassist_runs import "
_TRAIN = "fairseq_cli/train.py"
_EMA = "fairseq/models/ema/ema.py"
_INDEXED = "fairseq/data/indexed_dataset.py"
_CHECKPOINTS = "fairseq/checkpoint_utils.py"

RUNS = (
    # a metric that no validation has ended the run after an epoch, with nothing saved
    Edit(
        "runs-import",
        _TRAIN,
        "from fairseq import checkpoint_utils,",
        f"{_RUNS}check_start, left_to_train, no_iopath, patience\n"
        "from fairseq import checkpoint_utils,",
    ),
    Edit("metric", _TRAIN, "    metrics.reset()\n", "    check_start(cfg)\n    metrics.reset()\n"),
    Edit(
        "bleu-of-nothing",
        "fairseq/tasks/translation.py",
        "            if max(totals) > 0:\n",
        '            if any("_bleu_sys_len" in log for log in logging_outputs):\n',
    ),
    # a run that had ended made one more update at every start, and wrote its checkpoints anew
    Edit(
        "nothing-left",
        _TRAIN,
        "max_epoch = cfg.optimization.max_epoch or math.inf\n",
        "max_epoch = left_to_train(cfg, trainer, epoch_itr.next_epoch_idx)\n",
    ),
    # it ended with status 0, and had trained nothing
    Edit(
        "iopath",
        _TRAIN,
        "            logging.exception(\n"
        '                "Asynchronous checkpoint writing is specified but iopath is "\n'
        '                "not installed: `pip install iopath`"\n'
        "            )\n"
        "            return\n",
        "            no_iopath()\n",
    ),
    # one language given alone was forgotten, and the other direction was trained
    Edit(
        "direction",
        "fairseq/tasks/translation.py",
        "            cfg.source_lang, cfg.target_lang = data_utils.infer_language_pair(paths[0])\n",
        f"            {_RUNS}directed\n\n"
        "            cfg.source_lang, cfg.target_lang = directed(\n"
        "                cfg, data_utils.infer_language_pair(paths[0])\n"
        "            )\n",
    ),
    # --patience counted from zero after every start
    Edit(
        "patience-first", _TRAIN, 'getattr(should_stop_early, "best", None)', 'patience.get("best")'
    ),
    Edit("patience-best", _TRAIN, "should_stop_early.best", 'patience["best"]'),
    Edit("patience-count", _TRAIN, "should_stop_early.num_runs", 'patience["num_runs"]', count=3),
    Edit(
        "patience-save",
        _CHECKPOINTS,
        '"val_loss": val_loss}\n',
        '"val_loss": val_loss}\n    extra_state["patience"] = dict(patience)\n',
    ),
    Edit(
        "patience-load",
        _CHECKPOINTS,
        'save_checkpoint.best = extra_state["best"]\n',
        'save_checkpoint.best = extra_state["best"]\n'
        '        patience.update(extra_state.get("patience", {}))\n',
    ),
    # of N best checkpoints only those were kept that beat all before; a suffix may hold a `_`
    Edit("keep-best-none", _CHECKPOINTS, 'getattr(save_checkpoint, "best", None)', "None"),
    Edit(
        "keep-best",
        _CHECKPOINTS,
        "        if len(chkpts) > 0:\n",
        "        if len(chkpts) >= cfg.keep_best_checkpoints:\n",
    ),
    Edit(
        "keep-best-suffix",
        _CHECKPOINTS,
        'float(p.rsplit("_")[-1].replace("{}.pt".format(suffix), ""))',
        'float(p[: -len("{}.pt".format(suffix))].rsplit("_")[-1])',
    ),
    # --store-ema could not begin later, and its rarer updates were counted anew after every start
    Edit(
        "ema-begin",
        "fairseq/trainer.py",
        '                    self.ema.restore(\n                        state["model"], ',
        "                    self.ema.restore(\n                        self.model.state_dict(), ",
    ),
    Edit(
        "ema-count",
        _EMA,
        "self.update_freq_counter += 1\n",
        "self.update_freq_counter = 1 + (\n"
        "                self.update_freq_counter\n"
        "                if updates is None\n"
        "                else (updates - 1) % self.config.ema_update_freq\n"
        "            )\n",
    ),
    # the hours of the run that a model is fine-tuned from counted for --stop-time-hours
    Edit(
        "training-time",
        "fairseq/trainer.py",
        'if "previous_training_time" in extra_state:',
        'if "previous_training_time" in extra_state and not reset_meters:',
    ),
    # --help ended the first of two readings, which knows no flag of any task or model
    Edit(
        "help-import",
        "fairseq/options.py",
        "from fairseq import utils\n",
        f"from fairseq import utils\n{_RUNS}check_arch, without_help\n",
    ),
    Edit(
        "help",
        "fairseq/options.py",
        "    args, _ = parser.parse_known_args(input_args)\n",
        "    args, _ = parser.parse_known_args(without_help(input_args))\n",
    ),
    Edit(
        "arch",
        "fairseq/options.py",
        "            raise RuntimeError()\n",
        "            check_arch(input_args)\n",
    ),
    Edit("help-task", "fairseq/options.py", 'hasattr(args, "task")', 'getattr(args, "task", None)'),
    # alignments of one split were taken for those of several, or broke in the middle of an epoch
    Edit(
        "alignments",
        "fairseq/tasks/translation.py",
        "                align_path, None, dataset_impl\n            )\n",
        "                align_path, None, dataset_impl\n            )\n"
        f"            {_RUNS}check_alignments\n\n"
        "            check_alignments(align_dataset, src_dataset, split)\n",
    ),
    # old formats: what was not fetched in advance broke, and workers moved each other's place in
    # the one open file
    Edit(
        "cached-rest",
        _INDEXED,
        "        self.check_index(i)\n"
        "        tensor_size = self.sizes[self.dim_offsets[i] : self.dim_offsets[i + 1]]\n"
        "        a = np.empty(tensor_size, dtype=self.dtype)\n"
        "        ptx = self.cache_index[i]\n",
        "        self.check_index(i)\n"
        "        if i not in self.cache_index:\n"
        "            return super().__getitem__(i)\n"
        "        tensor_size = self.sizes[self.dim_offsets[i] : self.dim_offsets[i + 1]]\n"
        "        a = np.empty(tensor_size, dtype=self.dtype)\n"
        "        ptx = self.cache_index[i]\n",
    ),
    Edit("lazy-import", _INDEXED, "import shutil\n", "import os\nimport shutil\n"),
    Edit(
        "lazy-place",
        _INDEXED,
        "        a = np.empty(tensor_size, dtype=self.dtype)\n"
        "        self.data_file.seek(self.data_offsets[i] * self.element_size)\n"
        "        self.data_file.readinto(a)\n",
        "        a = np.empty(tensor_size, dtype=self.dtype)\n"
        "        place = self.data_offsets[i] * self.element_size\n"
        "        os.preadv(self.data_file.fileno(), [a], place)\n",
    ),
)
