#!/usr/bin/env bash
# A door to `autoassist prepare corpus`: see its --help.
exec "$(dirname "${BASH_SOURCE[0]}")/../scripts/autoassist.sh" prepare corpus "$@"
