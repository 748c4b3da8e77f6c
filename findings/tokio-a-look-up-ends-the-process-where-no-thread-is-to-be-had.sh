#!/usr/bin/env bash
# tokio 1.54.1: where the system gives no thread (EAGAIN: a pids limit, RLIMIT_NPROC), the first `spawn_blocking` panics instead of failing, and
# so does all that is made of it: tokio::net::lookup_host, tokio::fs, the resolver of hyper and reqwest. With panic = "abort" the process is
# gone. While one blocking thread lives, the same call is queued for that one and succeeds; but idle ones end after 10 seconds
# (thread_keep_alive), so whoever looks a name up once a minute meets the panic, and a test that has just looked one up does not.
# Seen: with no thread   -> "OS can't spawn worker thread: Resource temporarily unavailable", signal 6
#       with one kept    -> localhost is looked up
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "needs root, to be a user without processes" >&2; exit 64; }
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
chmod 755 "$dir"; mkdir src
cat > Cargo.toml << 'END'
[package]
name = "look-up"
version = "0.0.0"
edition = "2021"
[dependencies]
tokio = { version = "=1.54.1", features = ["net", "rt"] }
[profile.dev]
panic = "abort"
debug = false
END
cat > src/main.rs << 'END'
fn main() {
    let keep = std::env::args().nth(1).as_deref() == Some("keep");
    let for_ever = std::time::Duration::from_secs(u32::MAX as u64);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_keep_alive(for_ever).build().unwrap();
    if keep {
        runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
    }
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let found = runtime.block_on(async { tokio::net::lookup_host("localhost:80").await.map(Iterator::count) });
    println!("looked up: {}", found.is_ok_and(|count| count > 0));
}
END
cargo build --quiet
export RUST_BACKTRACE=0
run() { # what it says once its user may have no thread more, and its code
  local code=0
  coproc LOOK { exec setpriv --reuid=4711 --regid=4711 --clear-groups target/debug/look-up "$1" 2>&1; }
  local pid=$LOOK_PID out=${LOOK[0]} line
  exec {in}>&"${LOOK[1]}" {from}<&"$out"
  read -r line <&"$from"; [ "$line" = ready ]
  setpriv --reuid=4711 --regid=4711 --clear-groups prlimit --nproc=1:1 --pid "$pid"
  echo >&"$in"
  cat <&"$from"
  wait "$pid" || code=$?
  echo "code $code"
}
none=$(run none); kept=$(run keep)
printf 'with no thread: %s\nwith one kept: %s\n' "$none" "$kept"
grep -q "OS can't spawn worker thread" <<< "$none" && grep -qx 'code 134' <<< "$none"
[ "$kept" = $'looked up: true\ncode 0' ]
