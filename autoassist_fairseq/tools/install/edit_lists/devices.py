"""CPUs, ranks, and what a device does not have."""

from __future__ import annotations

from autoassist_fairseq.tools.install.edit_lists.edit import Edit

_COMPAT = "from fairseq.autoassist_compat import "
_RUNS = "from fairseq.autoassist_runs import "
_DISTRIBUTED = "fairseq/models/distributed_fairseq_model.py"

DEVICES = (
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
)
