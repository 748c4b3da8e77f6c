#!/usr/bin/env bash
# Checks a live runner-init from outside: what it serves, whether that is well-formed, complete, consistent, fresh and free of secrets.
# It only reads. Needs bash, curl and awk; promtool is used too where it is installed.
#
#   tests/test-metrics-endpoint.sh [--token-file FILE] [--interval SECONDS] [--no-wait] URL        e.g. http://127.0.0.1:9091
#
#   --token-file FILE     holds METRICS_AUTH_TOKEN, if the endpoint is guarded; it never reaches a command line
#   --interval SECONDS    METRICS_UPDATE_INTERVAL of the runner (30); freshness takes that long to prove
#   --no-wait             judges freshness by the age of the last sample alone
# Exit: 0 every check passed · 1 a check failed · 2 wrong call · 3 nobody answers there
set -uo pipefail
export LC_ALL=C

token_file='' interval=30 wait=true url=''
usage() { sed -n '2,/^# Exit/s/^# \{0,1\}//p' "$0"; }
while [ $# -gt 0 ]; do
  case $1 in
    --token-file) token_file=${2-}; shift ;;
    --interval) interval=${2-}; shift ;;
    --no-wait) wait=false ;;
    -h | --help) usage; exit 0 ;;
    -*) echo "unknown option: $1" >&2; usage >&2; exit 2 ;;
    *) url=${1%/} ;;
  esac
  shift || { usage >&2; exit 2; }
