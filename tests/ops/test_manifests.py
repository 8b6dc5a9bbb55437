"""The Kubernetes manifests, as far as that can be known without a cluster."""

import re
import shutil
import subprocess

import pytest
import yaml

from manifests import OVERLAYS, ROOT, Rendered, chosen, containers, seconds
from parley_dev import build, certificates
from parley_ops import manifests as rendering

PROGRAMS = {"parley-c2s", "parley-router", "parley-roster", "parleyctl", "openssl"}
# Made by the operator, docs/install.md says how.
OUTSIDE_SECRETS = {
    "dev": set(),
    "prod": {"parley-redis", "parley-redis-ca", "parley-postgres", "parley-postgres-ca", "parley-tls",
             "parley-tls-tickets"},
}
needs_kustomize = pytest.mark.skipif(rendering.kustomize() is None, reason="neither kustomize 5 nor kubectl with it")


@pytest.fixture(params=OVERLAYS)
def rendered(request):
    return Rendered(request.param)


def test_golden_files_are_of_these_sources():
    wanted = rendering.digest(ROOT)
    for overlay in OVERLAYS:
        first = (ROOT / "tests" / "golden" / f"k8s-{overlay}.yaml").read_text().splitlines()[0]
        assert first.startswith(f"# {wanted};"), "run ./parley generate (needs kubectl or kustomize)"


@needs_kustomize
def test_golden_files_are_what_kustomize_makes():
    from parley_ops import generate

    assert generate.stale(ROOT, rendering.files(ROOT)) == [], "run ./parley generate"


@needs_kustomize
def test_change_of_configuration_or_password_rolls_out(tmp_path):
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    before = Rendered("dev", rendering.render(tmp_path, "dev"))
    overlay = tmp_path / "deploy" / "k8s" / "overlays" / "dev"
    with open(overlay / "parley.yaml", "a", encoding="utf-8") as file:
        file.write("c2s: {idle_ping: 3m}\n")
    kustomization = overlay / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("password=parley-dev", "password=another"))
    after = Rendered("dev", rendering.render(tmp_path, "dev"))
    for (component, was), (_, now) in zip(before.services(), after.services()):
        references = [{v["name"]: v for v in template["spec"]["volumes"]} for template in (was, now)]
        assert references[0]["config"] != references[1]["config"], component
        password = "postgres-password" if component == "roster" else "redis-password"
        assert references[0][password] != references[1][password], component


# -- pods --------------------------------------------------------------------------------------------------------------


def test_pods_meet_the_restricted_standard(rendered):
    """Kubernetes' pod security standard "restricted"; and no token, no writable root."""
    for whose, template in rendered.pods():
        spec = template["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), whose
        assert spec["automountServiceAccountToken"] is False, whose
        assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0, whose
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, whose
        for volume in spec["volumes"]:
            assert volume.keys() - {"name"} <= {"configMap", "secret", "emptyDir", "projected"}, (whose, volume)
        for container in containers(template):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, whose
            assert context["capabilities"] == {"drop": ["ALL"]}, whose
            assert context["readOnlyRootFilesystem"] is True, whose


def test_pods_ask_for_what_they_need(rendered):
    for whose, template in rendered.pods():
        for container in containers(template):
            resources = container["resources"]
            assert {"cpu", "memory"} <= resources["requests"].keys() and "memory" in resources["limits"], whose
            assert "cpu" not in resources["limits"], f"{whose}: a CPU limit stops a whole event loop"
            assert re.search(r":[\w.-]+$", container["image"]) and not container["image"].endswith(":latest"), whose


SIZE = (ROOT / "docs" / "size.md").read_text()


def test_pods_of_prod_ask_for_what_the_page_on_size_says():
    table = re.findall(r"^\| (\w+) \| ([\w.]+) \| (\w+i) \| (\w+i) \|$", SIZE, re.MULTILINE)
    said = {pod: {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}} for pod, cpu, memory, limit in table}
    asked = {container["name"]: container["resources"] for _, template in Rendered("prod").pods()
             for container in containers(template)}
    assert asked == said


