#!/bin/sh
# Finds a Chromium for the browser tests, or installs one; where neither works, says so loudly.
set -u
found() {
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then return 0; fi
  done
  [ -n "$(ls -d "${HOME:-/nonexistent}"/.cache/ms-playwright/chromium-*/ 2>/dev/null)" ]
}
found && exit 0
echo "no Chromium found: installing one for the browser tests"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  { apt-get install -y -q chromium || { apt-get update -q && apt-get install -y -q chromium; }; } >/dev/null 2>&1
  found && exit 0
fi
.venv/bin/python -m playwright install chromium >/dev/null 2>&1
found && exit 0
cat >&2 <<'TEXT'
================================================================================
 NO BROWSER: the browser tests will be skipped.
 Install Chromium (Debian, Ubuntu: sudo apt-get install chromium), or name one:
 CHROMIUM=/path/to/chrome make test
================================================================================
TEXT
exit 0
