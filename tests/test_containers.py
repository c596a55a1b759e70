"""docker/: the Dockerfiles, the commits that they are built from, the compose file and the
Kubernetes manifest. No Docker engine is needed; docker/check.py runs the steps of an image.

hadolint, kubernetes-validate and shellcheck check them as well, once `make container-deps` has
installed them.
"""

import glob
import io
import os
import re
import shutil
import subprocess
import tarfile

import pytest
import yaml

import dockerfile
from support.commands import ROOT

IMAGES = ("trainer", "server")
CHANNELS = ("nightly", "stable")
PLACES = [(channel, image) for channel in CHANNELS for image in IMAGES]


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
        return stream.read()


def tool(name):
    """The path of a checker. Skips the test without it."""
    folders = [os.path.join(ROOT, ".containers", "bin"), os.environ["PATH"]]
    return shutil.which(name, path=os.pathsep.join(folders)) or pytest.skip(
        f"{name} is not installed: make container-deps"
    )


def run(*command, **how):
    return subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=120, cwd=ROOT, **how
    )


# ---------------------------------------------------------------- Dockerfiles


def faults(text):
    """The faults of a Dockerfile, one line each, by rules of hadolint and by our own: a user other
    than root, a health check, no secrets.
    """
    found = []
    stages, arguments = dockerfile.stages(dockerfile.parse(text))
    for i, (_, base, steps) in enumerate(stages):
        image = re.sub(r"\$\{?(\w+)\}?", lambda name: arguments[name[1]], base)
        if not re.search(r":[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?$", image):
            found.append(f"{image}: no tag with a version")
        for step in steps:
            found += [f"line {step.line}: {fault}" for fault in _faults_of(step)]
            if step.flags.get("from", stages[0][0]) not in [name for name, *_ in stages[: i or 1]]:
                found.append(f"line {step.line}: --from={step.flags['from']} is no earlier stage")
    last = {step.name: step for step in stages[-1][2]}
    if "USER" not in last or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"].words):
        found.append("the last stage runs as root, or as a user without numbers")
    for name in ("CMD", "HEALTHCHECK"):
        if name not in last:
            found.append(f"the last stage has no {name}")
    return found


def _faults_of(step):
    words = step.words if isinstance(step.words, str) else " ".join(step.words)
    if step.name in ("ADD", "MAINTAINER", "SHELL"):
        yield f"{step.name}: expected COPY, LABEL or nothing"
    if step.name in ("CMD", "ENTRYPOINT") and isinstance(step.words, str):
        yield f"{step.name}: expected the JSON form, whose process gets the signals"
    if step.name == "WORKDIR" and not words.startswith("/"):
        yield f"WORKDIR {words}: expected an absolute path"
    if step.name in ("ENV", "ARG") and re.search("(?i)token|secret|password|_key", words):
        yield f"{step.name} {words}: an image holds no secrets"
    if step.name == "RUN":
        if "apt-get install" in words:
            for part in ("apt-get update", "--yes", "--no-install-recommends", "rm -rf /var/lib"):
                if part not in words:
                    yield f"apt-get install without {part}"
        for install in re.findall("pip install[^&]*", words):
            if "--no-cache-dir" not in install:
                yield f"{install.strip()}: expected --no-cache-dir"
        if re.search(r"\b(sudo|curl|wget)\b", words):
            yield f"{words}: expected neither sudo nor files from elsewhere"


@pytest.mark.parametrize("image", IMAGES)
def test_a_dockerfile_has_no_faults(image):
    assert faults(text_of(f"docker/Dockerfile.{image}")) == []


@pytest.mark.parametrize(
    "old, new, fault",
    [
        ("debian:bookworm-20250520-slim\n", "debian\n", "debian: no tag with a version"),
        ("debian:bookworm-20250520-slim\n", "debian:latest\n", "latest: no tag with a version"),
        ("USER 10001:10001\n", "", "runs as root"),
        ("USER 10001:10001\n", "USER root\n", "runs as root"),
        ("--from=build", "--from=built", "--from=built is no earlier stage"),
        ("--no-install-recommends ", "", "without --no-install-recommends"),
        (" --no-cache-dir", "", "expected --no-cache-dir"),
        ("COPY . ./", "ADD . ./", "ADD: expected"),
        ('CMD ["/models/model.etagger"]', "CMD /models/model.etagger", "the JSON form"),
        ("WORKDIR /src", "WORKDIR src", "expected an absolute path"),
        ("EXPOSE 5000", "ENV ETAGGER_TOKEN=x", "an image holds no secrets"),
        ("HEALTHCHECK", "EXPOSE 80\nLABEL a=b HEALTHCHECK", "has no HEALTHCHECK"),
    ],
)
def test_faults_are_found(old, new, fault):
    text = text_of("docker/Dockerfile.server")
    assert old in text
    assert any(fault in line for line in faults(text.replace(old, new)))


