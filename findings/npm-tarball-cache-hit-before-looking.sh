#!/usr/bin/env bash
# npm 11.6.2 (npm-registry-fetch 18 and later, first in npm 10.9.1): with --loglevel http it prints
#   npm http cache NAME@URL 0ms (cache hit)
# for every tarball, on an empty cache too, before the cache was looked into. Whether it was a hit is told only by what does not follow:
#   npm http fetch GET 200 URL 12ms (cache miss)
# of the same tarball. So counting "(cache hit)" lines counts every download as a hit, and a fully warm install prints nothing else.
# Seen: cold "1 cache hit, 1 cache miss" for the one tarball; warm "1 cache hit, 0 cache miss".
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
export NPM_CONFIG_USERCONFIG=$dir/none   # the lock is to name where its tarballs are, whatever this user prefers
npm install --silent --no-audit --no-fund --prefix tool npm@11.6.2 >/dev/null
npm() { node "$dir/tool/node_modules/npm/bin/npm-cli.js" "$@"; }
[ "$(npm --version)" = 11.6.2 ]
mkdir project && cd project
printf '{"name":"x","version":"1.0.0","dependencies":{"is-number":"7.0.0"}}' > package.json
npm install --package-lock-only --silent --no-audit --no-fund --cache "$dir/lock-cache"
run() { rm -rf node_modules; npm ci --loglevel http --no-audit --no-fund --cache "$dir/cache" 2>&1; }
count() { grep -c "npm http $1 .*is-number.*\.tgz.*($2)" <<< "$3" || true; }
cold=$(run); warm=$(run)
seen="cold: $(count cache 'cache hit' "$cold") hit, $(count fetch 'cache miss' "$cold") miss; warm: $(count cache 'cache hit' "$warm") hit, $(count fetch 'cache miss' "$warm") miss"
echo "npm 11.6.2, one tarball: $seen"
[ "$seen" = "cold: 1 hit, 1 miss; warm: 1 hit, 0 miss" ]
