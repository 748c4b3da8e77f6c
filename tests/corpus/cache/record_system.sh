# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317,SC2016,SC2034
# apt and the compilers' caches, in a chroot of Debian.

# The suite's tree, made once.
debian() {
  root=$temp/$1
  [ ! -d "$root" ] || return 0
  mmdebstrap --variant=apt --quiet "$1" "$root"
  mkdir -p "$root/home/runner"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  cp "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/status.first"
  printf 'APT::Keep-Downloaded-Packages "true";\nBinary::apt::APT::Keep-Downloaded-Packages "true";\n' >"$root/etc/apt/apt.conf.d/99keep"
  rm -f "$root/etc/apt/apt.conf.d/docker-clean"
}

# A command as root in the tree, in surroundings of its own: what it leaves running ends with it.
inside() { unshare --mount --pid --fork --mount-proc="$root/proc" chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "${tell[@]}" bash -c "$1"; }
tell=(CI=true)

# Nothing is installed; the archives of jq and what it needs: all of them, or those named.
nothing_installed() { inside 'dpkg --purge --force-depends jq libjq1 libonig5 one two >/dev/null 2>&1 || true'; }
archives() {
  nothing_installed
  inside 'apt-get clean'
  [ "$1" = none ] || inside 'apt-get install -y -qq -d jq >/dev/null 2>&1'
  [ "$1" != some ] || rm -f "$root"/var/cache/apt/archives/jq_*.deb
}

# A package of nobody's; `two` needs jq.
own() {
  mkdir -p "$root/tmp/$1/DEBIAN"
  printf 'Package: %s\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@x.example>\nDescription: made up\n%s' "$1" "$2" >"$root/tmp/$1/DEBIAN/control"
  inside "dpkg-deb -b /tmp/$1 /home/runner/$1.deb >/dev/null"
}

record_apt() {
  debian "$1"
  hosts='s#https\?://[^/ ]*#http://deb.example#g'
  inside 'apt-get update -qq'
  into "apt-$(inside 'apt-get --version' | awk 'NR==1 {print $2}')"
  own one ""
  own two $'Depends: jq\n'
  for apt in apt-get apt; do
    archives none && keep $apt-cold "apt miss 1" inside "$apt install -y jq"
    archives all && keep $apt-warm "apt hit 1" inside "$apt install -y jq"
    archives some && keep $apt-partial "apt partial 1" inside "$apt install -y jq"
    archives none && keep $apt-own "" inside "$apt install -y /home/runner/one.deb"
    archives none && keep $apt-own_that_needs "apt miss 1" inside "$apt install -y /home/runner/two.deb"
    archives all && keep $apt-own_that_needs_what_is_there "apt hit 1" inside "$apt install -y /home/runner/two.deb"
    archives none && keep $apt-quiet "apt miss 1" inside "$apt -qq install -y jq"
    archives none && keep $apt-q "apt miss 1" inside "$apt -q install -y jq"
    archives none && keep $apt-no "apt miss 1" inside "$apt install -y jq && $apt install -y jq"
  done
  archives none && keep apt-get-download_only "apt miss 1" inside 'apt-get install -y -d jq'
  archives all && keep apt-get-download_only_warm "apt hit 1" inside 'apt-get install -y -d jq'
  keep apt-get-update "" inside 'apt-get update'
  archives none && keep apt-get-refused "" inside 'apt-get install jq </dev/null'
  # Names that lead nowhere, so that nothing can be fetched, then the lists anew and once more.
  archives none
  inside 'cp -r /etc/apt /etc/apt.good; sed -i "s#://[^/ ]*#://127.0.0.1:9#" /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null; cp -r /var/lib/apt/lists /var/lib/apt/lists.good
    cd /var/lib/apt/lists && for list in *_dists_*; do mv "$list" "127.0.0.1:9_${list#*_}"; done'
  keep apt-get-fails_then_update "apt miss 1" inside 'apt-get install -y jq || { cp /etc/apt.good/sources.list /etc/apt/sources.list; rm -rf /var/lib/apt/lists/*; apt-get update && apt-get install -y jq; }'
  inside 'rm -rf /etc/apt.good /var/lib/apt/lists.good'
  archives none
  inside 'apt-get install -y -qq aptitude >/dev/null 2>&1'
  keep aptitude-cold "apt miss 1" inside 'aptitude install -y jq'
  inside 'aptitude purge -y jq libjq1 libonig5 >/dev/null 2>&1'
  keep aptitude-warm "apt hit 1" inside 'aptitude install -y jq'
  hosts=
}

record_compilers() {
  debian "$1"
  inside 'apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev ccache sccache >/dev/null 2>&1'
  inside 'mkdir -p /src && cd /src && for n in 1 2 3; do echo "int f$n(void) { return $n; }" >$n.c; done'
  into "ccache-$(inside 'ccache --version' | awk 'NR==1 {print $3}')"
  compile() { inside "cd /src && for n in $2; do $1 gcc -c \$n.c -o \$n.o; done; $3"; }
  inside 'ccache -C -z >/dev/null'
  keep cold "ccache miss 3" compile ccache "1 2 3" "ccache --show-stats"
  inside 'ccache -z >/dev/null'
  keep twice "ccache hit 7" compile ccache "1 2 3 1" "ccache -s; for n in 1 2 3; do ccache gcc -c \$n.c; done; ccache -s -v"
  inside 'ccache -z >/dev/null'
  keep warm "ccache hit 3" compile ccache "1 2 3" "ccache --show-stats"
  inside 'ccache -z >/dev/null'
  keep raw "ccache hit 2" compile ccache "1 2" "ccache --print-stats"
  inside 'ccache -C -z >/dev/null'
  keep zeroed_between "ccache miss 1, ccache hit 1" compile ccache "1" "ccache -s; ccache -z; ccache gcc -c 1.c; ccache -s"
  into "sccache-$(inside 'sccache --version' | awk '{print $2}')"
  keep cold "sccache miss 3" compile sccache "1 2 3" "sccache --show-stats"
  keep grown "sccache hit 4" compile sccache "1 2 3" "sccache --show-stats; sccache gcc -c 1.c -o 1.o; sccache --stop-server"
  keep warm "sccache hit 2" compile sccache "1 2" "sccache --stop-server"
}

record_go() {
  debian "$1"
  inside 'apt-get update -qq && apt-get install -y -qq --no-install-recommends golang-go >/dev/null 2>&1'
  into "go-$(inside 'go version' | sed 's/.*go\([0-9.]*\) .*/\1/')"
  inside 'mkdir -p /m/a /m/b /m/c /m/d && cd /m && printf "module example.org/m\ngo 1.19\n" >go.mod
    for n in a b; do printf "package $n\nimport \"testing\"\nfunc TestX(t *testing.T) {}\n" >$n/x_test.go; done
    printf "package c\nimport \"testing\"\nfunc TestX(t *testing.T) { t.Fatal() }\n" >c/x_test.go; echo "package d" >d/d.go'
  keep cold "go miss 2" inside 'cd /m && go test ./a ./b ./d'
  keep warm "go hit 2" inside 'cd /m && go test ./a ./b ./d'
  keep partial_and_failed "go hit 2, go miss 1" inside 'cd /m && go test ./...'
  keep verbose "go miss 2" inside 'cd /m && go test -v ./a ./b'
  keep verbose_warm "go hit 2" inside 'cd /m && go test -v ./a ./b'
  keep cover "go miss 2" inside 'cd /m && go test -cover ./a ./b'
}
