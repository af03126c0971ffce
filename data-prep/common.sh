# Sourced by the prepare_*.sh scripts: find the package's interpreter and call the engine.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# What first downloads were like, and later ones must be like: see docs/data.md.
lock="$root/data-prep/downloads.lock.json"

dataprep() {
    local python="$root/.venv/bin/python"
    [[ -x "$python" ]] || python=python3
    PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m autoassist_fairseq.tools.dataprep "$@"
}
