# docker buildx bake -f runner-images/docker-bake.hcl   from the root of the repository; versions are ARGs of the Dockerfiles,
# and are changed for one build with --set '*.args.NAME=VALUE'. A release: PLATFORMS=linux/amd64,linux/arm64 … --push
# Never left out: a name without a registry is one of Docker Hub, and there it is nobody's of ours. localhost is never asked.
variable "REGISTRY" { default = "localhost" }
variable "VERSION" { default = "2.3.0" }
variable "REVISION" { default = "" }
variable "PLATFORMS" { default = "" }

group "default" { targets = ["binary", "standard", "chrome", "chrome-go"] }

target "common" {
  context   = "runner-images"
  platforms = PLATFORMS == "" ? [] : split(",", PLATFORMS)
  args      = { REGISTRY = REGISTRY, VERSION = VERSION }
  labels    = { for name, value in { "org.opencontainers.image.revision" = REVISION } : name => value if value != "" }
}

target "binary" {
  inherits   = ["common"]
  context    = "."
  dockerfile = "runner-images/binary/Dockerfile"
  args       = { REVISION = REVISION }
  tags       = ["${REGISTRY}/runner-init/binary:${VERSION}"]
}

# Not for runners, and so not of the default: what compose/demo.yml builds.
target "demo" {
  inherits = ["binary"]
  target   = "demo"
  tags     = ["${REGISTRY}/runner-init/demo:${VERSION}"]
}

target "standard" {
  inherits   = ["common"]
  dockerfile = "standard/Dockerfile"
  contexts   = { binary-image = "target:binary" }
  args       = { BINARY_IMAGE = "binary-image" }
  tags       = ["${REGISTRY}/runner-init/standard:${VERSION}"]
}

target "chrome" {
  inherits   = ["common"]
  dockerfile = "chrome/Dockerfile"
  contexts   = { standard-image = "target:standard" }
  args       = { STANDARD_IMAGE = "standard-image" }
  tags       = ["${REGISTRY}/runner-init/chrome:${VERSION}"]
}

target "chrome-go" {
  inherits   = ["common"]
  dockerfile = "chrome-go/Dockerfile"
  contexts   = { chrome-image = "target:chrome" }
  args       = { CHROME_IMAGE = "chrome-image" }
  tags       = ["${REGISTRY}/runner-init/chrome-go:${VERSION}"]
}
