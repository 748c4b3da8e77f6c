# shellcheck shell=bash
# shellcheck disable=SC2154,SC2317,SC2119,SC2120,SC2034
# BuildKit by docker build, bake and compose, on the engine at hand. What is new is so because its bytes are: nobody's cache
# is thrown away.

plain() { BUILDKIT_PROGRESS=plain "$@"; }
build() { plain docker build -f "${file:-Dockerfile}" "$@" .; }
new() { head -c 12 /dev/urandom | base64 >"$1"; }

record_buildkit() {
  into "buildkit-buildx-$(docker buildx version | awk '{print $2}' | cut -d+ -f1)-engine-$(docker version -f '{{.Server.Version}}' | cut -d+ -f1)"
  fresh
  image=record-$$:1
  mkdir -p base/bin && cp "$(command -v busybox)" base/bin/busybox && ln -sf busybox base/bin/sh && ln -sf busybox base/bin/cat && ln -sf busybox base/bin/sleep
  new base/unique
  tar -C base -c . | docker import - "$image" >/dev/null
  new a.txt && new b.txt
  cat >Dockerfile <<SAID
FROM $image AS build
WORKDIR /w
COPY a.txt .
RUN echo one > one
RUN <<END
echo heredoc
END
FROM $image
COPY --from=build /w/one /one
COPY b.txt /b
RUN sleep 0.2; echo done
SAID
  keep cold "buildkit miss 7" build
  keep warm "buildkit hit 7" build
  new b.txt
  keep changed "buildkit hit 5, buildkit miss 2" build
  keep no_cache "buildkit miss 6, buildkit hit 1" build --no-cache
  printf 'FROM %s\n' "$image" >Only
  file=Only keep from_alone "" build
  printf 'FROM %s\nRUN echo a\nRUN echo b\nCOPY nothere /x\n' "$image" >Fails
  file=Fails keep copy_fails "" build
  printf 'FROM %s\nRUN echo %s\nRUN exit 3\n' "$image" "$RANDOM" >Fails
  file=Fails keep run_fails "" build
  again() { build; file=Fails build; build; }
  keep one_fails_among_three "buildkit hit 14" again
  for n in 1 2; do
    printf 'FROM %s\nRUN sleep 0.5; echo %s\nRUN sleep 0.3; echo %s\n' "$image" "$n$RANDOM" "$n$RANDOM" >Par$n
  done
  together() { file=Par1 build & file=Par2 build & wait; }
  keep two_at_once "buildkit miss 4" together
  keep two_at_once_warm "buildkit hit 4" together
  printf 'FROM %s AS base\nRUN echo %s > /a\nFROM base AS one\nRUN echo 1\nFROM base AS two\nRUN echo 2\nFROM base AS three\nCOPY --from=one /a /x\nCOPY --from=two /a /y\n' "$image" "$RANDOM" >Bake
  printf 'group "default" { targets = ["one","two","three"] }\n' >docker-bake.hcl
  for n in one two three; do printf 'target "%s" {\n dockerfile = "Bake"\n target = "%s"\n}\n' $n $n >>docker-bake.hcl; done
  keep bake_cold "buildkit miss 5" plain docker buildx bake -f docker-bake.hcl
  keep bake_warm "buildkit hit 5" plain docker buildx bake -f docker-bake.hcl
  printf 'FROM %s AS base\nRUN echo %s > /a\nFROM base AS one\nRUN echo 1\nFROM base AS two\nRUN echo 2\n' "$image" "$RANDOM" >Bake
  printf 'services:\n  web: { build: { context: ., dockerfile: Bake, target: one } }\n  api: { build: { context: ., dockerfile: Bake, target: two } }\n' >compose.yml
  keep compose_cold "buildkit miss 3" plain docker compose -p record-$$ --progress plain build
  keep compose_warm "buildkit hit 3" plain docker compose -p record-$$ --progress plain build
  docker image rm -f record-$$-web record-$$-api >/dev/null 2>&1 || true
  sed -i "s#record-$$#base#g" "$out"/*.txt
}