def test_a_dockerfile_is_read_as_docker_reads_it():
    text = "# a\nFROM a AS b\nRUN x \\\n  # not a part\n  && y\n\n"
    text += 'CMD ["c", "d e"]\nCOPY --from=b f g\n'
    assert dockerfile.parse(text) == [
        (2, "FROM", {}, "a AS b"),
        (3, "RUN", {}, "x && y"),
        (7, "CMD", {}, ["c", "d e"]),
        (8, "COPY", {"from": "b"}, "f g"),
    ]
    for bad in ("RUN x \\\n", 'FROM a\nCMD ["x]\n'):
        with pytest.raises(ValueError, match="^line "):
            dockerfile.parse(bad)


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_copied_is_there(image):
    """Checks the files of the context, and the files that the server's image keeps."""
    for step in dockerfile.parse(text_of(f"docker/Dockerfile.{image}")):
        names = []
        if step.name == "COPY" and "from" not in step.flags:
            names = step.words.split()[:-1]
        elif step.name == "RUN" and (copied := re.search("cp -r ([^&]*)", step.words)):
            names = copied[1].split()[:-1]
        for name in names:
            assert glob.glob(os.path.join(ROOT, name)), f"line {step.line}: {name}"


def test_the_server_has_no_tensorflow():
    for line in text_of("requirements-serve.txt").splitlines():
        assert not re.match("(?i)(tensorflow|tensorboard|torch|numpy)", line), line
    assert "requirements.txt" not in text_of("docker/Dockerfile.server")


# ---------------------------------------------------------------- which commit is built


@pytest.fixture
def repository(tmp_path):
    """A repository with docker/, and a fake `docker` that records its arguments."""
    for name in ("docker", "bin"):
        os.makedirs(tmp_path / name)
    shutil.copytree(os.path.join(ROOT, "docker"), tmp_path / "docker", dirs_exist_ok=True)
    fake = tmp_path / "bin" / "docker"
    fake.write_text('#!/bin/sh\necho "$@" > "$OUT/words"\ncat > "$OUT/context"\n')
    fake.chmod(0o755)
    (tmp_path / ".gitignore").write_text("bin/\nout/\n")
    os.makedirs(tmp_path / "out")

    class Repository:
        path = tmp_path

        def git(self, *words):
            config = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
            done = subprocess.run(
                ["git", *config, *words], cwd=tmp_path, capture_output=True, text=True, check=True
            )
            return done.stdout.strip()

        def commit(self, text):
            (tmp_path / "serve.py").write_text(text)
            self.git("add", "-A")
            self.git("commit", "-q", "-m", "x")

        def build(self, *words, **environment):
            path = f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"
            return run(
                "sh",
                tmp_path / "docker" / "build.sh",
                *words,
                env={**os.environ, "PATH": path, "OUT": str(tmp_path / "out"), **environment},
            )

        def built(self):
            """What docker was called with, and {path: bytes} of the context."""
            words = (tmp_path / "out" / "words").read_text()
            with tarfile.open(fileobj=io.BytesIO((tmp_path / "out" / "context").read_bytes())) as t:
                files = {entry.name: t.extractfile(entry).read() for entry in t if entry.isfile()}
            return words, files

    made = Repository()
    made.git("init", "-q")
    made.commit("first")
    return made


@pytest.mark.parametrize("channel, image", PLACES)
def test_make_builds_each_image(channel, image):
    done = run("make", "--no-print-directory", "-n", f"build_docker_{channel}_build_{image}")
    assert done.stdout == f"sh docker/build.sh {channel} {image}\n", done.stderr
    both = run(
        "make", "--no-print-directory", "-n", f"build_docker_{channel}_build"
    ).stdout.splitlines()
    assert both == [f"sh docker/build.sh {channel} {image}" for image in IMAGES]


def test_nightly_is_what_is_committed_and_stable_the_last_release(repository):
    repository.git("tag", "-a", "v1", "-m", "one")
    repository.commit("second")
    (repository.path / "serve.py").write_text("not committed")
    (repository.path / "secret.txt").write_text("of the user")
    for channel, text, commit in (("nightly", b"second", "HEAD"), ("stable", b"first", "v1")):
        done = repository.build(channel, "server", BUILD_FLAGS="--build-arg BASE=b")
        assert done.returncode == 0, done.stderr
        words, files = repository.built()
        revision = repository.git("rev-parse", f"{commit}^{{commit}}")
        assert words == (
            f"build --file docker/Dockerfile.server --tag etagger/server:{channel} --label "
            f"org.opencontainers.image.revision={revision} --build-arg BASE=b -\n"
        )
        assert files["serve.py"] == text and "docker/Dockerfile.server" in files
        assert "secret.txt" not in files and not any(".git/" in name for name in files)


