#!/usr/bin/env bash
# `autoassist` of this checkout, whether or not it is installed: what the doors beside it call.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
[ -n "${PYTHON:-}" ] || [ -x "$python" ] || python=python3
if ! command -v "$python" >/dev/null; then
    echo "error: \`PYTHON\` must name a Python, but $python is not found; give its path." >&2
    exit 1
fi
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m autoassist_fairseq "$@"
