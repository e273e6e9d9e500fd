#!/bin/sh
# Makes sure that a Chromium is there for the browser tests: one that runs already, Debian's own
# where apt can install it, else the one that Playwright brings. $1: the Python that has Playwright.
set -u
runs() {
    # Ubuntu's is a snap, which Playwright cannot drive.
    path=$(command -v "$1") && "$path" --version >/dev/null 2>&1 &&
        ! readlink -f "$path" | grep -q snap
}
for name in chromium chromium-browser google-chrome; do
    if runs "$name"; then exit 0; fi
done
as_root="sudo -n"
if [ "$(id -u)" = 0 ]; then as_root=""; fi
if grep -qs '^ID=debian' /etc/os-release; then
    if $as_root apt-get update && $as_root apt-get install --yes --no-install-recommends chromium; then
        exit 0
    fi
fi
if $as_root true 2>/dev/null; then
    exec "$1" -m playwright install --with-deps chromium
fi
exec "$1" -m playwright install chromium
