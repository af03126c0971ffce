#!/usr/bin/env bash
# Make a binarised corpus of Multi30k (task 1, English-German, 2016 Flickr test set):
#   data-prep/prepare_multi30k.sh --out DIR [--from DIR]    (--help shows every option)
# Without --from, it is downloaded.
set -euo pipefail
# shellcheck source=data-prep/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
dataprep multi30k --lock "$lock" "$@"
