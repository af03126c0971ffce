"""What ranks share of an update: as much as it holds, in vectors of one length on every rank."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow  # importing torch and fairseq takes seconds


class Ranks:
    """Two ranks, this one and one that lost 1 on each pair of the second half; no process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, other: int = 9) -> None:
        from fairseq.distributed import utils

        from autoassist_fairseq.plugin import feedback

        self.told: list[Any] = []
        self.shared: list[int] = []  # lengths of the vectors, one a collective
        self.other, self.update = other, -1
        self.collector = feedback.Collector(2, self.told.append)
        monkeypatch.setattr(utils, "get_data_parallel_group", lambda: None)
        monkeypatch.setattr(utils, "all_reduce", self.all_reduce)

    def all_reduce(self, vector: Any, group: Any) -> None:
        self.shared.append(len(vector))
        begin = sum(self.shared[self.begin :][:-1]) - 1
        for place in range(len(vector)):
            if begin + place == -1:
                vector[place] += self.other
            elif self.slots // 2 <= begin + place < self.slots:
                vector[place] += 1

    def train(self, slots: int) -> None:
        import torch

        from autoassist_fairseq.plugin.feedback import Ticket

        self.update, self.slots, self.begin = self.update + 1, slots, len(self.shared)
        ticket = Ticket(1, self.update, 0, 1, 0, slots, 9)
        assert self.collector.begin(ticket)
        half = torch.arange(slots // 2)
        self.collector.add(ticket, half, half + 2.0)
        self.collector.end(ticket)


def test_vectors_are_as_long_as_updates_need(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = Ranks(monkeypatch)
    sizes = (6, 8, 12, 20, 4)
    for slots in sizes:
        ranks.train(slots)
    ranks.collector.flush()
    assert ranks.shared == [1, 6, 13, 13, 13, 8, 41], "no longer than twice what was needed"
    expected = [[place + 2.0 for place in range(n // 2)] + [1.0] * (n // 2) for n in sizes]
    assert [told.losses.tolist() for told in ranks.told] == expected


@pytest.mark.parametrize("before", [(), (6,)])
def test_ranks_that_disagree_share_one_length_only(
    before: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from autoassist_fairseq.plugin.feedback import RanksDisagreeError

    ranks = Ranks(monkeypatch)
    for slots in before:
        ranks.train(slots)
    ranks.other, lengths = 7, len(ranks.shared)
    with pytest.raises(RanksDisagreeError, match="update"):
        ranks.train(20)
    assert ranks.shared[lengths:] == [13 if before else 1]