def test_sums_of_the_page_on_size_are_right():
    sums = re.findall(r"`([\d.*/+() ]+) = (\d+)`", SIZE)
    assert len(sums) >= 8
    for terms, result in sums:
        assert round(eval(terms)) == int(result), terms  # pylint: disable=eval-used


def test_page_on_size_goes_by_the_ceilings_in_force():
    """Of defaults that a sum on the page is made of, and of the autoscaler's aim."""
    reference = (ROOT / "docs" / "configuration.md").read_text()
    for key, sum_with_it in {
        "c2s.max_connections": "`{} * 27 / 1024", "router.max_accounts_cached": "`({} * 1.5",
        "router.max_rosters_cached": " + {} * 20) / 1024",
    }.items():
        default = re.search(rf"^\| `{key}` \| `(\d+)`", reference, re.MULTILINE)[1]
        assert sum_with_it.format(default) in SIZE, key
    scaler = Rendered("prod").one("HorizontalPodAutoscaler", "parley-c2s")
    aim = int(scaler["spec"]["metrics"][1]["pods"]["target"]["averageValue"])
    assert f"the {aim:,} connections that the autoscaler aims at" in SIZE


def test_commands_are_in_the_image(rendered):
    installed = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    for whose, template in rendered.pods():
        for container in containers(template):
            if "parley" not in container["image"]:
                continue
            program = container["command"][0]
            assert program in PROGRAMS and program in installed, whose