@pytest.mark.parametrize(
    "words, environment, line",
    [
        (["stable", "server"], {}, "there is no release yet, a tag of git"),
        (["weekly", "server"], {}, "no docker/weekly/server/build.env; expected nightly or stable"),
        (["nightly", "trainer"], {"DOCKER": "no-such-tool"}, "no-such-tool is not installed"),
    ],
)
def test_what_cannot_be_built_is_one_line(repository, words, environment, line):
    done = repository.build(*words, **environment)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and line in done.stderr
    assert not os.listdir(repository.path / "out")


def test_both_channels_share_a_dockerfile():
    for channel, image in PLACES:
        settings = text_of(f"docker/{channel}/{image}/build.env")
        assert f"DOCKERFILE=docker/Dockerfile.{image}\n" in settings
        assert os.listdir(os.path.join(ROOT, "docker", channel, image)) == ["build.env"]


# ---------------------------------------------------------------- compose, Kubernetes


def test_the_compose_file_gives_no_more_rights_than_needed():
    services = yaml.safe_load(text_of("docker/compose.yaml"))["services"]
    assert {*services} == {*IMAGES}
    for name, service in services.items():
        assert service["image"] == f"etagger/{name}:${{ETAGGER_CHANNEL:-nightly}}"
        assert service["user"] == "10001:10001" and service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(mount.startswith("/tmp:") for mount in service["tmpfs"])
    server = services["server"]
    assert all(port.startswith("127.0.0.1:") for port in server["ports"])
    (model,) = server["volumes"]
    assert model["read_only"] is True and model["target"] == server["command"][0]
    assert server["command"][1:] == ["--workers", str(server["cpus"])]


@pytest.fixture(scope="module")
def manifest():
    """{kind: object}"""
    documents = list(yaml.safe_load_all(text_of("docker/kubernetes.yaml")))
    assert all({"apiVersion", "kind", "metadata", "spec"} == {*document} for document in documents)
    return {document["kind"]: document for document in documents}


def test_the_objects_know_each_other(manifest):
    deployment = manifest["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"].items() <= labels.items()
    assert manifest["Service"]["spec"]["selector"].items() <= labels.items()
    budget = manifest["PodDisruptionBudget"]["spec"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    scaler = manifest["HorizontalPodAutoscaler"]["spec"]
    target = {key: scaler["scaleTargetRef"][key] for key in ("apiVersion", "kind")}
    assert target.items() <= manifest["Deployment"].items()
    assert scaler["scaleTargetRef"]["name"] == manifest["Deployment"]["metadata"]["name"]
    assert "replicas" not in deployment and budget["minAvailable"] < scaler["minReplicas"]
    (container,) = deployment["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert manifest["Service"]["spec"]["ports"][0]["targetPort"] in ports
    volumes = {volume["name"] for volume in deployment["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_a_pod_is_one_process_on_one_core_and_is_probed(manifest):
    pod = manifest["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][1:] == ["--workers", "1"]
    assert [container["resources"][bound]["cpu"] for bound in ("requests", "limits")] == ["1", "1"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")}
    assert paths == {
        "liveness": {"path": "/health", "port": "http"},
        "readiness": {"path": "/ready", "port": "http"},
    }
    assert pod["terminationGracePeriodSeconds"] > 30


def test_a_pod_has_no_more_rights_than_needed(manifest):
    """The restricted profile of Kubernetes' Pod Security Standards."""
    pod = manifest["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert {mount["name"] for mount in container["volumeMounts"] if mount.get("readOnly")} == {
        "model"
    }


# ---------------------------------------------------------------- the tools of others


@pytest.mark.parametrize("image", IMAGES)
def test_hadolint(image):
    done = run(tool("hadolint"), "--no-color", f"docker/Dockerfile.{image}")
    assert done.returncode == 0, done.stdout


def test_shellcheck():
    done = run(tool("shellcheck"), "--external-sources", "docker/build.sh")
    assert done.returncode == 0, done.stdout


def test_kubernetes_validate(tmp_path):
    folder = os.path.join(ROOT, ".containers")
    command = [tool("kubernetes-validate"), "--strict"]
    environment = {**os.environ, "PYTHONPATH": folder}
    done = run(*command, "docker/kubernetes.yaml", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    bad = tmp_path / "bad.yaml"
    bad.write_text(text_of("docker/kubernetes.yaml").replace("containerPort:", "contanerPort:"))
    assert run(*command, bad, env=environment).returncode != 0
