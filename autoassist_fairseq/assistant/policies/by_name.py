"""The policies by their names in ``--autoassist-policy``."""

from __future__ import annotations

from autoassist_fairseq.assistant.policies.competence import Competence
from autoassist_fairseq.assistant.policies.info_batch import InfoBatch
from autoassist_fairseq.assistant.policies.policy import Policy
from autoassist_fairseq.assistant.policies.random import Random
from autoassist_fairseq.assistant.policies.self_paced import SelfPaced
from autoassist_fairseq.assistant.policies.shrink import Shrink

POLICIES: dict[str, type[Policy]] = {
    "shrink": Shrink,
    "uniform": Policy,
    "random": Random,
    "self-paced": SelfPaced,
    # Chooses within each batch that is planned, where the Boss is: see plugin/importance.py.
    "importance": Policy,
    "loss-table": InfoBatch,
    "competence": Competence,
}
