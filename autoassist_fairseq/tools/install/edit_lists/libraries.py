"""What NumPy, torch, sacreBLEU and Python have changed since."""

from __future__ import annotations

from autoassist_fairseq.tools.install.edit_lists.edit import Edit

LIBRARIES = (
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
