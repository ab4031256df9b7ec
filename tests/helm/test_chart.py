"""What has to be true of the manifests, whatever the chart looks like inside."""

import re
from typing import Any

import pytest

from service.settings import Settings
from tests.helm.manifest import (
    HOOK,
    WEIGHT,
    annotations,
    container,
    environment,
    is_hook,
    of_kind,
    pod,
    selects,
    the,
    workloads,
)
from tools import check_helm
from tools.check_helm import CHART, MINIMAL, Manifest

SECRETS = (
    "DATABASE_URL",
    "FERMATA_KEY_ENCRYPTION_KEY",
    "FERMATA_LOGIN_CLIENT_SECRET",
    "FERMATA_LOG_SIGNING_KEY",
    "FERMATA_PDP_SIGNING_KEY",
    "FERMATA_SMTP_PASSWORD",
)
NETWORK = {
    "enabled": True,
    "databaseTo": [{"ipBlock": {"cidr": "10.0.0.5/32"}}],
    "issuerTo": [{"ipBlock": {"cidr": "192.0.2.10/32"}}],
}


def test_what_is_rendered_is_what_kubernetes_takes(manifests: list[Manifest]) -> None:
    """Every manifest fits the schemas of Kubernetes, with no field that they do not know."""
    for manifest in manifests:
        check_helm.validate(manifest)


@pytest.mark.parametrize("refusal", check_helm.REFUSALS, ids=lambda refusal: refusal.what)
def test_values_that_must_not_install_are_refused_with_the_reason(
    refusal: check_helm.Refusal,
) -> None:
    """What is missing, unknown, mistyped or unsafe stops the install and is named."""
    check_helm.refuse(refusal)


# --- secrets


def test_no_secret_is_made_and_none_is_written_out(manifests: list[Manifest]) -> None:
    """Secrets are named, never carried: there is no Secret, and their variables hold references."""
    assert not of_kind(manifests, "Secret")
    for workload in workloads(manifests):
        variables = environment(workload)
        for name in SECRETS:
            assert "value" not in variables.get(name, {})
        assert set(variables["DATABASE_URL"]["valueFrom"]) == {"secretKeyRef"}
    key = environment(the(manifests, "Deployment"))["FERMATA_KEY_ENCRYPTION_KEY"]
    assert set(key["valueFrom"]) == {"secretKeyRef"}


def test_the_secrets_are_the_ones_that_the_values_name(full: list[Manifest]) -> None:
    """Name and key are the operator's."""
    variables = {
        **environment(the(full, "Deployment")),
        **environment(the(full, "Deployment", "worker")),
    }
    found = [variables[name]["valueFrom"]["secretKeyRef"] for name in SECRETS]
    assert found == [
        {"name": "postgres-app", "key": "uri"},
        {"name": "fermata-keys", "key": "current"},
        {"name": "fermata-login", "key": "client-secret"},
        {"name": "fermata-log", "key": "FERMATA_LOG_SIGNING_KEY"},
        {"name": "fermata-pdp", "key": "FERMATA_PDP_SIGNING_KEY"},
        {"name": "fermata-mail", "key": "password"},
    ]


def test_a_pod_without_its_secret_does_not_start(manifests: list[Manifest]) -> None:
    """No reference is optional, so a missing Secret is an error at once and not a bare setting."""
    for workload in workloads(manifests):
        for variable in environment(workload).values():
            reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
            assert "optional" not in reference


def test_the_migration_does_not_hold_the_key_to_what_artists_said(minimal: list[Manifest]) -> None:
    """It changes tables and reads nothing that was said."""
    assert "FERMATA_KEY_ENCRYPTION_KEY" not in environment(the(minimal, "Job", "migration"))


# --- settings