done
url=${url%/metrics}
[[ $url =~ ^https?://[^/]+ && $interval =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
[ -z "$token_file" ] || [ -r "$token_file" ] || { echo "cannot read the file of --token-file" >&2; exit 2; }

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
: >"$dir/curlrc"
if [ -n "$token_file" ]; then
  umask 077
  printf 'header = "Authorization: Bearer %s"\n' "$(tr -d '\r\n' <"$token_file")" >"$dir/curlrc"
fi

# get PATH FILE [curl's arguments]: the body into FILE, the headers into FILE.head, the status to stdout (000: no answer)
get() {
  local path=$1 file=$2
  shift 2
  curl -q -sS -K "$dir/curlrc" --max-time 10 -o "$file" -D "$file.head" -w '%{http_code}' "$@" "$url$path" 2>"$dir/error" || true
}
passed=0 failed=0
ok() { passed=$((passed + 1)); printf '  ok    %s\n' "$1"; }
bad() { failed=$((failed + 1)); printf '  FAIL  %s\n' "$1"; }
note() { printf '  note  %s\n' "$1"; }
# check WHAT FILE-OF-FAULTS: passes if the file is empty, else shows its first lines
check() {
  if [ -s "$2" ]; then bad "$1: $(head -n 3 "$2" | cut -c1-160 | paste -sd '|' | sed 's/|/; /g')"; else ok "$1"; fi
}

page=$dir/metrics
printf '%s\n' "$url"
code=$(get /metrics "$page")
if [ "$code" = 000 ]; then
  echo "nobody answers at $url: $(cut -c1-200 "$dir/error")" >&2
  exit 3
fi

echo "answer"
if [ "$code" = 200 ]; then ok "GET /metrics is 200"; else
  bad "GET /metrics is $code$([ "$code" = 401 ] && echo ': it is guarded, give --token-file')"
  printf '%s passed, %s failed\n' "$passed" "$failed"
  exit 1
fi
if grep -qi '^content-type: text/plain; version=0\.0\.4' "$page.head"; then ok "content type is text format 0.0.4"; else bad "content type is not text/plain; version=0.0.4"; fi
code=$(get /metrics "$dir/zipped" --compressed)
if [ "$code" = 200 ] && grep -qi '^content-encoding: gzip' "$dir/zipped.head"; then ok "gzip when asked"; else note "no gzip when asked (a proxy in between?)"; fi
code=$(get /metrics "$dir/post" -X POST)
if [ "$code" = 405 ]; then ok "POST is refused (405)"; else bad "POST is answered $code, not 405"; fi
if [ -n "$token_file" ]; then
  code=$(curl -q -s --max-time 10 -o /dev/null -w '%{http_code}' "$url/metrics" || true)
  if [ "$code" = 401 ]; then ok "without the token it is 401"; else bad "without the token it is $code, not 401"; fi
fi

echo "format"
# A strict reader: HELP and TYPE before the samples of a family, no sample twice, buckets cumulative and ending at +Inf = count.
awk '
  function fault(what) { print what " (line " NR ")" }
  /^# HELP [a-zA-Z_:][a-zA-Z0-9_:]* / { help[$3] = 1; next }
  /^# TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (counter|gauge|histogram|summary|untyped)$/ { if ($3 in type) fault("a second TYPE of " $3); type[$3] = $4; next }
  /^#/ { fault("a comment that is neither HELP nor TYPE"); next }
  /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? (NaN|[+-]Inf|[+-]?[0-9.]+([eE][+-]?[0-9]+)?)$/ {
    series = $0; sub(/ [^ ]*$/, "", series); value = $NF
    if (series in seen) fault("a series twice"); seen[series] = 1
    name = series; sub(/\{.*/, "", name); family = name
    if (!(family in type)) { sub(/_(bucket|sum|count)$/, "", family) }
    if (!(family in type) || !(family in help)) { fault("no HELP and TYPE before " name); next }
    if (value == "NaN") fault(name " is NaN")
    if (type[family] == "histogram") {
      rest = series; sub(/^[^{]*/, "", rest); gsub(/,?le="[^"]*"/, "", rest)
      key = family rest
      if (name ~ /_bucket$/) { if (value + 0 < last[key] + 0) fault("buckets of " family " are not cumulative"); last[key] = value; if (series ~ /le="\+Inf"/) infinite[key] = value }
      if (name ~ /_count$/ && infinite[key] != value) fault("+Inf of " family " is not its count")
    }
    if (type[family] == "counter" && value + 0 < 0) fault("counter " name " is negative")
    next
  }
  { fault("not a sample") }
' "$page" >"$dir/faults"
[ -z "$(tail -c 1 "$page")" ] || echo "the last line has no end" >>"$dir/faults"
check "text format, strictly read" "$dir/faults"
if command -v promtool >/dev/null; then
  promtool check metrics <"$page" >"$dir/faults" 2>&1
  check "promtool check metrics" "$dir/faults"
fi

echo "series"
: >"$dir/faults"
for name in status state info uptime_seconds start_time_seconds last_update_timestamp_seconds jobs_total jobs_started_total \
  job_duration_seconds_bucket job_duration_seconds_count reconnects_total connection_errors_total output_lines_total; do
  grep -q "^github_runner_$name{" "$page" || echo "github_runner_$name is missing" >>"$dir/faults"
done
grep -q '^process_cpu_seconds_total' "$page" || echo "process_cpu_seconds_total is missing" >>"$dir/faults"
check "everything that must be there is" "$dir/faults"
grep '^github_runner_' "$page" | grep -vE 'runner_name="[^"]+".*runner_type="[^"]+"|runner_type="[^"]+".*runner_name="[^"]+"' | cut -d'{' -f1 >"$dir/faults"
check "every series says runner_name and runner_type" "$dir/faults"
if [ "$(grep -o 'runner_name="[^"]*"' "$page" | sort -u | wc -l)" = 1 ]; then ok "one runner, $(grep -om1 'runner_name="[^"]*"' "$page")"; else bad "more than one runner_name on one page"; fi
series=$(grep -cv '^#' "$page")
if [ "$series" -le 150 ]; then ok "$series series (at most 150)"; else note "$series series, more than 150: many types of caches, CACHE_TYPES or JOB_DURATION_BUCKETS?"; fi

echo "consistency"
state=$(awk '/^github_runner_state\{/ && $NF == 1 { n++; match($0, /state="[a-z]+"/); s = substr($0, RSTART + 7, RLENGTH - 8) } END { print n == 1 ? s : "" }' "$page")
if [ -n "$state" ]; then ok "in exactly one state: $state"; else bad "not in exactly one state"; fi
status=$(awk '/^github_runner_status\{/ { print $NF }' "$page")
case $state in idle | busy) expected=1 ;; *) expected=0 ;; esac
if [ "$status" = "$expected" ]; then ok "status $status fits the state"; else bad "status is $status in state ${state:-unknown}"; fi
begun=$(grep -c '^github_runner_job_start_timestamp_seconds{' "$page")
if [ "$state" = busy ] && [ "$begun" = 0 ]; then bad "busy, but no job has a start"; elif [ "$state" = idle ] && [ "$begun" != 0 ]; then bad "idle, but a job has a start"; else ok "a job's start is told while one runs"; fi

echo "health"
code=$(get /livez "$dir/livez")
if [ "$code" = 200 ]; then ok "/livez: $(head -n 1 "$dir/livez" | cut -c1-100)"; else bad "/livez is $code"; fi
for path in readyz healthz; do
  code=$(get "/$path" "$dir/$path")
  case $code in
    200 | 503) if [ -s "$dir/$path" ]; then ok "/$path is $code: $(head -n 1 "$dir/$path" | cut -c1-100)"; else bad "/$path gives no reason"; fi ;;
    *) bad "/$path is $code, neither 200 nor 503" ;;
  esac
done

echo "freshness"
sample() { awk '/^github_runner_last_update_timestamp_seconds\{/ { printf "%d", $NF }' "$page"; }
first=$(sample) now=$(date +%s) limit=$((2 * interval + 5))
age=$((now - ${first:-0}))
if [ "$age" -le "$limit" ] && [ "$age" -ge -5 ]; then ok "last sample is $age s old (at most $limit)"; else bad "last sample is $age s old, expected -5 to $limit: it hangs, or the clocks differ, or --interval is wrong"; fi
if $wait; then
  next=$first deadline=$((SECONDS + interval + 5))
  while [ "${next:-0}" = "${first:-0}" ] && [ "$SECONDS" -lt "$deadline" ]; do
    sleep 1
    get /metrics "$page" >/dev/null
    next=$(sample)
  done
  if [ "${next:-0}" -gt "${first:-0}" ]; then ok "sampled again within $interval s"; else bad "no new sample within $((interval + 5)) s"; fi
fi

echo "secrets"
get / "$dir/root" >/dev/null
get /api/v1/status "$dir/status" >/dev/null
get '/api/v1/jobs?limit=50' "$dir/jobs" >/dev/null
# The shapes of GitHub's tokens, a JWT, a private key, a cloud key; a registration token is 29 capitals and digits that begin with A.
shapes='gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY|(AKIA|ASIA)[A-Z0-9]{16}|(^|[^A-Z0-9])A[A-Z0-9]{28}([^A-Z0-9]|$)|[Bb]earer +[A-Za-z0-9._~+/-]{16,}'
: >"$dir/faults"
for file in metrics root status jobs livez readyz healthz metrics.head; do
  grep -qE -e "$shapes" "$dir/$file" 2>/dev/null && echo "something shaped like a secret in ${file}" >>"$dir/faults"
done
if [ -n "$token_file" ]; then
  for file in metrics root status jobs livez readyz healthz; do
    grep -qF -f <(tr -d '\r\n' <"$token_file"; echo) "$dir/$file" 2>/dev/null && echo "the endpoint's own token in $file" >>"$dir/faults"
  done
fi
check "nothing that looks like a secret is served" "$dir/faults"

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
