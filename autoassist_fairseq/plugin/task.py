"""The task ``autoassist_translation``: stock translation whose training batches are planned."""

from __future__ import annotations

import functools
from typing import Any

import torch
from fairseq.data import LanguagePairDataset
from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationTask
from fairseq.utils import resolve_max_positions, split_paths

from autoassist_fairseq.assistant.policies.rules import End
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.plugin.architectures import (
    check_adaptive,
    check_layers,
    softmax_is_adaptive,
)
from autoassist_fairseq.plugin.border import TRAINING, one_sentence, program
from autoassist_fairseq.plugin.decay import BudgetDecay, spend
from autoassist_fairseq.plugin.feedback import Ticket
from autoassist_fairseq.plugin.files import (
    check_folders,
    check_kind,
    check_lengths,
    check_train_files,
)
from autoassist_fairseq.plugin.folders import check_folder, folder_of, lengths_only
from autoassist_fairseq.plugin.importance import Drawn, draw
from autoassist_fairseq.plugin.iterator import AutoAssistIterator
from autoassist_fairseq.plugin.loading import Spread
from autoassist_fairseq.plugin.loss_tap import LossTap
from autoassist_fairseq.plugin.opening import (
    batching,
    hyphens_in_tags,
    opening_folder,
    opening_split,
)
from autoassist_fairseq.plugin.options import (
    AUTO,
    AutoAssistTranslationConfig,
    settings_from,
    settle_off,
    update_freq_of,
)
from autoassist_fairseq.plugin.python_options import problems_of_python
from autoassist_fairseq.plugin.rates import settle_rates
from autoassist_fairseq.plugin.sampler import ORDER, TICKET
from autoassist_fairseq.plugin.state import begin_afresh
from autoassist_fairseq.plugin.weighting import SIZES, logged_by, resized
from autoassist_fairseq.plugin.whole_files import whole_files
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.streams import CHUNK
from autoassist_fairseq.settings import Settings


