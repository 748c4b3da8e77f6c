#!/bin/bash
# STAND-IN, for benchmarks only: written from a description of a shell-scripted runner image, none of its code.
# A bash PID 1 that starts a collector loop and a netcat server and waits for them.
# Wants: JOBS_LOG, METRICS_FILE, METRICS_PORT; UPDATE_INTERVAL (30).
here=$(dirname "$0")
printf '# HELP github_runner_status Runner status.\n# TYPE github_runner_status gauge\ngithub_runner_status 1\n' >"$METRICS_FILE"
"$here/server.sh" &
"$here/collector.sh" &
trap 'exit 143' TERM
wait
