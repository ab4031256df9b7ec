"""Who sends notices, what the senders are told, and what they can reach."""

from typing import Any

import pytest

from service.settings import Settings
from tests.helm.manifest import container, environment, of_kind, pod, selects, the
from tools import check_helm
from tools.check_helm import CHART, MINIMAL, Manifest

WEBHOOK = {"ipBlock": {"cidr": "192.0.2.20/32"}}
MAIL_SERVER = {"ipBlock": {"cidr": "192.0.2.30/32"}}
SAID_IN_MAIL = ("FERMATA_SMTP_", "FERMATA_MAIL_", "FERMATA_BOUNCE_")


@pytest.fixture(scope="session")
def alone() -> list[Manifest]:
    """What comes out where the API's pods send by themselves."""
    return check_helm.render(CHART / "ci" / "alone-values.yaml")


def _settings(
    workload: Manifest, monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str]
) -> Settings:
    """What the service reads in such a pod."""
    for name, variable in environment(workload).items():
        monkeypatch.setenv(name, secrets[name] if "valueFrom" in variable else variable["value"])
    return Settings()


def _reached(policy: Manifest) -> list[tuple[Any, list[int]]]:
    """Where its pods may connect to, and at which ports."""
    return [
        (peer, [port["port"] for port in rule["ports"]])
        for rule in policy["spec"]["egress"]
        for peer in rule["to"]
    ]


# --- who sends


def test_notices_are_sent_by_exactly_one_kind_of_pod(manifests: list[Manifest]) -> None:
    """Where there is a worker the API sends nothing; where there is none it does."""
    deployments = of_kind(manifests, "Deployment")
    workers = [one for one in deployments if container(one)["args"] == ["worker"]]
    says = environment(the(manifests, "Deployment"))["FERMATA_SEND_NOTICES"]["value"]
    assert says == ("false" if workers else "true")
    assert len(deployments) == 1 + len(workers)


def test_a_release_has_a_worker_unless_told_otherwise(minimal: list[Manifest]) -> None:
    """One pod, beside the API's."""
    assert the(minimal, "Deployment", "worker")["spec"]["replicas"] == 1


