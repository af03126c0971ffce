#!/usr/bin/env bash
# A door to `autoassist evaluate`: see its --help.
exec "$(dirname "${BASH_SOURCE[0]}")/../scripts/autoassist.sh" evaluate "$@"
