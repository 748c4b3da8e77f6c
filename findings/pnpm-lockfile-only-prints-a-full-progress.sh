#!/usr/bin/env bash
# pnpm 10.18.3: the closing line "Progress: resolved 1, reused 0, downloaded 0, added 0, done" is printed also by runs that asked the store for
# nothing (--lockfile-only), with everything in the store. "reused 0" alone is therefore no cache miss.
# Seen: cold "reused 0, downloaded 1", warm "reused 1, downloaded 0", --lockfile-only on the warm store "reused 0, downloaded 0".
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --silent --no-audit --no-fund --prefix tool pnpm@10.18.3 >/dev/null
export CI=true npm_config_store_dir=$dir/store npm_config_cache_dir=$dir/cache
pnpm() { node "$dir/tool/node_modules/pnpm/bin/pnpm.cjs" "$@"; }
mkdir project && cd project
printf '{"name":"x","version":"1.0.0","dependencies":{"is-number":"7.0.0"}}' > package.json
last() { grep -o 'reused [0-9]*, downloaded [0-9]*, added [0-9]*, done' | tail -1; }
cold=$(pnpm install --no-frozen-lockfile --reporter=append-only | last)
rm -rf node_modules; warm=$(pnpm install --frozen-lockfile --reporter=append-only | last)
rm -rf node_modules pnpm-lock.yaml; lock=$(pnpm install --lockfile-only --reporter=append-only | last)
printf 'pnpm 10.18.3: cold: %s\n              warm: %s\n              lockfile only: %s\n' "$cold" "$warm" "$lock"
[[ $cold == "reused 0, downloaded 1,"* && $warm == "reused 1, downloaded 0,"* && $lock == "reused 0, downloaded 0,"* ]]
