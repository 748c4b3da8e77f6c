#!/bin/bash
# STAND-IN, for benchmarks only. One connection at a time; each answer is rendered when the previous client leaves.
answer() {
    local body
    body=$(cat "$METRICS_FILE")
    printf 'HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\nConnection: close\r\n\r\n' $((${#body} + 1))
    cat "$METRICS_FILE"
}
while true; do
    answer | nc -l -p "$METRICS_PORT" -q 0 >/dev/null 2>&1
done
