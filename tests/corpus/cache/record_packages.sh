# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317,SC2119,SC2120,SC2034
# npm, pnpm, uv, pip against the registry on loopback, turbo and Nx over two packages. The packages are alpha, beta, gamma
# (of beta) and delta; every run begins without anything installed.

fresh() { work=$temp/work && rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 1; }
project() { printf '{"name":"x","version":"1.0.0","dependencies":{%s}}' "$1" >package.json; }

four='"alpha":"1.0.0","beta":"1.0.0","delta":"1.0.0"'
two='"beta":"1.0.0"'

# npm_with CACHE REGISTRY COMMAND…
npm_with() {
  local cache=$1 held=$2
  shift 2
  rm -rf node_modules
  node "$npm_cli" "$@" --cache "$temp/npm/$cache" --registry "http://127.0.0.1:$port/$held/" --loglevel http --no-fund --no-audit --userconfig /dev/null
}

record_npm() {
  registry
  local dir=$temp/npm-$1
  npm install --silent --no-audit --no-fund --prefix "$dir" "npm@$1"
  npm_cli=$dir/node_modules/npm/bin/npm-cli.js
  into "npm-$(node "$npm_cli" --version)"
  fresh
  rm -rf "$temp/npm"
  project "$four"
  npm_with lock fresh install >/dev/null 2>&1
  keep ci_cold "npm miss 4" npm_with a fresh ci
  keep ci_warm "npm hit 4" npm_with a fresh ci
  keep ci_warm_in_colour "npm hit 4" npm_with a fresh ci --color=always
  keep ci_warm_verbose "npm hit 4" npm_with a fresh ci --loglevel verbose
  keep ci_offline "npm hit 4" npm_with a fresh ci --offline
  both() { npm_with b fresh ci && npm_with b fresh ci; }
  keep ci_cold_then_warm "npm miss 4, npm hit 4" both
  cp package-lock.json "$temp/four.lock"
  project "$two" && rm package-lock.json
  npm_with c fresh install >/dev/null 2>&1
  project "$four" && cp "$temp/four.lock" package-lock.json
  keep ci_partial "npm hit 2, npm miss 2" npm_with c fresh ci
  project "$two" && rm package-lock.json
  npm_with d fresh install >/dev/null 2>&1
  project "$four" && cp "$temp/four.lock" package-lock.json
  keep ci_fails_for_want_of_two "" npm_with d fresh ci --offline
  rm package-lock.json
  npm_with e fresh install >/dev/null 2>&1
  rm package-lock.json
  keep install_fresh "npm hit 8" npm_with e fresh install
  rm package-lock.json
  npm_with f stale install >/dev/null 2>&1
  rm package-lock.json
  keep install_revalidated "npm hit 8" npm_with f stale install
  rm package-lock.json
  keep install_prefer_offline "npm hit 8" npm_with f stale install --prefer-offline
  rm package-lock.json
  keep install_cold "npm miss 8" npm_with g fresh install
}

# pnpm_with STORE COMMAND…
pnpm_with() {
  local store=$1
  shift
  rm -rf node_modules
  COREPACK_ENABLE_STRICT=0 XDG_CACHE_HOME=$temp/pnpm/cache "$pnpm_cli" "$@" --store-dir "$temp/pnpm/$store" --registry "http://127.0.0.1:$port/fresh/"
}

record_pnpm() {
  registry
  local dir=$temp/pnpm-$1
  npm install --silent --no-audit --no-fund --prefix "$dir" "pnpm@$1"
  pnpm_cli=$dir/node_modules/.bin/pnpm
  into "pnpm-$("$pnpm_cli" --version)"
  fresh
  rm -rf "$temp/pnpm"
  project "$four"
  pnpm_with lock install --lockfile-only >/dev/null 2>&1
  keep cold "pnpm miss 1" pnpm_with a install --frozen-lockfile
  keep warm "pnpm hit 1" pnpm_with a install --frozen-lockfile
  FORCE_COLOR=1 keep warm_in_colour "pnpm hit 1" pnpm_with a install --frozen-lockfile
  keep lockfile_only "" pnpm_with a install --lockfile-only
  pnpm_with a install >/dev/null 2>&1
  again() { "$pnpm_cli" install --frozen-lockfile --store-dir "$temp/pnpm/a" --registry "http://127.0.0.1:$port/fresh/"; }
  keep up_to_date "" again
  cp pnpm-lock.yaml "$temp/four.yaml"
  project "$two" && rm pnpm-lock.yaml
  pnpm_with b install >/dev/null 2>&1
  project "$four" && cp "$temp/four.yaml" pnpm-lock.yaml
  keep partial "pnpm partial 1" pnpm_with b install --frozen-lockfile
}

# uv_with CACHE PACKAGE…
uv_with() {
  local cache=$1
  shift
  rm -rf "$work/env" && "$uv" venv -q "$work/env"
  UV_CACHE_DIR=$temp/uv/$cache VIRTUAL_ENV=$work/env "$uv" pip install --default-index "http://127.0.0.1:$port/fresh/simple/" "$@"
}

