#!/bin/bash
# STAND-IN, for benchmarks only. Every interval it greps and loops over the whole job log, writes a text file and renames it.
# shellcheck disable=SC2116 # the forks are the point
# `collector.sh once` does one update.
buckets=(60 300 600 1800 3600 7200)

count() { grep -c ",$1," "$JOBS_LOG" 2>/dev/null; }

durations() {
    local -A reached=()
    local sum=0 n=0 bucket
    while IFS=, read -r _ _ status duration _; do
        [[ $status == running || ! $duration =~ ^[0-9]+$ ]] && continue
        sum=$((sum + 10#$duration))
        n=$((n + 1))
        for bucket in "${buckets[@]}"; do
            if ((10#$duration <= bucket)); then reached[$bucket]=$((${reached[$bucket]:-0} + 1)); fi
        done
    done <"$JOBS_LOG"
    echo '# TYPE github_runner_job_duration_seconds histogram'
    for bucket in "${buckets[@]}"; do
        echo "github_runner_job_duration_seconds_bucket{$labels,le=\"$bucket\"} ${reached[$bucket]:-0}"
    done
    echo "github_runner_job_duration_seconds_bucket{$labels,le=\"+Inf\"} $n"
    echo "github_runner_job_duration_seconds_sum{$labels} $sum"
    echo "github_runner_job_duration_seconds_count{$labels} $n"
}

gauge() { printf '# HELP %s %s\n# TYPE %s gauge\n%s{%s} %s\n' "$1" "$2" "$1" "$1" "$labels" "$3"; }

update() {
    local labels
    labels="runner_name=\"$(hostname)\",runner_type=\"$(echo standard)\""
    {
        gauge github_runner_status 'Runner status.' 1
        gauge github_runner_uptime_seconds 'Uptime.' $(($(date +%s) - started))
        gauge github_runner_last_update_timestamp 'Last update.' "$(date +%s)"
        echo '# TYPE github_runner_jobs_total counter'
        for status in success failed cancelled skipped; do
            echo "github_runner_jobs_total{$labels,status=\"$status\"} $(count "$status")"
        done
        echo "github_runner_jobs_total{$labels,status=\"total\"} $(grep -vc ',running,' "$JOBS_LOG")"
        durations
        for cache in buildkit apt npm; do gauge "github_runner_cache_hit_rate_$cache" 'Hit rate.' "$(echo 0)"; done
        gauge github_runner_queue_time_seconds 'Queue time.' "$(tail -n 100 "$JOBS_LOG" | cut -d, -f5 | sort -n | head -n 1)"
    } >"$METRICS_FILE.tmp"
    mv "$METRICS_FILE.tmp" "$METRICS_FILE"
}

started=$(date +%s)
[[ -f $JOBS_LOG ]] || : >"$JOBS_LOG"
while true; do
    update
    [[ $1 == once ]] && exit
    sleep "${UPDATE_INTERVAL:-30}"
done
