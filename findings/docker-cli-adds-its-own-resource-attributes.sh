#!/usr/bin/env bash
# Debian 13's Docker CLI 26.1.5 with Compose 2.26.1: the CLI starts a plug-in such as Compose with OTEL_RESOURCE_ATTRIBUTES set to what it is
# doing itself (docker.cli.cobra.command_path), whatever it was before. (28.2.2 adds it to what was exported.) Compose interpolates and hands through from that environment. So a compose file that hands the
# variable through by its name, as it does with any other, gives each container the CLI's own attribute, also where nobody has set the
# variable; a value of the user's arrives neither from the shell nor from the project's .env file.
# Seen, in the environment of the service: not set by anybody  -> docker.cli.cobra.command_path=docker%20compose
#                                          site=one in .env    -> the same
#                                          site=one exported   -> the same
# OTEL_SERVICE_NAME, handed through beside it, is null, as it should be.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
mkdir -p apt/lists/partial apt/cache/archives/partial root project
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' | grep -v security | head -n 1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" > apt/sources.list
: > apt/status
cat > apt/apt.conf << END
Dir::State "$dir/apt"; Dir::State::Lists "$dir/apt/lists"; Dir::State::status "$dir/apt/status"; Dir::Cache "$dir/apt/cache";
Dir::Etc::SourceList "$dir/apt/sources.list"; Dir::Etc::SourceParts "/dev/null"; APT::Sandbox::User "root";
END
export APT_CONFIG=$dir/apt/apt.conf
apt-get -qq update
(cd apt && apt-get -qq download docker-cli=26.1.5+dfsg1-9+deb13u1+b1 docker-compose=2.26.1-4)
for package in apt/*.deb; do dpkg -x "$package" root; done
unset OTEL_RESOURCE_ATTRIBUTES OTEL_SERVICE_NAME
mkdir config && printf '{"cliPluginsExtraDirs":["%s"]}' "$(dirname "$(find "$dir/root" -name docker-compose -path '*cli-plugins*' | head -n 1)")" > config/config.json
export DOCKER_CONFIG=$dir/config
docker=$dir/root/usr/bin/docker
cat > project/compose.yml << 'END'
services: { s: { image: x, environment: { OTEL_RESOURCE_ATTRIBUTES: , OTEL_SERVICE_NAME: } } }
END
cd project
seen() { "$docker" compose config --format json | python3 -c '
import json, sys
env = json.load(sys.stdin)["services"]["s"]["environment"]
print(env["OTEL_RESOURCE_ATTRIBUTES"], env["OTEL_SERVICE_NAME"])'; }
"$docker" --version; "$docker" compose version
unset_by_all=$(seen)
echo OTEL_RESOURCE_ATTRIBUTES=site=one > .env; in_file=$(seen); rm .env
exported=$(OTEL_RESOURCE_ATTRIBUTES=site=one seen)
printf 'not set: %s\nin .env: %s\nexported: %s\n' "$unset_by_all" "$in_file" "$exported"
own=docker.cli.cobra.command_path=docker%20compose
[ "$unset_by_all" = "$own None" ] && [ "$in_file" = "$own None" ] && [ "$exported" = "$own None" ]
