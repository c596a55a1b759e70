"""Runs the steps of a Dockerfile without Docker, in roots of Debian that mmdebstrap makes, and then
the server as its container would: another user, a root that is read-only, a network of its own.

    python3 docker/check.py --model model.etagger
    python3 docker/check.py --dockerfile docker/Dockerfile.trainer

It needs the rights of root, and mmdebstrap and iproute2, packages of Debian. It says how large the
image would be, that the command of HEALTHCHECK succeeds, that a text is answered, that nothing can
be written, and that SIGTERM ends the server with exit code 0; of an image without ENTRYPOINT, only
that its CMD ends with 0. What pip needs of this machine is
shown to the build steps: certificates with --certificates, a folder of wheels with --bind. The
steps run as root; nothing of this machine is mounted where they may write.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

import dockerfile

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(HERE)
SUITE = "bookworm"
HOOKS = "/usr/share/mmdebstrap/hooks"
# Debian's slim images leave these out, too, and keep no caches of apt.
APT = ('Dir::Cache::pkgcache ""', 'Dir::Cache::srcpkgcache ""', "APT::Install-Recommends false")
LEFT_OUT = ("doc", "man", "locale", "info", "lintian", "groff")
# Of this machine's environment, what its package tools go by.
PASSED_ON = ("PIP_", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy")
CERTIFICATES = "/run/certificates.pem"  # where a root has those of --certificates
MOST_BYTES = 250_000_000

# $root gets a /proc and a /dev of its own. All mounts are gone with the namespace.
MOUNTS = """
set -eu
root=$1
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom; do
  touch "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir -m 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
"""

# Runs a step of the build. $1: the root; $2: its working folder; $3: the command; then the paths to
# be seen, which packages of the root must not change: they are read-only.
STEP = """
folder=$2 command=$3
shift 3
for path in /etc/resolv.conf "$@"; do
  mkdir -p "$root${path%/*}"
  if [ -d "$path" ]; then mkdir -p "$root$path"; else touch "$root$path"; fi
  mount --bind "$path" "$root$path"
  mount -o remount,bind,ro "$root$path"
done
exec chroot "$root" /bin/sh -c 'cd "$1" && eval "$2"' sh "$folder" "$command"
"""

# Runs the server. $1: the root; $2: its working folder; $3: uid:gid; $4: the model's folder; $5:
# the health check; then the command.
SERVE = r"""
folder=$2 user=$3 models=$4 health=$5
shift 5
ip link set lo up
mkdir -p "$root/models"
mount -t tmpfs -o mode=1777,noexec,nosuid,nodev tmpfs "$root/tmp"
mount --bind "$models" "$root/models"
mount -o remount,bind,ro "$root/models"
mount -o remount,bind,ro "$root"
as_user() {
  exec chroot --userspec="$user" --groups= "$root" /usr/bin/setpriv --no-new-privs \
    /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$folder" "$@"
}
[ -n "$health" ] || as_user "$@"
(as_user "$@") &
server=$!
tries=0
until (as_user sh -c "$health") 2> /dev/null; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ] || ! kill -0 "$server"; then
    echo "check.py: the server does not answer" >&2
    exit 1
  fi
  sleep 0.1
