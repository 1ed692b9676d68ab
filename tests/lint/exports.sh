#!/bin/bash
# SPDX-License-Identifier: MIT
#
# exports.sh - what liblarder.so exports is exactly what larder.h declares
#
#   tests/lint/exports.sh [ROOT]
#
# Compares the LARDER_API calls of the header with the version script.
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2

declared=$(grep -E '^LARDER_API' include/larder/larder.h | grep -oE 'larder_[a-z_]+ ?\(' |
	tr -d ' (' | sort)
mapped=$(grep -oE '^[[:space:]]*larder_[a-z_]+;' libclient/liblarder.map | tr -d '; \t' | sort)

diff <(echo "$declared") <(echo "$mapped") | sed -n \
	-e 's/^< \(.*\)/liblarder.map does not export \1/p' \
	-e 's/^> \(.*\)/larder.h does not declare \1/p'
[ "$declared" = "$mapped" ]
