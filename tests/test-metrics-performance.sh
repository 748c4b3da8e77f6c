#!/usr/bin/env bash
# Measures a live runner-init from outside: how long a scrape takes, one at a time and many at once, and whether any fails.
# It only reads, and a bounded number of times. Needs bash, curl and awk.
#
#   tests/test-metrics-performance.sh [--token-file FILE] [--requests N] [--connections N] [--p99 MS] URL     e.g. http://127.0.0.1:9091
#
#   --token-file FILE   holds METRICS_AUTH_TOKEN, if the endpoint is guarded; it never reaches a command line
#   --requests N        of each of the three rounds (200, at most 10000)
#   --connections N     at once in the third round (20, at most 200; the endpoint serves 256 connections at a time and lets others wait)
#   --p99 MS            the slowest percentile that is still good, network included (100)
# Exit: 0 good · 1 a round was too slow or a request failed · 2 wrong call · 3 nobody answers there
set -uo pipefail
export LC_ALL=C

token_file='' requests=200 connections=20 limit=100 url=''
usage() { sed -n '2,/^# Exit/s/^# \{0,1\}//p' "$0"; }
while [ $# -gt 0 ]; do
  case $1 in
    --token-file) token_file=${2-}; shift ;;
    --requests) requests=${2-}; shift ;;
    --connections) connections=${2-}; shift ;;
    --p99) limit=${2-}; shift ;;
    -h | --help) usage; exit 0 ;;
    -*) echo "unknown option: $1" >&2; usage >&2; exit 2 ;;
    *) url=${1%/} ;;
  esac
  shift || { usage >&2; exit 2; }
done
url=${url%/metrics}
[[ $url =~ ^https?://[^/]+ && $requests =~ ^[1-9][0-9]{0,4}$ && $connections =~ ^[1-9][0-9]{0,2}$ && $limit =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
if [ "$requests" -gt 10000 ] || [ "$connections" -gt 200 ]; then usage >&2; exit 2; fi
[ -z "$token_file" ] || [ -r "$token_file" ] || { echo "cannot read the file of --token-file" >&2; exit 2; }

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
umask 077
: >"$dir/curlrc"
[ -z "$token_file" ] || printf 'header = "Authorization: Bearer %s"\n' "$(tr -d '\r\n' <"$token_file")" >"$dir/curlrc"

ask() { curl -q -s -K "$dir/curlrc" --max-time 10 -w '%{http_code} %{time_total} %{size_download}\n' "$@"; }
first=$(ask -o "$dir/page" "$url/metrics" || true)
case $first in
  000* | '') echo "nobody answers at $url" >&2; exit 3 ;;
  200*) ;;
  *) echo "GET /metrics is ${first%% *}, not 200$([ "${first%% *}" = 401 ] && echo ': it is guarded, give --token-file')" >&2; exit 1 ;;
esac
printf '%s, %s bytes a page, %s requests a round\n' "$url" "${first##* }" "$requests"

# Many URLs for one curl: a line of url and output each.
for _ in $(seq "$requests"); do printf 'url = "%s/metrics"\noutput = "/dev/null"\n' "$url"; done >"$dir/urls"
failed=0
# verdict NAME: reads "code seconds bytes" lines
verdict() {
  sort -k2,2n "$dir/times" | awk -v name="$1" -v limit="$limit" -v wanted="$requests" '
    $1 != 200 { wrong++ }
    { t[NR] = $2 * 1000 }
    function at(p) { i = int(NR * p + 0.999999); return t[i < 1 ? 1 : i] }
    END {
      wrong += wanted - NR
      good = wrong == 0 && at(0.99) <= limit
      printf "  %-5s %-34s p50 %8.2f ms  p90 %8.2f ms  p99 %8.2f ms  max %8.2f ms  failed %d\n", good ? "ok" : "FAIL", name, at(0.5), at(0.9), at(0.99), t[NR], wrong
      exit !good
    }' || failed=$((failed + 1))
}
ask -K "$dir/urls" >"$dir/times"
verdict "one at a time, connection kept"
ask -H 'Connection: close' -K "$dir/urls" >"$dir/times"
verdict "one at a time, a connection each"
ask --parallel --parallel-immediate --parallel-max "$connections" -K "$dir/urls" >"$dir/times" 2>/dev/null
verdict "$connections at once"
printf '%s passed, %s failed\n' $((3 - failed)) "$failed"
if [ "$failed" != 0 ]; then
  echo "a round fails if a request failed or its p99 is over $limit ms; over a slow network raise --p99, on the host itself look at the runner's CPU limit"
  exit 1
fi
