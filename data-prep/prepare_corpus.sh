#!/usr/bin/env bash
# A door to `autoassist prepare corpus`: see its --help.
exec "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../scripts/autoassist.sh" prepare corpus "$@"