done
echo "the health check succeeds, as user $user"
(as_user python3 -c '
import json, os, urllib.request as u
ask = lambda path: json.load(u.urlopen(f"http://127.0.0.1:5000{path}", timeout=10))
print("a text:", json.dumps(ask("/parse?q=Paul+left+Berlin.")))
print("the model:", ask("/model")["models"][0]["name"])
page = u.urlopen("http://127.0.0.1:5000/", timeout=10).read()
print("the page:", len(page), "bytes")
for folder in ("/", "/opt/etagger", "/opt/etagger/app/serving", "/models", "/etc", "/var/tmp"):
    try:
        open(os.path.join(folder, "probe"), "w")
    except OSError as error:
        print("not to be written:", folder, f"({error.strerror})")
    else:
        raise SystemExit(f"check.py: {folder} can be written")
')
kill -TERM "$server"
code=0
wait "$server" || code=$?
[ "$code" = 0 ] || { echo "check.py: the server ended with $code after SIGTERM" >&2; exit 1; }
echo "SIGTERM ends it with exit code 0"
"""


class Root:
    """A stage of the build: a root, and what its instructions have set so far."""

    def __init__(self, path, base, args):
        self.path, self.args = path, args
        self.folder, self.user = "/", "0:0"
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.settings = {}  # the words of ENTRYPOINT, CMD, HEALTHCHECK
        shutil.rmtree(path, ignore_errors=True)
        run("cp", "--archive", "--reflink=auto", base, path)

    def inside(self, path):
        """A path of the image, as it is on this machine."""
        return os.path.normpath(f"{self.path}/{os.path.join(self.folder, path)}")

    def do(self, step, context, stages):
        """Does what an instruction says. context: the folder of what is built; stages: {name:
        Root} of those before.
        """
        print(f"-- line {step.line}: {step.name}", flush=True)
        if step.name == "RUN":
            self.run(step.words)
        elif step.name == "COPY":
            source = stages[step.flags["from"]].inside if "from" in step.flags else context.__add__
            self.copy(step.words.split(), source)
        elif step.name == "ENV":
            old = self.environment["PATH"]
            self.environment |= dockerfile.environment(step.words.replace("$PATH", old))
        elif step.name == "WORKDIR":
            self.folder = os.path.join(self.folder, step.words)
            os.makedirs(self.inside("."), exist_ok=True)
        elif step.name == "USER":
            self.user = step.words
        elif step.name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
            self.settings[step.name] = step.words
        elif step.name != "EXPOSE":
            raise ValueError(f"line {step.line}: {step.name} is not known to check.py")

    def run(self, command):
        passed = {key: value for key, value in os.environ.items() if key.startswith(PASSED_ON)}
        environment = {**passed, **self.environment, "DEBIAN_FRONTEND": "noninteractive"}
        certificates = f"{self.path}{CERTIFICATES}"
        if self.args.certificates:
            os.makedirs(os.path.dirname(certificates), exist_ok=True)
            shutil.copy(self.args.certificates, certificates)
            environment["PIP_CERT"] = CERTIFICATES
        unshared = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", MOUNTS + STEP, "sh"]
        run(*unshared, self.path, self.folder, command, *self.args.bind, env=environment)
        if self.args.certificates:
            os.remove(certificates)

    def copy(self, words, source):
        """COPY SOURCE... TARGET: of a folder, what it holds."""
        *names, target = words
        is_folder = target.endswith("/") or len(names) > 1
        for name in names:
            here, to = source(f"/{name}".replace("//", "/")), self.inside(target)
            if os.path.isdir(here):
                os.makedirs(to, exist_ok=True)
                run("cp", "--archive", "--no-preserve=ownership", f"{here}/.", to)
            else:
                os.makedirs(to if is_folder else os.path.dirname(to), exist_ok=True)
                run("cp", "--archive", "--no-preserve=ownership", here, to)

    def bytes(self, path=""):
        """What the files below a path of the image take, a file with several names once."""
        seen, size = set(), 0
        for folder, folders, names in os.walk(f"{self.path}{path}"):
            for name in (*folders, *names):
                found = os.lstat(os.path.join(folder, name))
                if found.st_ino not in seen:
                    seen.add(found.st_ino)
                    size += found.st_size
        return size


def run(*command, **rest):
    subprocess.run([*map(str, command)], check=True, **rest)


def make_base(path):
    """A root like Debian's slim image; one that is there already is taken."""
    if os.path.isdir(path):
        return
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
    apt = [f"--aptopt={option}" for option in APT]
    # else usrmerge comes, which needs Perl
    merged = ["--include=usr-is-merged", f"--hook-dir={HOOKS}/merged-usr"]
    how = ["--quiet", "--variant=minbase", *merged, *excluded, *apt]
    run("mmdebstrap", *how, SUITE, f"{path}.new")
    os.rename(f"{path}.new", path)


def build(args, folder):
    """The Root of the last stage."""
    base, context = os.path.join(folder, "base"), os.path.join(folder, "context")
    make_base(base)
    shutil.rmtree(context, ignore_errors=True)
    os.makedirs(context)
    archive = os.path.join(folder, "context.tar")
    run("git", "-C", REPOSITORY, "archive", f"--output={archive}", args.commit)
    run("tar", "-xf", archive, "-C", context)
    with open(os.path.join(context, args.dockerfile), encoding="utf-8") as stream:
        found, _ = dockerfile.stages(dockerfile.parse(stream.read()))
    roots = {}
    for name, _, steps in found:
        root = roots[name] = Root(os.path.join(folder, f"stage-{name}"), base, args)
        for step in steps:
            root.do(step, context, roots)
    return root, Root.bytes(root), Root.bytes(root, "/opt/etagger")


def serve(root, model):
    """Runs what the image would run, and asks it."""
    health = root.settings["HEALTHCHECK"].removeprefix("CMD ").strip()
    if health.startswith("["):
        health = shlex.join(dockerfile.parse(f"CMD {health}")[0].words)
    health = health.removeprefix("NONE")
    command = [*root.settings.get("ENTRYPOINT", []), *root.settings["CMD"]]
    with tempfile.TemporaryDirectory() as models:
        os.chmod(models, 0o755)
        if model:
            shutil.copy(model, os.path.join(models, os.path.basename(root.settings["CMD"][0])))
        script = 'mount --bind "$1" "$1"\n' + MOUNTS + SERVE
        unshared = ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", script, "sh"]
        arguments = [root.path, root.folder, root.user, models, health]
        run(*unshared, *arguments, *command, env=root.environment)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="", help="an .etagger file, for the server")
    parser.add_argument("--commit", default="HEAD", help="what is built (default HEAD)")
    parser.add_argument("--dockerfile", default="docker/Dockerfile.server")
    parser.add_argument(
        "--bind",
        action="append",
        default=[],
        metavar="PATH",
        help="of this machine, seen at the same place by the build steps, read-only; may be "
        "repeated",
    )
    parser.add_argument("--certificates", default="", help="a file that pip is to trust")
    parser.add_argument("--folder", default="", help="where the roots are made, and kept")
    args = parser.parse_args()
    if not args.model and args.dockerfile.endswith(".server"):
        parser.error("--model is missing: the server needs one")
    if os.geteuid() or not all(map(shutil.which, ("mmdebstrap", "ip", "unshare", "git"))):
        parser.error("expected the rights of root, mmdebstrap, iproute2, util-linux and git")
    with tempfile.TemporaryDirectory() as made:
        root, size, own = build(args, args.folder or made)
        print(f"the image would hold {size:,} bytes, of which {own:,} are below /opt/etagger")
        if "ENTRYPOINT" in root.settings and size > MOST_BYTES:
            sys.exit(f"check.py: more than {MOST_BYTES:,} bytes")
        serve(root, args.model)


if __name__ == "__main__":
    main()
