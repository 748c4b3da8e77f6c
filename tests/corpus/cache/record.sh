# shellcheck shell=bash
# `here`, `temp` and the command line are those of `record`; the functions are called by name.
# shellcheck disable=SC2154,SC2317
# What `record` is made of: the frame, and one function per tool.
# shellcheck source=tests/corpus/cache/record_packages.sh
. "$here/record_packages.sh"
# shellcheck source=tests/corpus/cache/record_system.sh
. "$here/record_system.sh"
# shellcheck source=tests/corpus/cache/record_builds.sh
. "$here/record_builds.sh"

# Everything that goes on below a job is told it runs on GitHub.
export CI=true GITHUB_ACTIONS=true DO_NOT_TRACK=1 NO_UPDATE_NOTIFIER=1

finish() {
  [ -z "${registry_pid:-}" ] || kill "$registry_pid"
  [ -z "${image:-}" ] || docker image rm -f "$image" >/dev/null 2>&1 || true
  rm -rf "$temp"
}

# The directory the next recordings of this tool and version go to.
into() {
  out=$here/real/$1
  rm -rf "$out"
  mkdir -p "$out"
  echo "$1"
}

# keep NAME "TYPE RESULT COUNT[, …]" COMMAND…: runs it as a step does, both outputs in one.
keep() {
  local name=$1 golden=$2
  shift 2
  ("$@") </dev/null >"$temp/said" 2>&1 || true
  sed -e "s#${work:-$temp}#/home/runner/work#g; s#$temp#/home/runner/x#g" \
    -e "s#http://127.0.0.1:${port:-0}#https://registry.example#g; s#127.0.0.1:${port:-0}#registry.example#g" \
    -e "${hosts:-}" "$temp/said" >"$out/$name.txt"
  : >"$out/$name.golden"
  [ -z "$golden" ] || tr ',' '\n' <<<"$golden" | sed 's/^ *//' >>"$out/$name.golden"
}

registry() {
  [ -z "${port:-}" ] || return 0
  coproc REGISTRY { exec python3 "$here/registry.py"; }
  # shellcheck disable=SC2153 # bash names it after the coprocess
  registry_pid=$REGISTRY_PID
  read -r port <&"${REGISTRY[0]}"
}