record_uv() {
  registry
  python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --target "$temp/uv-$1" "uv==$1"
  uv=$temp/uv-$1/bin/uv
  into "uv-$("$uv" --version | cut -d' ' -f2)"
  fresh
  rm -rf "$temp/uv"
  keep cold "uv miss 1" uv_with a alpha beta delta
  keep warm "uv hit 1" uv_with a alpha beta delta
  FORCE_COLOR=1 keep warm_in_colour "uv hit 1" uv_with a alpha beta delta
  uv_with b beta >/dev/null 2>&1
  keep partial "uv partial 1" uv_with b alpha beta delta
  nothing() { UV_CACHE_DIR=$temp/uv/b VIRTUAL_ENV=$work/env "$uv" pip install --default-index "http://127.0.0.1:$port/fresh/simple/" beta; }
  keep nothing_to_do "" nothing
  one() { rm -rf "$work/env" && uv_with c alpha; }
  keep one_cold "uv miss 1" one
}

# pip_with CACHE PACKAGE…
pip_with() {
  local cache=$1
  shift
  rm -rf "$work/to"
  env -u PIP_FIND_LINKS PYTHONPATH="$pip" python3 -m pip --isolated --disable-pip-version-check --cache-dir "$temp/pip/$cache" install --root-user-action ignore \
    --trusted-host 127.0.0.1 --index-url "http://127.0.0.1:$port/fresh/simple/" --target "$work/to" "$@"
}

record_pip() {
  registry
  pip=$temp/pip-$1
  python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --target "$pip" "pip==$1"
  into "pip-$1"
  fresh
  rm -rf "$temp/pip"
  keep cold "pip miss 4" pip_with a alpha beta delta
  keep warm "pip hit 4" pip_with a alpha beta delta
  pip_with b beta >/dev/null 2>&1
  keep partial "pip hit 2, pip miss 2" pip_with b alpha beta delta
  keep quiet "pip hit 4" pip_with a -q alpha beta delta
}

# Two packages whose build prints what would count if it were of this job.
tasks() {
  fresh
  mkdir -p packages/a packages/b
  printf '{"name":"root","private":true,"packageManager":"npm@11.0.0","workspaces":["packages/*"]}' >package.json
  for name in a b; do
    cat >packages/$name/said <<'SAID'
::group::inner
npm http fetch GET 200 https://registry.example/x 9ms (cache miss)
::endgroup::
#0 building with "default" instance using docker driver
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#2 [1/2] FROM docker.io/library/x
#2 DONE 0.0s
#3 [2/2] RUN x
#3 CACHED
Progress: resolved 1, reused 0, downloaded 1, added 1, done
SAID
    printf '{"name":"%s","version":"1.0.0","scripts":{"build":"cat said"},"nx":{}}' "$name" >packages/$name/package.json
  done
  printf '{"tasks":{"build":{}}}' >turbo.json
  printf '{"targetDefaults":{"build":{"cache":true}},"analytics":false,"neverConnectToCloud":true}' >nx.json
  printf 'node_modules\n.nx\n.turbo\n' >.gitignore
  npm install --silent --no-audit --no-fund --offline >/dev/null 2>&1
  git init -q . && git add -A . && git -c user.name=x -c user.email=x@x.example commit -qm x
}

record_turbo() {
  npm install --silent --no-audit --no-fund --prefix "$temp/turbo-$1" "turbo@$1"
  local turbo=$temp/turbo-$1/node_modules/.bin/turbo
  into "turbo-$("$turbo" --version)"
  tasks
  export TURBO_TELEMETRY_DISABLED=1
  local ran="npm miss 2, buildkit hit 2, pnpm miss 2"
  keep cold "turbo miss 2, $ran" "$turbo" run build
  keep warm "turbo hit 2" "$turbo" run build
  keep forced "$ran" "$turbo" run build --force
  keep warm_in_a_stream "turbo hit 2" "$turbo" run build --log-order=stream
  keep forced_in_a_stream "" "$turbo" run build --log-order=stream --force
  keep warm_without_names "turbo hit 2" "$turbo" run build --log-order=stream --log-prefix=none
  keep warm_hashes "turbo hit 2" "$turbo" run build --output-logs=hash-only
  keep warm_silent "turbo hit 2" "$turbo" run build --output-logs=none
  keep warm_errors_only "turbo hit 2" "$turbo" run build --output-logs=errors-only
  echo >packages/b/new
  keep one_changed "turbo hit 1, turbo miss 1, npm miss 1, buildkit hit 1, pnpm miss 1" "$turbo" run build
  echo >packages/b/newer
  keep one_changed_silent "turbo hit 1, turbo miss 1" "$turbo" run build --output-logs=errors-only
}

record_nx() {
  npm install --silent --no-audit --no-fund --prefix "$temp/nx-$1" "nx@$1"
  into "nx-$(node -p "require('$temp/nx-$1/node_modules/nx/package.json').version")"
  tasks
  rm -rf node_modules && ln -s "$temp/nx-$1/node_modules" node_modules
  export NX_DAEMON=false NX_NO_CLOUD=true
  nx() { timeout 120 node_modules/.bin/nx "$@"; }
  local ran="npm miss 2, buildkit hit 2, pnpm miss 2"
  keep cold "$ran" nx run-many -t build --outputStyle=static
  keep warm "" nx run-many -t build --outputStyle=stream
  keep warm_static "" nx run-many -t build --outputStyle=static
  NX_SKIP_LOG_GROUPING=true keep warm_without_groups "" nx run-many -t build --outputStyle=static
  keep one "" nx run a:build
}