def test_probes_and_ports(rendered):
    for component, template in rendered.services():
        (container,) = template["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        assert "admin" in ports, component
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": "admin"}, component


def default_drain(component):
    reference = (ROOT / "docs" / "configuration.md").read_text()
    return re.search(rf"`{component}\.drain_timeout` \| `([^`]+)`", reference)[1]


def test_grace_period_covers_the_drain(rendered):
    config = yaml.safe_load(rendered.config_text())
    for component, template in rendered.services():
        (container,) = template["spec"]["containers"]
        asleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drain = seconds(config.get(component, {}).get("drain_timeout") or default_drain(component))
        assert drain > 0
        spare = template["spec"]["terminationGracePeriodSeconds"] - asleep - drain
        assert 5 <= spare <= 30, component


# -- configuration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["c2s", "router", "roster"])
def test_configuration_is_accepted_by_the_services(rendered, service, tmp_path):
    """With the files where they are here; everything else as it stands in the ConfigMap."""
    text = rendered.config_text()
    domain = yaml.safe_load(text)["hosts"][0]["domain"]
    made = certificates.ensure(tmp_path, [domain])
    for there, here in (("tls.crt", "certificate"), ("tls.key", "key")):
        text = text.replace(f"/etc/parley/tls/{there}", str(made[here]))
    text = text.replace("/etc/parley/inner", str(certificates.ensure_roles(tmp_path) / service))
    text = re.sub(r"/etc/parley/(redis|postgres)-ca/ca.crt", str(made["ca"]), text)
    (tmp_path / "parley.yaml").write_text(text)
    program = build.directory() / "bin" / f"parley-{service}"
    command = [str(program), "--config", str(tmp_path / "parley.yaml"), "--check-config"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_files_that_the_configuration_names_are_mounted(rendered):
    users = {"tls": ["c2s"], "tickets": ["c2s"], "inner": ["c2s", "router", "roster"]}
    users |= {"redis-ca": ["c2s", "router"], "postgres-ca": ["roster"]}
    named = set(re.findall(r"/etc/parley/([\w-]+)", rendered.config_text()))
    assert "tls" in named and named <= users.keys()
    for name in named:
        for component in users[name]:
            (container,) = dict(rendered.services())[component]["spec"]["containers"]
            assert f"/etc/parley/{name}" in {mount["mountPath"] for mount in container["volumeMounts"]}, component


def test_each_service_has_a_certificate_of_its_role_in_production():
    rendered = Rendered("prod")
    config = yaml.safe_load(rendered.config_text())
    assert config["mtls"]["directory"] == "/etc/parley/inner"
    assert config["redis"]["tls"] is True and config["postgres"]["tls"] == "verify-full"
    names = {c["spec"]["secretName"]: c["spec"].get("dnsNames") for c in rendered.of("Certificate")}
    for component, template in rendered.services():
        volumes = {v["name"]: v["secret"]["secretName"] for v in template["spec"]["volumes"] if "secret" in v}
        assert names[volumes["inner-tls"]] == [f"{component}.parley.internal"]
        assert ("operator-tls" in volumes) == (component == "router"), "where parleyctl is run"
    assert names["parley-operator-tls"] == ["admin.parley.internal"]


def prod_with(component, directory):
    """The prod overlay with the line of a component no longer commented out."""
    shutil.copytree(ROOT / "deploy", directory / "deploy")
    kustomization = directory / "deploy" / "k8s" / "overlays" / "prod" / "kustomization.yaml"
    text = kustomization.read_text()
    line = f"- ../../components/{component}"
    assert f"  # {line}" in text
    kustomization.write_text(text.replace(f"# {line}", line))
    return Rendered("prod", rendering.render(directory, "prod"))


@needs_kustomize
def test_proxy_protocol_is_one_line_in_the_overlay(tmp_path):
    rendered = prod_with("proxy-protocol", tmp_path)
    (container,) = dict(rendered.services())["c2s"]["spec"]["containers"]
    at = container["command"].index("--set")
    assert container["command"][at + 1].startswith("c2s.trusted_proxies=")
    assert "proxy-protocol" in "".join(rendered.one("Service", "parley-c2s")["metadata"]["annotations"])


@needs_kustomize
def test_tracing_is_one_line_in_the_overlay(tmp_path):
    rendered = prod_with("tracing", tmp_path)
    reference = (ROOT / "docs" / "configuration.md").read_text()
    for component, template in rendered.services():
        command = template["spec"]["containers"][0]["command"]
        settings = dict(command[at + 1].split("=", 1) for at, word in enumerate(command) if word == "--set")
        assert settings["tracing.endpoint"].startswith("http://"), component
        assert 0 < float(settings["tracing.sample_ratio"]) < 1, component
        assert all(f"`{key}`" in reference for key in settings)
        port = int(settings["tracing.endpoint"].rsplit(":", 1)[1])
        policy = rendered.one("NetworkPolicy", "parley-tracing")["spec"]
        assert chosen(policy["podSelector"], template["metadata"]["labels"]), component
        assert [rule["ports"] for rule in policy["egress"]] == [[{"port": port}]]


def test_passwords_come_from_secrets_as_files(rendered):
    reference = (ROOT / "docs" / "configuration.md").read_text()
    for whose, template in rendered.pods():
        for container in containers(template):
            mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
            for variable in container.get("env", []):
                if variable["name"].startswith("PARLEY_"):
                    assert variable["name"].endswith("_PASSWORD_FILE"), whose
                    assert variable["name"].removesuffix("_FILE") in reference, whose
                    assert variable["value"].rsplit("/", 1)[0] in mounted, whose
    assert "password" not in "".join(str(document["data"]) for document in rendered.of("ConfigMap"))


def test_what_pods_mount_exists(rendered):
    names = {kind: {d["metadata"]["name"] for d in rendered.of(kind)} for kind in ("ConfigMap", "Secret")}
    names["Secret"] |= OUTSIDE_SECRETS[rendered.overlay]
    names["Secret"] |= {certificate["spec"]["secretName"] for certificate in rendered.of("Certificate")}
    for whose, template in rendered.pods():
        declared = set()
        for volume in template["spec"]["volumes"]:
            declared.add(volume["name"])
            if "configMap" in volume:
                assert volume["configMap"]["name"] in names["ConfigMap"], whose
            if "secret" in volume:
                assert volume["secret"]["secretName"] in names["Secret"], whose
        claims = {"data"} if "StatefulSet" in whose else set()
        for container in containers(template):
            assert {mount["name"] for mount in container["volumeMounts"]} <= declared | claims, whose


# -- around the pods ---------------------------------------------------------------------------------------------------


def test_services_lead_to_ports_of_pods(rendered):
    config = yaml.safe_load(rendered.config_text())
    for service in rendered.of("Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        matching = [template for _, template in rendered.pods() if chosen(selector, template["metadata"]["labels"])]
        assert len(matching) == 1, service["metadata"]["name"]
        ports = matching[0]["spec"]["containers"][0]["ports"]
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            (found,) = [p for p in ports if target in (p.get("name"), p["containerPort"])]
            assert found["containerPort"] == port["port"]
    for list_of, name in (("routers", "parley-router"), ("rosters", "parley-roster")):
        service = rendered.one("Service", name)
        assert service["spec"]["clusterIP"] == "None", "discovery needs every address"
        assert config["cluster"][list_of] == [f"{name}:{service['spec']['ports'][0]['port']}"]
    assert rendered.one("Service", "parley-c2s")["spec"]["externalTrafficPolicy"] == "Local"


def test_disruption_budgets_and_spreading(rendered):
    budgets = {b["metadata"]["name"]: b["spec"] for b in rendered.of("PodDisruptionBudget")}
    for component, template in rendered.services():
        assert chosen(budgets[f"parley-{component}"]["selector"], template["metadata"]["labels"])
        spreads = template["spec"]["topologySpreadConstraints"]
        assert [s["topologyKey"] for s in spreads] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert all(chosen(s["labelSelector"], template["metadata"]["labels"]) for s in spreads)


def test_autoscalers_and_the_adapters_rule():
    rendered = Rendered("prod")
    rules = yaml.safe_load((ROOT / "deploy/k8s/components/autoscaling/prometheus-adapter-rules.yaml").read_text())
    served = {rule["name"]["as"] for rule in rules["rules"]["custom"]}
    known = (ROOT / "tests" / "golden" / "metrics-c2s.txt").read_text()
    scalers = {a["spec"]["scaleTargetRef"]["name"]: a["spec"] for a in rendered.of("HorizontalPodAutoscaler")}
    assert scalers.keys() == {"parley-c2s", "parley-router", "parley-roster"}
    wanted = [m["pods"]["metric"]["name"] for spec in scalers.values() for m in spec["metrics"] if m["type"] == "Pods"]
    assert set(wanted) == served and all(f"{name} gauge" in known for name in wanted)
    # A Deployment with replicas would be set back at every apply.
    assert all("replicas" not in document["spec"] for document in rendered.of("Deployment"))


def allowed(rendered, source, target, port):
    """Whether the policies let a pod with labels `source` reach `target` at the port (number and name)."""

    def reaches(policy, direction, me, other):
        if not chosen(policy["spec"]["podSelector"], me):
            return False
        peers = {"ingress": "from", "egress": "to"}[direction]
        for rule in policy["spec"].get(direction, []):
            right_port = "ports" not in rule or any(p["port"] in port for p in rule["ports"])
            right_peer = peers not in rule or any(
                "podSelector" in peer and chosen(peer["podSelector"], other) for peer in rule[peers]
            )
            if right_port and right_peer:
                return True
        return False

    policies = rendered.of("NetworkPolicy")
    return any(reaches(p, "egress", source, target) for p in policies) and any(
        reaches(p, "ingress", target, source) for p in policies
    )


def test_network_policies_let_through_what_is_needed_and_no_more():
    rendered = Rendered("dev")
    every = [template["metadata"]["labels"] for _, template in rendered.pods()]
    labels = {own.get("app.kubernetes.io/component") or own["app.kubernetes.io/name"]: own for own in every}
    ports = {"router": (7400, "grpc"), "roster": (7500, "grpc"), "redis": (6379,), "postgres": (5432,)}
    reachable = {
        (source, target)
        for source in labels
        for target in ports
        if allowed(rendered, labels[source], labels[target], ports[target])
    }
    assert reachable == {
        *(("c2s", to) for to in ("router", "roster", "redis")),
        *(("router", to) for to in ("router", "roster", "redis")),
        ("roster", "postgres"),
        ("migrate", "postgres"),
    }
    (deny,) = [p for p in rendered.of("NetworkPolicy") if p["metadata"]["name"] == "parley-deny"]
    assert all(chosen(deny["spec"]["podSelector"], label) for label in labels.values())


def test_migration_job_can_be_applied_again(rendered):
    job = rendered.one("Job", "parley-migrate")["spec"]
    assert job["ttlSecondsAfterFinished"] <= 60
    (container,) = job["template"]["spec"]["containers"]
    assert container["command"][:2] == ["parley-roster", "--migrate-only"]
    assert yaml.safe_load(rendered.config_text())["roster"]["migrate"] is False
