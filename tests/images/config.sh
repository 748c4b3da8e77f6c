#!/bin/bash
# Like the real one it only changes to the root and calls the listener.
cd "$(dirname "$0")" || exit
case "$1" in
  remove) exec bin/Runner.Listener "$@" ;;
  *) exec bin/Runner.Listener configure "$@" ;;
esac