@register_task("autoassist_translation", dataclass=AutoAssistTranslationConfig)
class AutoAssistTranslationTask(TranslationTask):  # type: ignore[misc]
    """Translation with an Assistant that leaves out wrong pairs, or those that are trivial by now.

    With ``--autoassist-policy off`` it is fairseq's translation task, digit for digit.
    """

    def __init__(self, cfg: AutoAssistTranslationConfig, src_dict: Any, tgt_dict: Any) -> None:
        super().__init__(cfg, src_dict, tgt_dict)
        # fairseq's default of -1 would give the first of several train splits a negative length.
        cfg.upsample_primary = max(1, cfg.upsample_primary)
        BudgetDecay.current, BudgetDecay.counted = None, True  # it may be another training's
        self._positions: Any = None
        self._adaptive = False
        self._criterion: Any = None
        self._tap: LossTap | None = None
        self._iterator: AutoAssistIterator | None = None
        self._passing: Any = None  # the iterator over training batches, whoever made it

    @classmethod
    @one_sentence
    def setup_task(cls, cfg: AutoAssistTranslationConfig, **kwargs: Any) -> Any:
        """Check options before anything is loaded, in training all; set up as fairseq does."""
        settle_off(cfg)
        if program() in TRAINING:
            settle_rates(cfg)
            settings_from(cfg)
            check_folders(split_paths(cfg.data))
        elif program() and (problems := problems_of_python(cfg)):
            raise UserError("; ".join(problems) + ".")
        with opening_folder(cfg.data), hyphens_in_tags():
            return super().setup_task(cfg, **kwargs)

    @functools.cached_property
    def settings(self) -> Settings:
        """The checked settings, which only training needs."""
        return settings_from(self.cfg)

    @property
    def planned(self) -> bool:
        """Whether training batches come from the planner."""
        return bool(self.cfg.autoassist_policy != "off")

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Build the model; its positions, without ``--max-tokens``, say which pairs are kept."""
        if program() in TRAINING:
            check_layers(cfg)
        model = super().build_model(cfg, from_checkpoint)  # fairseq looks for the name
        self._adaptive = softmax_is_adaptive(model)
        self._positions = resolve_max_positions(self.max_positions(), model.max_positions())
        return model

    def build_criterion(self, cfg: Any, *args: Any, **kwargs: Any) -> Any:
        """Build the criterion, whose losses are tapped when training starts."""
        self._criterion = super().build_criterion(cfg, *args, **kwargs)
        if self._adaptive and program() in TRAINING:
            check_adaptive(self._criterion)
        return self._criterion

    @one_sentence
    def load_dataset(
        self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any
    ) -> None:
        """Load a split; a training split that is missing or uneven is one clear sentence."""
        languages = self.cfg.source_lang, self.cfg.target_lang
        with opening_split(split, languages), whole_files():
            if split == self.cfg.train_subset:
                check_train_files(split_paths(self.cfg.data), split, *languages)
            check_kind(split_paths(self.cfg.data), split, *languages, impl=self.cfg.dataset_impl)
            super().load_dataset(split, epoch=epoch, combine=combine, **kwargs)

    @one_sentence
    def get_batch_iterator(self, dataset: LanguagePairDataset, **kwargs: Any) -> Any:
        """Return the planned iterator for training, fairseq's own for everything else."""
        # Only the trainer's call for training says this; it may validate on the same data set.
        training = "update_epoch_batch_itr" in kwargs and isinstance(dataset, LanguagePairDataset)
        if not self.planned or not training:
            stock = self._stock_iterator(dataset, **kwargs)
            if training:
                self._check_validation()
                begin_afresh(stock)
                self._passing = stock
            return stock
        if self._iterator is None:
            self._tap = LossTap(self._criterion, self.settings.weighs)
            self._iterator = self._passing = self._build_iterator(dataset, kwargs)
            self._check_validation()
        elif self._iterator.dataset is not dataset:
            self._iterator.turn_to(dataset, folder_of(dataset, *self._limits(kwargs)))
        return self._iterator

    def _check_validation(self) -> None:
        """Raise `UserError` for pairs that validation would stop at, an epoch from now."""
        if self.cfg.disable_validation or self.cfg.skip_invalid_size_inputs_valid_test:
            return
        for split in str(self.cfg.valid_subset).split(","):
            if isinstance(dataset := self.datasets.get(split), LanguagePairDataset):
                check_lengths(split, dataset, self._positions, self.cfg.max_tokens_valid)

    def _stock_iterator(self, dataset: Any, **kwargs: Any) -> Any:
        limit = kwargs.get("max_tokens")
        if limit and kwargs.get("ignore_invalid_inputs"):
            positions = kwargs.get("max_positions") or (limit, limit)
            kwargs["max_positions"] = tuple(min(limit, position) for position in positions)
        with batching(dataset, kwargs.get("max_tokens")):
            return super().get_batch_iterator(dataset, **kwargs)

    def _build_iterator(
        self, dataset: LanguagePairDataset, options: dict[str, Any]
    ) -> AutoAssistIterator:
        spread = self._spread(options)
        self._look_at_folders(options, spread.ranks)
        chunk = self.settings.presample if self.settings.policy == "importance" else 1
        budget = Budget(
            chunk * (options.get("max_tokens") or 0),
            chunk * (options.get("max_sentences") or 0),
            options.get("required_batch_size_multiple", 1),
        )
        folder = folder_of(dataset, *self._limits(options))
        planner = Planner(folder, budget, self.settings)
        asked = self.cfg.autoassist_hopeless != AUTO
        end = End(max(0, self.cfg.max_update or 0), self.settings.passes)
        epoch, anew = options.get("epoch", 1), self.cfg.reset_optimizer
        counted = not self.cfg.no_save_optimizer_state
        return AutoAssistIterator(dataset, planner, spread, epoch, asked, end, anew, counted)

    def _limits(self, options: dict[str, Any]) -> tuple[Any, int | None]:
        return self._positions or options.get("max_positions"), options.get("max_tokens")

    def _look_at_folders(self, options: dict[str, Any], ranks: int) -> None:
        """Check what each folder of ``DATA`` will be asked for, before the first update."""
        paths, train = split_paths(self.cfg.data), self.cfg.train_subset
        read = (self.settings.policy, self.settings.difficulty) == ("competence", "worth")
        here, first, freqs = self.datasets[train], options.get("epoch", 1), self.cfg.update_freq
        for epoch in range(first, first + len(paths)):
            coming = range(epoch, epoch + len(freqs) * len(paths), len(paths))
            last = self.settings.passes or coming[-1]
            groups = [ranks * update_freq_of(freqs, one) for one in coming if one <= last]
            if len(paths) > 1:
                with lengths_only():
                    self.load_dataset(train, epoch=epoch, combine=True)
            path = paths[(epoch - 1) % len(paths)] if len(paths) > 1 else ""
            check_folder(path, self.datasets[train], *self._limits(options), groups, read)
        self.datasets[train] = here

    def _spread(self, options: dict[str, Any]) -> Spread:
        return Spread(
            rank=options.get("shard_id", 0),
            ranks=options.get("num_shards", 1),
            update_freq=lambda epoch: update_freq_of(self.cfg.update_freq, epoch),
            num_workers=options.get("num_workers", 0),
            buffer_size=options.get("data_buffer_size", 0),
            sharded=self.has_sharded_data(self.cfg.train_subset),
        )

    @one_sentence
    def train_step(
        self,
        sample: Any,
        model: Any,
        criterion: Any,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Run forward and backward as fairseq does, and collect the losses of planned batches."""
        ticket = sample.get(TICKET)
        step = (model, criterion, optimizer, update_num, ignore_grad)
        if not isinstance(ticket, Ticket) or ignore_grad:
            return super().train_step(sample, *step, **kwargs)
        first = self._begin(ticket, update_num)
        order, losses = sample[ORDER], None
        assert self._tap is not None
        try:
            drawn = self._draw(sample, ticket, *step[:3])
            sample = drawn.sample if drawn else sample
            self._tap.listening = True
            result = super().train_step(sample, *step, **kwargs)
            losses = self._tap.take()
            losses = drawn.spread(losses) if drawn else losses
            if sizes := sample.get(SIZES):
                result = resized(result, sizes, criterion.sentence_avg)
        except RuntimeError as error:
            # fairseq goes on after this error alone; after others nothing may be shared, or it
            # would meet the other ranks' gradients.
            if first and "out of memory" in str(error):
                self._finish(ticket, order, losses)
            raise
        finally:
            self._tap.listening = False
        if first:
            self._finish(ticket, order, losses)
        return result

    def _draw(
        self, sample: Any, ticket: Ticket, model: Any, criterion: Any, optimizer: Any
    ) -> Drawn | None:
        """Return the batch to train on instead of ``sample``, where the policy draws one."""
        if self.settings.policy != "importance":
            return None
        assert self._iterator is not None
        spread = self._iterator.spread
        batch = ticket.micro * spread.ranks + spread.rank
        seed = [CHUNK, self.settings.seed, ticket.pass_index, ticket.update, batch]
        return draw(sample, model, criterion, optimizer, self.settings.presample, seed)

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        """Log as fairseq does; after an update of training, count what it spent of the budget."""
        super().reduce_metrics(logging_outputs, logged_by(criterion, logging_outputs))
        if criterion.training and (now := self._passing):
            tokens = float(sum(log.get("ntokens", 0) for log in logging_outputs))
            spend(tokens, now.epoch - 1 + now.iterations_in_epoch / max(len(now), 1))

    def _begin(self, ticket: Ticket, update: int) -> bool:
        assert self._iterator is not None
        self._iterator.count_from(update)
        self._iterator.worker.raise_failure()
        return self._iterator.collector.begin(ticket)

    def _finish(self, ticket: Ticket, order: torch.Tensor, losses: torch.Tensor | None) -> None:
        assert self._iterator is not None
        self._iterator.collector.add(ticket, order, losses)
        if ticket.micro == ticket.micros - 1:
            self._iterator.collector.end(ticket)
            self._iterator.log.write(ticket)