def test_the_service_is_told_its_issuer_and_its_audience(minimal: list[Manifest]) -> None:
    """They are what the values say."""
    variables = environment(the(minimal, "Deployment"))
    assert variables["FERMATA_ISSUER"]["value"] == "https://login.example.org"
    assert variables["FERMATA_AUDIENCE"]["value"] == "https://fermata.example.org"


def test_the_local_issuer_is_off_whatever_the_image_says(manifests: list[Manifest]) -> None:
    """It signs a token for anybody who asks, so every container says no to it by name."""
    for workload in workloads(manifests):
        assert environment(workload)["FERMATA_LOCAL_ISSUER"] == {
            "name": "FERMATA_LOCAL_ISSUER",
            "value": "false",
        }


def test_every_variable_is_one_that_the_service_reads(full: list[Manifest]) -> None:
    """A renamed setting cannot leave the chart behind."""
    known = {"DATABASE_URL", *(f"FERMATA_{name.upper()}" for name in Settings.model_fields)}
    for workload in workloads(full):
        assert set(environment(workload)) <= known


def test_the_service_takes_what_the_chart_tells_it(
    minimal: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service reads the chart's variables as they were meant."""
    secret = {"DATABASE_URL": "postgresql://db/fermata", "FERMATA_KEY_ENCRYPTION_KEY": "aGVsZA=="}
    for name, variable in environment(the(minimal, "Deployment")).items():
        monkeypatch.setenv(name, variable.get("value") or secret[name])
    settings = Settings()
    assert settings.database_url == secret["DATABASE_URL"]
    assert settings.issuer == "https://login.example.org"
    assert settings.audience == "https://fermata.example.org"
    assert not settings.local_issuer


def test_a_pod_runs_as_many_processes_as_it_is_told(
    minimal: list[Manifest], full: list[Manifest]
) -> None:
    """One unless the values say otherwise; nothing else in the environment decides."""
    told = [environment(the(one, "Deployment"))["FERMATA_WORKERS"] for one in (minimal, full)]
    assert [variable["value"] for variable in told] == ["1", "2"]
    assert "FERMATA_WORKERS" not in environment(the(full, "Deployment", "worker"))


def test_further_settings_reach_the_service_and_the_migration(full: list[Manifest]) -> None:
    """Text stays text."""
    for workload in workloads(full):
        assert environment(workload)["FERMATA_HEAD_TIMEOUT_MS"]["value"] == "1500"


def test_no_service_of_the_namespace_writes_into_the_settings(manifests: list[Manifest]) -> None:
    """Kubernetes would give every pod FERMATA_PORT=tcp://... for a Service called fermata."""
    for workload in workloads(manifests):
        assert pod(workload)["enableServiceLinks"] is False


# --- probes and stopping


def test_probes_ask_the_right_question(manifests: list[Manifest]) -> None:
    """Only being alive decides about a restart, so a database that is away restarts nothing."""
    api = container(the(manifests, "Deployment"))
    asked = {
        name: api[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert asked == {
        "startupProbe": {"path": "/livez", "port": "http"},
        "livenessProbe": {"path": "/livez", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }


def test_the_port_is_the_one_that_is_served_probed_and_called(manifests: list[Manifest]) -> None:
    """Arguments, container port and Service agree."""
    api = container(the(manifests, "Deployment"))
    assert api["args"] == ["serve", "--host", "0.0.0.0", "--port", "8080"]  # noqa: S104
    assert [(port["name"], port["containerPort"]) for port in api["ports"]] == [("http", 8080)]
    (port,) = the(manifests, "Service")["spec"]["ports"]
    assert port["targetPort"] == "http"


def test_a_pod_has_minutes_to_read_a_large_ledger(minimal: list[Manifest]) -> None:
    """A slow start is no reason to be killed."""
    probe = container(the(minimal, "Deployment"))["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 300


def test_a_stopping_pod_first_leaves_the_traffic_and_then_finishes(minimal: list[Manifest]) -> None:
    """It goes on answering while it is forgotten, and has time left after that."""
    api = the(minimal, "Deployment")
    pause = container(api)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 0 < pause < pod(api)["terminationGracePeriodSeconds"]


def test_an_upgrade_takes_no_pod_away_before_its_successor_is_ready(
    manifests: list[Manifest],
) -> None:
    """There is never less than what was asked for."""
    rolling = the(manifests, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


# --- the migration


def test_the_migration_runs_before_the_deployment(minimal: list[Manifest]) -> None:
    """It is a hook of both verbs, and the Deployment is none: Helm waits for it to succeed."""
    job = the(minimal, "Job", "migration")
    assert annotations(job)[HOOK] == "pre-install,pre-upgrade"
    assert container(job)["args"] == ["migrate"]
    assert pod(job)["restartPolicy"] == "Never"
    assert not is_hook(the(minimal, "Deployment"))


def test_the_migration_is_of_the_release_that_it_prepares(manifests: list[Manifest]) -> None:
    """One image for both."""
    assert len({container(workload)["image"] for workload in workloads(manifests)}) == 1


@pytest.mark.parametrize("account", [{"create": True}, {"create": False, "name": "platform"}])
def test_the_migration_needs_nothing_that_is_made_after_it(account: dict[str, Any]) -> None:
    """A first install has nothing yet: the account is an earlier hook or older than the release."""
    manifests = check_helm.render(MINIMAL, values={"serviceAccount": account})
    job = the(manifests, "Job", "migration")
    before = [
        one["metadata"]["name"]
        for one in of_kind(manifests, "ServiceAccount")
        if is_hook(one) and int(annotations(one)[WEIGHT]) < int(annotations(job)[WEIGHT])
    ]
    assert pod(job)["serviceAccountName"] in ([*before] or ["platform"])


def test_a_failed_migration_is_kept_for_a_look(minimal: list[Manifest]) -> None:
    """Only success and the next attempt remove it."""
    policy = annotations(the(minimal, "Job", "migration"))["helm.sh/hook-delete-policy"]
    assert set(policy.split(",")) == {"before-hook-creation", "hook-succeeded"}


# --- security


def test_pods_have_no_rights_that_they_do_not_need(manifests: list[Manifest]) -> None:
    """Not root, no capabilities, nothing to write but /tmp, no token of the cluster."""
    for workload in workloads(manifests):
        of_pod, of_container = pod(workload), container(workload)
        assert of_pod["securityContext"]["runAsNonRoot"] is True
        assert of_pod["securityContext"]["runAsUser"] > 0
        assert of_pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert of_container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert of_pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(of_pod)
        assert [mount["mountPath"] for mount in of_container["volumeMounts"]] == ["/tmp"]  # noqa: S108
        assert all(set(volume) == {"name", "emptyDir"} for volume in of_pod["volumes"])


def test_every_pod_says_what_it_needs(manifests: list[Manifest]) -> None:
    """A node is never overfilled by memory that nobody asked for."""
    for workload in workloads(manifests):
        resources = container(workload)["resources"]
        assert set(resources["requests"]) >= {"cpu", "memory"}
        assert "memory" in resources["limits"]


# --- selection, scaling, network


def test_traffic_and_budgets_are_about_the_api_alone(full: list[Manifest]) -> None:
    """A pod that migrates or sends gets no request and counts for no budget."""
    api = the(full, "Deployment")
    others = [the(full, "Job", "migration"), the(full, "Deployment", "worker")]
    selectors = [
        the(full, "Service")["spec"]["selector"],
        the(full, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        the(full, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        api["spec"]["selector"]["matchLabels"],
        *(
            spread["labelSelector"]["matchLabels"]
            for spread in pod(api)["topologySpreadConstraints"]
        ),
    ]
    for selector in selectors:
        assert selects(selector, api)
        assert not any(selects(selector, other) for other in others)


def test_two_releases_in_one_namespace_keep_apart(minimal: list[Manifest]) -> None:
    """No selector and no name of one fits the other."""
    other = check_helm.render(MINIMAL, release="second")
    selector = the(minimal, "Deployment")["spec"]["selector"]["matchLabels"]
    assert not selects(selector, the(other, "Deployment"))
    names = [{(one["kind"], one["metadata"]["name"]) for one in both} for both in (minimal, other)]
    assert not names[0] & names[1]


def test_an_autoscaler_alone_decides_how_many(full: list[Manifest]) -> None:
    """Otherwise every upgrade would set the number back."""
    api = the(full, "Deployment")
    assert "replicas" not in api["spec"]
    target = the(full, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", api["metadata"]["name"])


def test_a_budget_never_stops_a_drain_for_ever(minimal: list[Manifest]) -> None:
    """It says how many may be away, which fits a single pod too; failing pods do not count."""
    budget = the(minimal, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_a_network_policy_that_lists_nobody_lets_nobody_in() -> None:
    """Nothing means no."""
    manifests = check_helm.render(MINIMAL, values={"networkPolicy": NETWORK})
    policy = the(manifests, "NetworkPolicy")["spec"]
    assert policy["ingress"] == []
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}


def test_those_listed_may_call_the_api_and_nothing_else(full: list[Manifest]) -> None:
    """One rule, one port."""
    (rule,) = the(full, "NetworkPolicy")["spec"]["ingress"]
    assert rule["ports"] == [{"port": "http", "protocol": "TCP"}]
    assert len(rule["from"]) == 2


def test_the_migration_reaches_its_database_and_nothing_else(full: list[Manifest]) -> None:
    """Its policy is there before it is, and opens DNS and the database."""
    policy, job = the(full, "NetworkPolicy", "migration"), the(full, "Job", "migration")
    assert selects(policy["spec"]["podSelector"]["matchLabels"], job)
    assert int(annotations(policy)[WEIGHT]) < int(annotations(job)[WEIGHT])
    assert policy["spec"]["ingress"] == []
    ports = [sorted({port["port"] for port in rule["ports"]}) for rule in policy["spec"]["egress"]]
    assert ports == [[53], [6432]]


def test_the_longest_release_name_still_fits() -> None:
    """Names stay within the 63 characters of a label, suffixes included."""
    manifests = check_helm.render(MINIMAL, release="r" * 53)
    for manifest in manifests:
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", manifest["metadata"]["name"])


# --- the judge itself


def test_the_check_sees_a_field_that_kubernetes_does_not_know(minimal: list[Manifest]) -> None:
    """A misspelt field would be dropped in silence by a cluster; here it fails."""
    service = the(minimal, "Service")
    bad = {**service, "spec": {**service["spec"], "sesionAffinity": "None"}}
    with pytest.raises(check_helm.InvalidManifestError, match="sesionAffinity"):
        check_helm.validate(bad)


def test_the_check_sees_a_kind_that_kubernetes_does_not_know() -> None:
    """What no schema describes is not taken on trust."""
    made_up = {"apiVersion": "v1", "kind": "Fermata", "metadata": {"name": "x"}}
    with pytest.raises(check_helm.InvalidManifestError, match="Fermata"):
        check_helm.validate(made_up)


def test_the_check_sees_a_key_that_is_there_twice(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """YAML readers keep the last and say nothing."""
    chart = tmp_path_factory.mktemp("chart")
    (chart / "templates").mkdir()
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: twice\nversion: 1.0.0\n")
    (chart / "templates" / "a.yaml").write_text("kind: A\nkind: B\n")
    monkeypatch.setattr(check_helm, "CHART", chart)
    with pytest.raises(check_helm.InvalidManifestError, match="twice"):
        check_helm.render()


def test_all_values_files_are_tried() -> None:
    """The folder is not empty, and every file in it is found."""
    assert set(check_helm.values_files()) == set((CHART / "ci").iterdir())
