#!/usr/bin/env bash
# Make a binarised corpus of any pairs of text files, plain or gzipped:
#   data-prep/prepare_corpus.sh --source-lang en --target-lang de --out DIR \
#       --train FILE FILE --valid FILE FILE --test FILE FILE    (--help shows every option)
set -euo pipefail
# shellcheck source=data-prep/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
dataprep corpus "$@"
