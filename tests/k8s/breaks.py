"""Small ways to break the manifests; each must be noticed, or a check is worth nothing."""

import copy
from collections.abc import Callable, Iterator


def broken(rendered: dict[str, list[dict]]) -> Iterator[tuple[str, list[dict]]]:
    """Each break with a copy of the overlay's objects that has it."""
    for overlay, breaks in (("prod", BREAKS), ("prod-mail", MAIL_BREAKS)):
        docs = rendered[overlay]
        for what, change in breaks:
            copied = copy.deepcopy(docs)
            change(copied)
            assert copied != docs, f"{what}: changed nothing"
            yield what, copied


def one(docs: list[dict], kind: str, name: str | None = None) -> dict:
    return next(d for d in docs if d["kind"] == kind and name in (None, d["metadata"]["name"]))


def pod(docs: list[dict], name: str = "tickets") -> dict:
    return one(docs, "Deployment", name)["spec"]["template"]["spec"]


def box(docs: list[dict], name: str = "tickets") -> dict:
    return pod(docs, name)["containers"][0]


def drop(docs: list[dict], kind: str, name: str | None = None) -> None:
    docs.remove(one(docs, kind, name))


def settings(docs: list[dict]) -> dict:
    return next(d for d in docs if d["kind"] == "ConfigMap" and "MANYDESK_LOG" in d["data"])["data"]


def environment(docs: list[dict], name: str, entry: dict) -> None:
    env = box(docs, name)["env"]
    env[:] = [e for e in env if e["name"] != entry["name"]] + [entry]


def reversed_environment(docs: list[dict]) -> None:
    box(docs)["env"].reverse()


def role(docs: list[dict]) -> dict:
    return one(docs, "Cluster")["spec"]["managed"]["roles"][0]


def operator(docs: list[dict]) -> dict:
    jobs = [d for d in docs if d["kind"] == "Job" and d["metadata"]["name"].startswith("operator-")]
    return jobs[0]["spec"]["template"]["spec"]["containers"][0]


def operator_secret(docs: list[dict], variable: str, reference: dict) -> None:
    entry = next(e for e in operator(docs)["env"] if e["name"] == variable)
    entry["valueFrom"]["secretKeyRef"].update(reference)


def rules(docs: list[dict]) -> list[dict]:
    return one(docs, "PrometheusRule")["spec"]["groups"][0]["rules"]


def board(docs: list[dict]) -> dict:
    return one(docs, "ConfigMap", "manydesk-dashboard")["data"]


def policy(docs: list[dict], name: str) -> dict:
    return one(docs, "NetworkPolicy", name)["spec"]


