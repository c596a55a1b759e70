#!/bin/sh
# Builds an image from a commit of this repository, never from files that are not committed:
#
#   sh docker/build.sh nightly|stable trainer|server
#
# docker/CHANNEL/IMAGE/build.env says which commit, and the image's name. DOCKER=podman sh
# docker/build.sh ... takes another tool of the same flags; what BUILD_FLAGS holds is added, such as
# "--build-arg BASE=debian@sha256:...".
set -eu
cd "$(dirname "$0")/.."
settings="docker/${1:?expected nightly or stable}/${2:?expected trainer or server}/build.env"
test -f "$settings" || { echo "build.sh: no $settings; expected nightly or stable, and trainer or server" >&2; exit 2; }
if [ "$1" = stable ] && ! git describe --tags --abbrev=0 > /dev/null 2>&1; then
  echo "build.sh: there is no release yet, a tag of git; make build_docker_nightly_build_$2 builds what is checked out" >&2
  exit 2
fi
# shellcheck source=docker/nightly/server/build.env
. "./$settings"
command -v "${DOCKER:-docker}" > /dev/null || { echo "build.sh: ${DOCKER:-docker} is not installed; DOCKER=podman takes another tool" >&2; exit 2; }
git cat-file -e "$COMMIT:$DOCKERFILE" 2> /dev/null || { echo "build.sh: $COMMIT has no $DOCKERFILE yet; commit it, or make a release that has it" >&2; exit 2; }
revision=$(git rev-parse "$COMMIT^{commit}")
context=$(mktemp)
trap 'rm -f "$context"' EXIT
git archive --format=tar --output="$context" "$revision"
# shellcheck disable=SC2086  # BUILD_FLAGS holds several words
"${DOCKER:-docker}" build --file "$DOCKERFILE" --tag "$TAG" \
  --label "org.opencontainers.image.revision=$revision" ${BUILD_FLAGS:-} - < "$context"
