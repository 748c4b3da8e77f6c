# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_runner_init_global_optspecs
    string join \n g r= e= w p= s h/help V/version
end

function __fish_runner_init_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_runner_init_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_runner_init_using_subcommand
    set -l cmd (__fish_runner_init_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c runner-init -n "__fish_runner_init_needs_command" -s r -d 'With CMD: pass signal A on as B, or not at all if B is 0, e.g. TERM:QUIT; may be repeated' -r
complete -c runner-init -n "__fish_runner_init_needs_command" -s e -d 'With CMD: end with 0 instead of this code; may be repeated' -r
complete -c runner-init -n "__fish_runner_init_needs_command" -s p -d 'With CMD: get this signal, and pass it on, when the process that started us ends' -r
complete -c runner-init -n "__fish_runner_init_needs_command" -s g -d 'With CMD: signals go to its process group'
complete -c runner-init -n "__fish_runner_init_needs_command" -s w -d 'With CMD: say each orphan that is reaped'
complete -c runner-init -n "__fish_runner_init_needs_command" -s s -d 'What tini needs to be told to reap without being PID 1; we always do'
complete -c runner-init -n "__fish_runner_init_needs_command" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_needs_command" -s V -l version -d 'Print version'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "run" -d 'Supervise the runner (the default)'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "health" -d 'Container HEALTHCHECK: exit 0 if healthy, 1 if not, one line of reason'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "check" -d 'Validate the configuration and print the effective one; exit 64 with all faults'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "demo" -d 'Supervise a simulated runner: no GitHub, no network, no files outside a temporary directory'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "collect" -d 'Take the rows of many runners (`JOB_EVENTS_URL`), count them once, and show the fleet'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "metrics" -d 'Print the metric reference as Markdown'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "trace" -d 'Print the trace of a job of the log: its wait, its steps, its times'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "cache" -d 'For the steps of a job: record what a cache had; exits 0, recorded or not'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "copy-self" -d 'Copy this program into DIR, for another container that mounts it, as ARC\'s values in `compose/kubernetes/arc` do'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "help" -d 'Print this help'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "version" -d 'Print the version'
complete -c runner-init -n "__fish_runner_init_needs_command" -a "hook" -d 'What our job hooks call'
complete -c runner-init -n "__fish_runner_init_using_subcommand run" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand health" -l url -d 'Ask over TCP instead of the socket in `RUNNER_RUN_DIR`, e.g. <http://127.0.0.1:9091>' -r
complete -c runner-init -n "__fish_runner_init_using_subcommand health" -l ready -d 'Ask for readiness instead'
complete -c runner-init -n "__fish_runner_init_using_subcommand health" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand check" -l files -d 'Look at directories, users, sockets, name look-up and GitHub\'s answer as well'
complete -c runner-init -n "__fish_runner_init_using_subcommand check" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand demo" -l speed -d 'Play this many times faster (0.1 to 100)' -r
complete -c runner-init -n "__fish_runner_init_using_subcommand demo" -l jobs -d 'Stop handing out jobs after this many; endless by default' -r
complete -c runner-init -n "__fish_runner_init_using_subcommand demo" -l seed -d 'Another seed is another sequence of jobs' -r
complete -c runner-init -n "__fish_runner_init_using_subcommand demo" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand collect" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand metrics" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand trace" -l otlp-json -d 'As a request of OTLP\'s in JSON'
complete -c runner-init -n "__fish_runner_init_using_subcommand trace" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand cache" -l type -d 'Which cache, such as npm' -r
complete -c runner-init -n "__fish_runner_init_using_subcommand cache" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand copy-self" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand help" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand version" -s h -l help -d 'Print help'
complete -c runner-init -n "__fish_runner_init_using_subcommand hook" -s h -l help -d 'Print help'
