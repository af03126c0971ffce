#!/usr/bin/env bash
# Average the last checkpoints, translate the test set, detokenise, print three labelled figures.
#   scripts/evaluate.sh DATA --checkpoints DIR --ref test.de --spm spm.model [-- more for fairseq-generate]
# All options: scripts/evaluate.sh --help. Logic: autoassist_fairseq/tools/scoring/evaluate.py
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m autoassist_fairseq.tools.scoring.evaluate "$@"
