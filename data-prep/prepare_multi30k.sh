#!/usr/bin/env bash
# A door to `autoassist prepare multi30k`: see its --help.
exec "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../scripts/autoassist.sh" prepare multi30k "$@"
