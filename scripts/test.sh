#!/bin/sh
# All tests in Python. Those in a browser, and of whole stories, mostly wait: they run beside the others, and what they said
# is shown at the end.
waiting="tests/browser tests/e2e"
said=$(mktemp)
trap 'rm -f "$said"' EXIT
trap 'kill "$beside" 2>/dev/null; exit 130' INT TERM
echo "Beside these run $waiting; they are shown at the end."
.venv/bin/pytest $waiting >"$said" 2>&1 &
beside=$!
failed=0
.venv/bin/pytest --ignore tests/browser --ignore tests/e2e || failed=1
wait "$beside" || failed=1
cat "$said"
exit "$failed"
