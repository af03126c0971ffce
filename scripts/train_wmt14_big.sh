#!/usr/bin/env bash
# Train Transformer big on WMT14 En-De as the AutoAssist paper did, with any policy.
#   scripts/train_wmt14_big.sh DATA --policy off|shrink [--gpus N] [--dry-run] [-- more for fairseq-train]
# All options: scripts/train_wmt14_big.sh --help. Logic: autoassist_fairseq/tools/training/command.py
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m autoassist_fairseq.tools.training.command big "$@"
