"""The edits that make fairseq 0.12.2 work on Python 3.10-3.13, NumPy 2 and torch >= 2.6."""

from __future__ import annotations

from dataclasses import dataclass

LOCAL_VERSION = "0.12.2+autoassist.1"


@dataclass(frozen=True)
class Edit:
    """One replacement of literal text.

    Attributes:
        name: What an error calls it.
        file: Path in the source tree, with forward slashes.
        pattern: Text to find, exactly `count` times.
        replacement: Text put in its place.
        count: How many times `pattern` must occur, at least 1.
    """

    name: str
    file: str
    pattern: str
    replacement: str
    count: int = 1


_HASHABLE = ("\n@dataclass\nclass ", "\n@dataclass(unsafe_hash=True)\nclass ")
_COMPAT = "from fairseq.autoassist_compat import "
_RUNS = "from fairseq.autoassist_runs import "
_TRAIN = "fairseq_cli/train.py"
_EMA = "fairseq/models/ema/ema.py"
_TASKS = "fairseq/tasks/__init__.py"
_INDEXED = "fairseq/data/indexed_dataset.py"
_CHECKPOINTS = "fairseq/checkpoint_utils.py"
_DISTRIBUTED = "fairseq/models/distributed_fairseq_model.py"
_DATACLASS_UTILS = "fairseq/dataclass/utils.py"

EDITS = (
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
    # an overflow without a GPU must not end the run
    Edit(
        "overflow-device",
        "fairseq/trainer.py",
        "torch.tensor(0.0).cuda()",
        "torch.tensor(0.0, device=self.device)",
    ),
    # the search for the first value that is no number broke on every Transformer
    Edit(
        "nan-detector-import",
        "fairseq/nan_detector.py",
        "import torch\n",
        f"import torch\n\n{_COMPAT}on_backward\n",
    ),
    Edit(
        "nan-detector",
        "fairseq/nan_detector.py",
        "module.register_backward_hook(self.bhook_fn)",
        "on_backward(module, self.bhook_fn)",
    ),
    # rank 0 of this very job sends what it has loaded safely: its settings are OmegaConf objects
    Edit(
        "broadcast-load",
        "fairseq/distributed/utils.py",
        'torch.load(buffer, map_location="cpu")',
        'torch.load(buffer, map_location="cpu", weights_only=False)',
    ),
    # torch's fused encoder layer refuses fairseq's padding mask: generate dies on padded batches
    Edit(
        "fast-path",
        "fairseq/modules/transformer_layer.py",
        """        self.can_use_fastpath = (
            not self.normalize_before
            and self.activation_relu_or_gelu
            and (self.self_attn_layer_norm.eps == self.final_layer_norm.eps)
        )
""",
        "        self.can_use_fastpath = False\n",
    ),
    # the fast path has left parameters behind that training never uses, and DDP stops at those
    Edit(
        "ddp-import",
        _DISTRIBUTED,
        "from fairseq.distributed import (\n",
        f"{_COMPAT}ignoring_copies\nfrom fairseq.distributed import (\n",
    ),
    Edit(
        "ddp-unused",
        _DISTRIBUTED,
        "module=model.to(device),\n            device_ids=[args.device_id],\n"
        "            output_device=args.device_id,\n",
        "module=ignoring_copies(model.to(device)),\n"
        '            device_ids=[args.device_id] if device.type != "cpu" else None,\n',
    ),
    # NCCL cannot send what is on CPUs, and fairseq started no rank at all where it saw no GPU
    Edit(
        "ranks-import",
        "fairseq/distributed/utils.py",
        "from fairseq.dataclass.configs import ",
        f"{_RUNS}ranks_to_start, usable_backend\nfrom fairseq.dataclass.configs import ",
    ),
    Edit(
        "backend",
        "fairseq/distributed/utils.py",
        "backend=cfg.distributed_training.distributed_backend,",
        "backend=usable_backend(cfg),",
    ),
    Edit(
        "ranks-started",
        "fairseq/distributed/utils.py",
        "nprocs=min(\n                    torch.cuda.device_count(),",
        "nprocs=ranks_to_start(\n                    torch.cuda.device_count(),",
    ),
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
    # NumPy 1.24 dropped np.float and np.int, NumPy 2 np.compat and a keyword of percentile
    Edit("np-float", "fairseq/modules/dynamic_crf_layer.py", 'np.float("inf")', 'float("inf")'),
    Edit("np-percentile", "fairseq/data/data_utils.py", 'interpolation="lower"', 'method="lower"'),
    Edit("np-int", "fairseq/data/data_utils.py", "np.int,\n", "int,\n"),
    Edit("np-compat-pairs", "fairseq/data/language_pair_dataset.py", "np.compat.long", "int"),
    Edit("np-compat-blocks", "fairseq/data/token_block_dataset.py", "np.compat.long", "int"),
    # bfloat16 runs on GPUs and CPUs today; only --tpu may mean a TPU
    Edit("bf16", "fairseq/options.py", "    if args.bf16:\n        args.tpu = True\n", ""),
    Edit(
        "bf16-help", "fairseq/dataclass/configs.py", "use bfloat16; implies --tpu", "use bfloat16"
    ),
    # torch.cuda.amp is deprecated and warns in every run; the new names do the same
    Edit(
        "autocast",
        "fairseq/tasks/fairseq_task.py",
        "torch.cuda.amp.autocast(enabled=",
        'torch.amp.autocast("cuda", enabled=',
    ),
    Edit(
        "grad-scaler",
        "fairseq/optim/amp_optimizer.py",
        "torch.cuda.amp.GradScaler(**amp_kwargs)",
        'torch.amp.GradScaler("cuda", **amp_kwargs)',
    ),
    # sacreBLEU 2 takes lists of sentences, not open files
    Edit(
        "sacrebleu-score",
        "fairseq_cli/score.py",
        "sacrebleu.corpus_bleu(fdsys, [fdref])",
        "sacrebleu.corpus_bleu(list(fdsys), [list(fdref)])",
    ),
    # torch warns when memory is to be pinned for a GPU that is not there
    Edit(
        "pin-memory",
        "fairseq/data/iterators.py",
        "pin_memory=True,",
        "pin_memory=torch.cuda.is_available(),",
        count=2,
    ),
    # Python 3.12 warns of unknown escapes
    Edit(
        "raw-pattern",
        "fairseq/models/wav2vec/wav2vec2_asr.py",
        're.compile("encoder.layers.\\d.")',
        're.compile(r"encoder.layers.\\d.")',
    ),
)
