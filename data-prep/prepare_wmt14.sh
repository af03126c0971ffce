#!/usr/bin/env bash
# Make a binarised corpus of WMT14 English-German (newstest2013 validates, newstest2014 tests):
#   data-prep/prepare_wmt14.sh --out DIR [--from DIR]    (--help shows every option)
# Without --from, it is downloaded.
set -euo pipefail
# shellcheck source=data-prep/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
dataprep wmt14 --lock "$lock" "$@"
