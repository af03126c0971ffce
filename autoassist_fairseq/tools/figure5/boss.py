"""The Boss for images: one of torchvision's ResNets, trained by SGD with momentum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.tools.figure5.images import Bytes, Images, Ints
from autoassist_fairseq.tools.figure5.vision import torchvision

Floats = NDArray[np.float32]

DEPTHS = (18, 34, 101)
# Images that are tested at a time, and the smallest side that a ResNet is given.
TESTED, LEAST_SIDE = 256, 32


def resnet(depth: int, width: int, classes: int) -> Any:
    """Return torchvision's ResNet of ``depth``, its first stage ``width`` channels wide.

    64 is torchvision's own width. All stages shrink alike: a small one trains on a CPU.
    """
    import torch

    model = getattr(torchvision().models, f"resnet{depth}")(num_classes=classes)
    if width == 64:
        return model
    model.inplanes = width
    model.conv1 = torch.nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
    torch.nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.bn1 = torch.nn.BatchNorm2d(width)
    for stage in range(4):
        old = getattr(model, f"layer{stage + 1}")
        stride = 1 if stage == 0 else 2
        layer = model._make_layer(type(old[0]), width << stage, len(old), stride=stride)
        for module in layer.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        setattr(model, f"layer{stage + 1}", layer)
    model.fc = torch.nn.Linear(model.inplanes, classes)
    return model


class Boss:
    """A ResNet and its optimizer.

    Args:
        depth: of `DEPTHS`.
        width: see `resnet`.
        classes: of the images.
        lr: step size.
        momentum: of SGD.
        seed: of the weights that it begins with.
        device: where it runs.
        batch: images of a full batch.
    """

    def __init__(
        self,
        depth: int,
        width: int,
        classes: int,
        lr: float,
        momentum: float,
        seed: int,
        device: str,
        batch: int,
    ) -> None:
        import torch

        self.device, self.batch = torch.device(device), batch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = resnet(depth, width, classes).to(self.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr, momentum=momentum)

    def train(self, images: Bytes, labels: Ints, weights: NDArray[Any] | None) -> Floats:
        """Take one step on ``images`` [B, H, W, C]; return their losses [B] in nats.

        ``weights`` [B] are those of the losses; None = all 1. Their sum is divided by what a full
        batch holds: a smaller one takes a smaller step.
        """
        import torch

        # The scatter of a few is no measure: they are normalised by that of those before.
        self.model.train(2 * len(images) > self.batch)
        losses = self._losses(self.model(self.prepared(images)), labels)
        weight = torch.from_numpy(np.asarray(weights, np.float32)) if weights is not None else None
        whole = losses if weight is None else losses * weight.to(self.device)
        self.optimizer.zero_grad()
        (whole.sum() / self.batch).backward()
        self.optimizer.step()
        out: Floats = losses.detach().cpu().numpy()
        return out

    def scores(self, images: Bytes, labels: Ints) -> Floats:
        """Return the norm [B] of each loss's gradient at the output layer: that of p - y."""
        import torch

        self.model.eval()
        with torch.no_grad():
            wrong = self.model(self.prepared(images)).softmax(-1)
        wrong[torch.arange(len(labels)), torch.from_numpy(labels)] -= 1
        out: Floats = wrong.norm(dim=-1).cpu().numpy()
        return out

    def test(self, images: Images) -> tuple[float, float]:
        """Return accuracy in [0, 1] and mean loss in nats on all ``images``."""
        import torch

        self.model.eval()
        rows, right, lost = np.arange(len(images.labels)), 0, 0.0
        for begin in range(0, len(rows), TESTED):
            some = rows[begin : begin + TESTED]
            with torch.no_grad():
                out = self.model(self.prepared(images.read(some)))
            labels = images.labels[some]
            right += int((out.argmax(-1).cpu().numpy() == labels).sum())
            lost += float(self._losses(out, labels).sum())
        return right / len(rows), lost / len(rows)

    def prepared(self, images: Bytes) -> Any:
        """Return ``images`` [B, H, W, C] as the ResNet takes them: [B, 3, S, S], about 0, +-2."""
        import torch

        planes = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 64 - 2
        if min(planes.shape[2:]) < LEAST_SIDE:
            planes = torch.nn.functional.interpolate(planes, size=LEAST_SIDE, mode="bilinear")
        return planes.expand(-1, 3, -1, -1)

    def _losses(self, out: Any, labels: Ints) -> Any:
        import torch

        target = torch.from_numpy(labels).to(self.device)
        return torch.nn.functional.cross_entropy(out, target, reduction="none")

    def state_dict(self) -> dict[str, Any]:
        """Return the state of model and optimizer."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