BREAKS: list[tuple[str, Callable[[list[dict]], object]]] = [
    ("a misspelt field", lambda d: box(d).update(livenesProbe={})),
    ("a number where a text must be", lambda d: settings(d).update(MANYDESK_LOG=7)),
    ("a kind nobody knows", lambda d: d.append({"apiVersion": "example.com/v1", "kind": "Surprise", "metadata": {"name": "x", "namespace": "manydesk"}, "spec": {}})),
    ("a kind of an old version", lambda d: one(d, "HorizontalPodAutoscaler").update(apiVersion="autoscaling/v2beta2")),
    ("an unknown field of the database", lambda d: one(d, "Cluster")["spec"].update(instance=3)),
    ("an unknown field of a route", lambda d: one(d, "GRPCRoute")["spec"].update(hostname="x")),
    ("no probe", lambda d: box(d).pop("readinessProbe")),
    ("a probe of a port that is not there", lambda d: box(d)["livenessProbe"]["grpc"].update(port=50052)),
    ("no memory limit", lambda d: box(d)["resources"].pop("limits")),
    ("no cpu request", lambda d: box(d)["resources"]["requests"].pop("cpu")),
    ("a writable root filesystem", lambda d: box(d)["securityContext"].update(readOnlyRootFilesystem=False)),
    ("a capability kept", lambda d: box(d)["securityContext"].update(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]})),
    ("privileges to gain", lambda d: box(d)["securityContext"].pop("allowPrivilegeEscalation")),
    ("root", lambda d: pod(d)["securityContext"].pop("runAsNonRoot")),
    ("no seccomp profile", lambda d: pod(d)["securityContext"].pop("seccompProfile")),
    ("the node's network", lambda d: pod(d).update(hostNetwork=True)),
    ("a token for the API server", lambda d: pod(d).update(automountServiceAccountToken=True)),
    ("an image without a tag", lambda d: box(d).update(image="registry.example.com/manydesk")),
    ("an image called latest", lambda d: box(d, "gateway").update(image="manydesk:latest")),
    ("a database image without a tag", lambda d: one(d, "Cluster")["spec"].update(imageName="postgres")),
    ("replicas that share one address", lambda d: environment(d, "routing", {"name": "MANYDESK_ADVERTISE", "value": "routing:50051"})),
    ("a missing disruption budget", lambda d: drop(d, "PodDisruptionBudget", "routing")),
    ("a budget that forbids every drain", lambda d: one(d, "PodDisruptionBudget", "routing")["spec"].update(maxUnavailable=0)),
    ("a missing autoscaler", lambda d: drop(d, "HorizontalPodAutoscaler", "billing")),
    ("replicas beside an autoscaler", lambda d: one(d, "Deployment", "billing")["spec"].update(replicas=3)),
    ("a missing service", lambda d: drop(d, "Deployment", "workforce")),
    ("a Service that leads nowhere", lambda d: one(d, "Service", "tickets")["spec"]["ports"][0].update(targetPort="http")),
    ("a Service that selects nothing", lambda d: one(d, "Service", "tickets")["spec"]["selector"].update({"app.kubernetes.io/name": "ticket"})),
    ("a Service with an address of its own", lambda d: one(d, "Service", "tickets")["spec"].pop("clusterIP")),
    ("a headless Service with a port that the pods do not have", lambda d: one(d, "Service", "tickets")["spec"]["ports"][1].update(port=9091)),
    ("no denial of everything", lambda d: drop(d, "NetworkPolicy", "deny-all")),
    ("pods without a network policy", lambda d: drop(d, "NetworkPolicy", "migrate")),
    ("a gateway that cannot reach the services", lambda d: policy(d, "gateway")["egress"].pop()),
    ("a database that lets nobody in", lambda d: policy(d, "database")["ingress"].pop(0)),
    ("a gateway that can reach the database", lambda d: policy(d, "services").update(podSelector={"matchLabels": {"app.kubernetes.io/part-of": "manydesk"}}) or policy(d, "database")["ingress"][0].pop("from")),
    ("a door open to everyone", lambda d: policy(d, "services")["ingress"][0].pop("from")),
    ("every port outwards", lambda d: policy(d, "outside")["egress"][0].pop("ports")),
    ("a password in the open", lambda d: environment(d, "tickets", {"name": "DATABASE_PASSWORD", "value": "hunter2"})),
    ("a password in an address", lambda d: environment(d, "tickets", {"name": "MANYDESK_DATABASE_URL", "value": "postgresql://tickets_app:hunter2@db/manydesk"})),
    ("a password in the settings", lambda d: settings(d).update(MANYDESK_NATS_URL="nats://manydesk:hunter2@nats:4222")),
    ("a Secret kept here", lambda d: d.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "manydesk"}})),
    ("variables in the wrong order", reversed_environment),
    ("settings that are not there", lambda d: box(d)["envFrom"][0]["configMapRef"].update(name="elsewhere")),
    ("an account that is not there", lambda d: pod(d).update(serviceAccountName="default")),
    ("a mount without a volume", lambda d: pod(d)["volumes"].pop()),
    ("a peer that is not there", lambda d: settings(d).update(MANYDESK_ROUTING_URL="http://router:50051")),
    ("a peer's port that is not there", lambda d: settings(d).update(MANYDESK_ROUTING_URL="http://routing:8080")),
    ("a route to no Service", lambda d: one(d, "HTTPRoute")["spec"]["rules"][0]["backendRefs"][0].update(port=80)),
    ("a route on no listener", lambda d: one(d, "HTTPRoute")["spec"]["parentRefs"][0].update(sectionName="grpc")),
    ("a lax namespace", lambda d: one(d, "Namespace")["metadata"]["labels"].pop("pod-security.kubernetes.io/enforce")),
    ("an object in another namespace", lambda d: one(d, "Service", "tickets")["metadata"].update(namespace="default")),
    ("a role that row-level security does not bind", lambda d: role(d).update(bypassrls=True)),
    ("a role that is a superuser", lambda d: role(d).update(superuser=True)),
    ("a role missing", lambda d: one(d, "Cluster")["spec"]["managed"]["roles"].pop()),
    ("commits that are not durable", lambda d: one(d, "Cluster")["spec"]["postgresql"]["parameters"].update(synchronous_commit="off")),
    ("a service with the superuser's password", lambda d: environment(d, "tickets", {"name": "X", "valueFrom": {"secretKeyRef": {"name": "manydesk-db-superuser", "key": "password"}}})),
    ("a service with another's password", lambda d: environment(d, "tickets", {"name": "X", "valueFrom": {"secretKeyRef": {"name": "billing-app-database", "key": "password"}}})),
    ("no first operator", lambda d: operator(d).update(args=["migrate"])),
    ("an operator's password in the open", lambda d: operator(d)["env"].append({"name": "MANYDESK_OPERATOR_PASSWORD", "value": "hunter2"})),
    ("an operator's password from another Secret", lambda d: operator_secret(d, "MANYDESK_OPERATOR_PASSWORD", {"name": "tenants-app-database"})),
    ("the first operator made by the superuser", lambda d: operator_secret(d, "DATABASE_PASSWORD", {"name": "manydesk-db-superuser"})),
    ("the first operator made with another service's password", lambda d: operator_secret(d, "DATABASE_PASSWORD", {"name": "tickets-app-database"})),
    ("an operator's Job that no version could follow", lambda d: next(x for x in d if x["metadata"]["name"].startswith("operator-") and x["kind"] == "Job")["metadata"].update(name="operator")),
    ("an operator's Job that cannot reach the database", lambda d: policy(d, "database")["ingress"][0]["from"].pop()),
    ("a service that is not scraped", lambda d: one(d, "Service", "billing")["spec"]["ports"][1].update(name="numbers")),
    ("an alert on a metric that is not there", lambda d: rules(d)[3].update(expr="manydesk_rpc_request_total > 1")),
    ("an alert on a label that is not there", lambda d: rules(d)[1].update(expr='rate(manydesk_rpc_requests_total{status="5"}[5m])')),
    ("an alert that does not say what to do", lambda d: rules(d)[3].pop("annotations")),
    ("a dashboard that is not JSON", lambda d: board(d).update({"dashboard.json": "{"})),
    ("a panel of a metric that is not there", lambda d: board(d).update({"dashboard.json": board(d)["dashboard.json"].replace("manydesk_outbox_pending", "manydesk_outbox_size")})),
    ("an object twice", lambda d: d.append(copy.deepcopy(one(d, "Service", "tickets")))),
]

MAIL_BREAKS: list[tuple[str, Callable[[list[dict]], object]]] = [
    ("mail from outside that nobody lets in", lambda d: drop(d, "NetworkPolicy", "mail-in")),
    ("mail from outside let in at the port for the cluster's own server", lambda d: policy(d, "mail-in")["ingress"][0]["ports"].append({"protocol": "TCP", "port": "lmtp"})),
    ("mail from outside let in at every port", lambda d: policy(d, "mail-in")["ingress"][0].pop("ports")),
    ("a port for mail that no pod listens at", lambda d: box(d).update(ports=[p for p in box(d)["ports"] if p["name"] != "smtp"])),
    ("a listener for mail behind no port", lambda d: environment(d, "tickets", {"name": "MANYDESK_SMTP_LISTEN", "value": "0.0.0.0:2526"})),
    ("a mail server's address that hides who calls", lambda d: one(d, "Service", "smtp")["spec"].update(externalTrafficPolicy="Cluster")),
]
