#!/usr/bin/env bash
# A door to `autoassist prepare wmt14`: see its --help.
exec "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../scripts/autoassist.sh" prepare wmt14 "$@"
