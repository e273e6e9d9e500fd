#!/bin/sh
# Makes sure that a Chromium is there for the browser tests: Debian's own where apt can install it,
# else the one that Playwright brings. $1: the Python that has Playwright.
set -eu
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done
if command -v apt-get >/dev/null 2>&1 && [ -f /etc/debian_version ]; then
    if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi
    if $as_root apt-get update && $as_root apt-get install --yes --no-install-recommends chromium; then
        exit 0
    fi
fi
exec "$1" -m playwright install chromium