def test_the_worker_is_asked_for_nothing_over_the_network(full: list[Manifest]) -> None:
    """It has no port, no probe, no Service, and a policy that lets nobody in."""
    worker = the(full, "Deployment", "worker")
    only = container(worker)
    assert not {"ports", "livenessProbe", "readinessProbe", "startupProbe"} & set(only)
    assert not selects(the(full, "Service")["spec"]["selector"], worker)
    assert not selects(the(full, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"], worker)
    assert the(full, "NetworkPolicy", "worker")["spec"]["ingress"] == []


def test_the_worker_runs_where_and_as_the_api_does(full: list[Manifest]) -> None:
    """Image, account, rights, nodes and priority are the same."""
    api, worker = the(full, "Deployment"), the(full, "Deployment", "worker")
    for name in ("image", "imagePullPolicy", "securityContext", "volumeMounts"):
        assert container(worker)[name] == container(api)[name]
    for name in (
        *("serviceAccountName", "automountServiceAccountToken", "securityContext"),
        *("imagePullSecrets", "nodeSelector", "tolerations", "priorityClassName"),
    ):
        assert pod(worker)[name] == pod(api)[name]


def test_a_worker_has_time_to_finish_its_call(full: list[Manifest]) -> None:
    """As much as the values say."""
    assert pod(the(full, "Deployment", "worker"))["terminationGracePeriodSeconds"] == 120


# --- what senders are told


def test_the_worker_reads_what_the_values_say_about_mail(
    full: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service takes each of them as it was meant."""
    secrets = {
        "DATABASE_URL": "x",
        "FERMATA_KEY_ENCRYPTION_KEY": "x",
        "FERMATA_SMTP_PASSWORD": "pw",
    }
    settings = _settings(the(full, "Deployment", "worker"), monkeypatch, secrets)
    server = (settings.smtp_host, settings.smtp_port, settings.smtp_encryption)
    assert server == ("mail.example.org", 465, "tls")
    assert settings.smtp_username == "fermata"
    assert settings.smtp_password is not None
    assert settings.smtp_password.get_secret_value() == "pw"
    addresses = (settings.mail_from, settings.mail_reply_to, settings.bounce_address)
    assert addresses == ("consent@example.org", "help@example.org", "bounces@mail.example.org")
    assert settings.public_url == "https://consent.example.org"
    assert settings.webhook_ports == (443, 8443)


def test_the_api_reads_how_people_sign_in(
    full: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address, client and the client's secret; and that the worker sends, not it."""
    secrets = {
        "DATABASE_URL": "x",
        "FERMATA_KEY_ENCRYPTION_KEY": "x",
        "FERMATA_LOGIN_CLIENT_SECRET": "shh",
        "FERMATA_LOG_SIGNING_KEY": "signs the log",
        "FERMATA_PDP_SIGNING_KEY": "signs metadata",
    }
    settings = _settings(the(full, "Deployment"), monkeypatch, secrets)
    assert settings.public_url == "https://consent.example.org"
    assert settings.login_client_id == "fermata-pages"
    assert settings.login_client_secret is not None
    assert settings.login_client_secret.get_secret_value() == "shh"
    signing = (settings.log_signing_key, settings.pdp_signing_key)
    told = [key and key.get_secret_value() for key in signing]
    assert told == ["signs the log", "signs metadata"]
    assert settings.send_notices is False


def test_api_and_worker_agree_whether_there_is_mail(full: list[Manifest]) -> None:
    """The API says who can be reached, so it knows the mail server though it never calls it."""
    found = [
        {
            name: value
            for name, value in environment(the(full, "Deployment", component)).items()
            if name.startswith(SAID_IN_MAIL) and name not in {*_MAIL_LOGIN}
        }
        for component in ("api", "worker")
    ]
    assert found[0]
    assert found[0] == found[1]


_MAIL_LOGIN = ("FERMATA_SMTP_USERNAME", "FERMATA_SMTP_PASSWORD")


def test_each_secret_is_held_only_where_it_is_used(full: list[Manifest]) -> None:
    """The mail server's password by the worker, the login client's secret by the API."""
    api, worker, job = (
        set(environment(workload))
        for workload in (
            the(full, "Deployment"),
            the(full, "Deployment", "worker"),
            the(full, "Job", "migration"),
        )
    )
    assert {*_MAIL_LOGIN} <= worker
    assert not {*_MAIL_LOGIN} & (api | job)
    assert "FERMATA_LOGIN_CLIENT_SECRET" in api - worker - job


def test_an_api_that_sends_holds_what_a_worker_would() -> None:
    """Without a worker the password of the mail server goes to the API."""
    manifests = check_helm.render(
        CHART / "ci" / "full-values.yaml", values={"worker": {"enabled": False}}
    )
    reference = environment(the(manifests, "Deployment"))["FERMATA_SMTP_PASSWORD"]["valueFrom"]
    assert reference == {"secretKeyRef": {"name": "fermata-mail", "key": "password"}}


def test_without_a_mail_server_nothing_is_said_of_mail(minimal: list[Manifest]) -> None:
    """Not even a default port: no host, no letters."""
    for component in ("api", "worker"):
        variables = environment(the(minimal, "Deployment", component))
        assert not [name for name in variables if name.startswith(SAID_IN_MAIL)]


def test_a_public_client_and_an_open_mail_server_need_no_secret(alone: list[Manifest]) -> None:
    """Only the two that everybody needs are referred to."""
    variables = environment(the(alone, "Deployment"))
    held = {name for name, variable in variables.items() if "valueFrom" in variable}
    assert held == {"DATABASE_URL", "FERMATA_KEY_ENCRYPTION_KEY"}
    assert variables["FERMATA_LOGIN_CLIENT_ID"]["value"] == "fermata-pages"


# --- what senders reach


def test_only_pods_that_send_reach_the_mail_server(full: list[Manifest]) -> None:
    """The worker does, at the port that it was told; the API does not."""
    worker = the(full, "NetworkPolicy", "worker")
    assert selects(worker["spec"]["podSelector"]["matchLabels"], the(full, "Deployment", "worker"))
    assert (MAIL_SERVER, [465]) in _reached(worker)
    assert MAIL_SERVER not in [peer for peer, _ in _reached(the(full, "NetworkPolicy"))]


def test_whoever_calls_the_webhook_reaches_it(full: list[Manifest]) -> None:
    """The worker with notices, the API with the challenge by which an endpoint proves itself."""
    for component in ("api", "worker"):
        policy = the(full, "NetworkPolicy", component)
        assert (WEBHOOK, [443, 8443]) in _reached(policy)


def test_an_api_that_sends_reaches_mail_and_webhooks(alone: list[Manifest]) -> None:
    """There is nobody else to do it."""
    api = _reached(the(alone, "NetworkPolicy"))
    assert (WEBHOOK, [443]) in api
    assert (MAIL_SERVER, [587]) in api


def test_no_rule_lets_pods_connect_to_everywhere(manifests: list[Manifest]) -> None:
    """Kubernetes takes an empty list of peers for all of them, so none is ever written."""
    for policy in of_kind(manifests, "NetworkPolicy"):
        assert all(rule["to"] for rule in policy["spec"]["egress"])


def test_a_worker_without_mail_and_webhooks_reaches_its_database_alone() -> None:
    """Lists left empty open nothing."""
    database, issuer = {"ipBlock": {"cidr": "10.0.0.5/32"}}, {"ipBlock": {"cidr": "10.0.0.6/32"}}
    network = {"enabled": True, "databaseTo": [database], "issuerTo": [issuer], "dnsTo": []}
    manifests = check_helm.render(MINIMAL, values={"networkPolicy": network})
    assert _reached(the(manifests, "NetworkPolicy", "worker")) == [(database, [5432])]
