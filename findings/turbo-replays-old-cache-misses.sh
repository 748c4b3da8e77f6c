#!/usr/bin/env bash
# turbo 2.5.8: on a cache hit it prints what an earlier run had printed, and under GITHUB_ACTIONS=true without a prefix on the lines: they
# stand bare between "::group::" and "::endgroup::" behind "cache hit, replaying logs HASH". Whatever reads the log for what happened in
# THIS run (cache misses, downloads, warnings) counts an old happening again, the more often the better turbo's cache works.
# Seen: the task ran once, its line "fetch GET 200 (cache miss)" is printed by both runs; the second says "cache hit, replaying logs".
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
mkdir -p packages/web
printf '{"name":"r","private":true,"packageManager":"npm@10.8.2","workspaces":["packages/*"]}' > package.json
printf '{"tasks":{"setup":{"outputs":[]}}}' > turbo.json
printf '{"name":"web","version":"1.0.0","scripts":{"setup":"echo ran >> ../../log; echo fetch GET 200 \\"(cache miss)\\""}}' > packages/web/package.json
npm install --silent --no-audit --no-fund --save-dev turbo@2.5.8 >/dev/null
git init -q . && printf 'node_modules\nlog\n.turbo\n' > .gitignore && git add -A && git -c user.name=x -c user.email=x@example.invalid commit -qm x
export NPM_CONFIG_USERCONFIG=$dir/none
run() { GITHUB_ACTIONS=true TURBO_TELEMETRY_DISABLED=1 npx turbo run setup 2>&1; }
first=$(run); second=$(run)
grep -q 'cache miss, executing' <<< "$first"
grep -q 'cache hit, replaying logs' <<< "$second"
printf 'turbo 2.5.8: executed %s time(s); the second run prints:\n%s\n' "$(wc -l < log)" "$(grep -A4 '::group::' <<< "$second")"
[ "$(wc -l < log)" = 1 ] && grep -q '^fetch GET 200 (cache miss)$' <<< "$second"
