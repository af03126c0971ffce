#!/usr/bin/env bash
# Make a binarised corpus of IWSLT14 German-English:
#   data-prep/prepare_iwslt14.sh --out DIR [--from DIR]    (--help shows every option)
# Without --from, it is downloaded.
set -euo pipefail
# shellcheck source=data-prep/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
dataprep iwslt14 --lock "$lock" "$@"
