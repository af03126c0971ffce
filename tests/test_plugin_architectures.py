"""Any architecture of translation: none is refused for what it has by default."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from binarised import Binarised
from training import TASK, Server

pytestmark = pytest.mark.slow

WIDTHS = [f"--{part}-embed-dim=16" for part in ("encoder", "decoder", "decoder-out")]
LAYERS = ["--encoder-layers", "[(16, 3)] * 2", "--decoder-layers", "[(16, 3)]"]
ARCHITECTURES = {
    "lstm": [],
    "fconv": LAYERS,
    "fconv_self_att": [*LAYERS, "--multihead-self-attention-nheads", "2"],
}


def test_no_architecture_is_refused_as_it_is() -> None:
    from fairseq.models import (
        ARCH_CONFIG_REGISTRY,
        ARCH_MODEL_REGISTRY,
        FairseqEncoderDecoderModel,
    )

    from autoassist_fairseq.plugin.architectures import check_layers
    from autoassist_fairseq.plugin.python_options import problems_in

    names = [
        name
        for name, model in ARCH_MODEL_REGISTRY.items()
        if issubclass(model, FairseqEncoderDecoderModel)
    ]
    assert len(names) > 60 and {"lstm_luong_wmt_en_de", "fconv_wmt_en_de", "bart_base"} < {*names}
    for name in names:
        ARCH_CONFIG_REGISTRY[name](cfg := argparse.Namespace())
        check_layers(cfg)
        assert not problems_in(cfg)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_assistant_learns_with_other_models_than_transformers(
    name: str, server: Server, few: Binarised, tmp_path: Path
) -> None:
    shape = ("--arch", name, *WIDTHS, *ARCHITECTURES[name], "--optimizer", "adam", "--lr", 0.005)
    run = server.train(few.data, tmp_path, *shape, "--max-tokens", 100, "--max-epoch", 2)
    assert run.status == 0, run.output
    assert sorted(run.trained(1)) == [*range(few.pairs)] and len(run.trained(2)) < few.pairs
    told = [loss for lesson in run.of("lesson") for loss in lesson["losses"]]
    assert len(told) > few.pairs and min(told) > 0


def test_an_adaptive_softmax_is_trained_as_fairseq_does(
    server: Server, few: Binarised, tmp_path: Path
) -> None:
    softmax = ("--adaptive-softmax-cutoff", "10,20", "--criterion", "adaptive_loss")
    flags = ("--max-update", 3, "--max-tokens", 100, "--ddp-backend", "legacy_ddp", *softmax)
    stock = server.train(few.data, tmp_path / "a", "--task", "translation", *flags)
    off = server.train(few.data, tmp_path / "b", *TASK, "--autoassist-policy", "off", *flags)
    assert stock.status == off.status == 0, off.output
    assert off.losses == stock.losses
    planned = server.train(few.data, tmp_path / "c", *flags)
    assert planned.status == 1 and "`--criterion` must be one whose" in planned.output
