#!/usr/bin/env bash
# `autoassist` of this checkout, whether or not it is installed: what the doors beside it call.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m autoassist_fairseq "$@"
