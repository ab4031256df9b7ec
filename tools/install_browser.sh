#!/bin/sh
# The browser that the tests of the pages drive: whatever Chromium the system has, else Debian's package.
set -eu
for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
  [ -n "$name" ] && command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing Chromium for the tests of the pages ..."
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update >/dev/null
  apt-get -qq install --no-install-recommends chromium >/dev/null
else
  echo "No Chromium here: the tests of the pages will say so and be skipped."
  echo "On Debian and Ubuntu: sudo apt-get install chromium. Elsewhere: install one and set CHROMIUM to its path."
fi
