#!/usr/bin/env bash
# A door to `autoassist prepare iwslt14`: see its --help.
exec "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../scripts/autoassist.sh" prepare iwslt14 "$@"
