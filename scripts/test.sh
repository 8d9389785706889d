#!/bin/sh
# All tests in Python. Those in a browser mostly wait, so they run beside the others; what they said is shown at the end.
browser=$(mktemp)
trap 'rm -f "$browser"' EXIT
trap 'kill "$beside" 2>/dev/null; exit 130' INT TERM
echo "Tests in a browser run beside these, and are shown after them."
.venv/bin/pytest tests/browser >"$browser" 2>&1 &
beside=$!
failed=0
.venv/bin/pytest --ignore tests/browser || failed=1
wait "$beside" || failed=1
cat "$browser"
exit "$failed"
