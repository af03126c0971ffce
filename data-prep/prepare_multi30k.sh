#!/usr/bin/env bash
# Make a binarised corpus of Multi30k (task 1, English-German) from raw text that is already there:
#   data-prep/prepare_multi30k.sh --from DIR --out DIR    (--help shows every option)
set -euo pipefail
# shellcheck source=data-prep/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
dataprep multi30k "$@"
