#!/usr/bin/env bash
# A door to `autoassist train big`: see its --help.
exec "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../scripts/autoassist.sh" train big "$@"
