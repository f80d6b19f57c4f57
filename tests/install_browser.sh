#!/bin/sh
# Finds a Chromium and a Firefox for the browser tests, or installs them; where neither works, says
# so loudly. Without Firefox the tests of every engine run in Chromium alone.
set -u
install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
  { apt-get install -y -q "$1" || { apt-get update -q && apt-get install -y -q "$1"; }; } >/dev/null 2>&1
}
found_firefox() {
  for name in "${FIREFOX:-}" firefox-esr firefox; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then return 0; fi
  done
  return 1
}
if ! found_firefox; then
  echo "no Firefox found: installing one for the browser tests"
  install firefox-esr
  found_firefox || cat >&2 <<'TEXT'
================================================================================
 NO FIREFOX: the tests of every engine run in Chromium alone, the rest is skipped.
 Install Firefox (Debian: sudo apt-get install firefox-esr), or name one:
 FIREFOX=/path/to/firefox make test
================================================================================
TEXT
fi
found() { .venv/bin/python -m tests.browser.engines; }  # where the tests themselves look
found && exit 0
echo "no Chromium found: installing one for the browser tests"
install chromium
found && exit 0
.venv/bin/python -m playwright install chromium >/dev/null 2>&1
found && exit 0
cat >&2 <<'TEXT'
================================================================================
 NO CHROMIUM: the browser tests will be skipped, but for those that run in Firefox.
 Install Chromium (Debian, Ubuntu: sudo apt-get install chromium), or name one:
 CHROMIUM=/path/to/chrome make test
================================================================================
TEXT
exit 0
