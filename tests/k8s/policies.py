"""Our own rules for the rendered manifests: what must be there, and what refers to what."""

import json
import pathlib
import re
import subprocess

import network
import telemetry
from world import SERVICES, World, name, selects, title

# Made by others: the database operator, and whoever makes certificates.
FOREIGN_SECRETS = {"manydesk-db-superuser", "manydesk-db-ca", "edge-tls"} | {
    f"{name}-tls" for name in SERVICES | {"gateway"}
}
# For people, and no pod's.
HANDED_OUT = {"cli-service-key"}
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$|CREDENTIAL", re.I)
URL_PASSWORD = re.compile(r"://[^/\s:@]+:(?!\$\()[^/\s@]+@")


def faults(docs: list[dict]) -> list[str]:
    """Everything that breaks a rule, one line each."""
    world = World(docs)
    found = []
    for check in (workloads, replicas, disruption, scaling, services, network.faults, literal_secrets,
                  references, routes, namespaces, database, first_steps, telemetry.faults, unique):
        found += check(world)
    return found


def image_fault(image: str) -> str | None:
    if "@sha256:" in image:
        return None
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    if not tag:
        return f"image {image} has no tag"
    return f"image {image} is not pinned" if tag in ("latest", "stable", "main") else None


def workloads(world: World) -> list[str]:
    found = []
    for doc, template in world.pods():
        where, spec = title(doc), template["spec"]
        context = spec.get("securityContext", {})
        if context.get("runAsNonRoot") is not True:
            found.append(f"{where}: runs as root, or may")
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            found.append(f"{where}: no seccomp profile")
        if spec.get("automountServiceAccountToken") is not False:
            found.append(f"{where}: mounts a token for the API server")
        if spec.get("enableServiceLinks") is not False:
            found.append(f"{where}: the cluster sets variables of its own")
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(field):
                found.append(f"{where}: {field}")
        for volume in spec.get("volumes", []):
            if "hostPath" in volume:
                found.append(f"{where}: volume {volume['name']} is a folder of the node")
        for box in spec["containers"] + spec.get("initContainers", []):
            found += [f"{where}: {box['name']}: {fault}" for fault in container(doc["kind"], box, spec)]
    return found


def container(kind: str, box: dict, spec: dict) -> list[str]:
    found = []
    fault = image_fault(box.get("image", ""))
    if fault:
        found.append(fault)
    context = box.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        found.append("may gain privileges")
    if context.get("readOnlyRootFilesystem") is not True:
        found.append("may write to its root filesystem")
    if context.get("capabilities", {}).get("drop") != ["ALL"] or context.get("capabilities", {}).get("add"):
        found.append("keeps capabilities")
    if context.get("privileged"):
        found.append("is privileged")
    resources = box.get("resources", {})
    for part, field in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
        if field not in resources.get(part, {}):
            found.append(f"no {part} for {field}")
    if kind in ("Deployment", "StatefulSet"):
        ports = {port["name"] for port in box.get("ports", [])}
        numbers = {port["containerPort"] for port in box.get("ports", [])}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe not in box:
                found.append(f"no {probe}")
                continue
            way = next((box[probe][kind] for kind in ("grpc", "httpGet", "tcpSocket") if box[probe].get(kind)), {})
            if way.get("port") not in ports | numbers:
                found.append(f"{probe} asks a port that the container does not have")
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    for mount in box.get("volumeMounts", []):
        if mount["name"] not in volumes | {"data"}:
            found.append(f"mounts {mount['name']}, which is no volume of the pod")
    return found + variables(box)


def variables(box: dict) -> list[str]:
    """A variable can only name those above it; below, it would stay as it is written."""
    found, above = [], set()
    for entry in box.get("env", []):
        for used in re.findall(r"\$\(([A-Za-z0-9_]+)\)", entry.get("value", "")):
            if used not in above:
                found.append(f"{entry['name']} names {used}, which is not set above it")
        above.add(entry["name"])
    return found


def replicas(world: World) -> list[str]:
    """Replicas of routing pass calls on to the one that leads, so each says where it is."""
    found = []
    for doc, template in world.pods():
        for box in template["spec"]["containers"]:
            said = [e for e in box.get("env", []) if e["name"] == "MANYDESK_ADVERTISE"]
            if box.get("args") == ["serve", "routing"] and \
                    [e.get("valueFrom") for e in said] != [{"fieldRef": {"fieldPath": "status.podIP"}}]:
                found.append(f"{title(doc)}: does not tell the other replicas its own address")
    return found


def disruption(world: World) -> list[str]:
    found = []
    for doc in world.of("Deployment", "StatefulSet"):
        labels = doc["spec"]["template"]["metadata"]["labels"]
        budgets = [b for b in world.of("PodDisruptionBudget") if selects(b["spec"]["selector"], labels)]
        if len(budgets) != 1:
            found.append(f"{title(doc)}: {len(budgets)} PodDisruptionBudgets, not one")
    for budget in world.of("PodDisruptionBudget"):
        if budget["spec"].get("maxUnavailable") in (0, "0%"):
            found.append(f"{title(budget)}: no node could ever be drained")
    return found


def scaling(world: World) -> list[str]:
    found = []
    targets = {doc["spec"]["scaleTargetRef"]["name"] for doc in world.of("HorizontalPodAutoscaler")}
    for missing in targets - world.names("Deployment"):
        found.append(f"HorizontalPodAutoscaler for {missing}, which is no Deployment")
    for doc in world.of("Deployment"):
        if name(doc) not in targets:
            found.append(f"{title(doc)}: no HorizontalPodAutoscaler")
        elif "replicas" in doc["spec"]:
            found.append(f"{title(doc)}: its replicas would fight with the autoscaler")
    for doc in world.of("HorizontalPodAutoscaler"):
        if doc["spec"]["maxReplicas"] < doc["spec"].get("minReplicas", 1):
            found.append(f"{title(doc)}: the most is less than the least")
    return found


def services(world: World) -> list[str]:
    found = []
    for missing in (SERVICES | {"gateway"}) - world.names("Deployment"):
        found.append(f"no Deployment for {missing}")
    for doc in world.of("Service"):
        pods = [t for _, t in world.pods() if selects({"matchLabels": doc["spec"]["selector"]}, t["metadata"]["labels"])]
        if len(pods) != 1:
            found.append(f"{title(doc)}: selects {len(pods)} workloads, not one")
            continue
        ports = {p["name"] for box in pods[0]["spec"]["containers"] for p in box.get("ports", [])}
        numbers = {p["containerPort"] for box in pods[0]["spec"]["containers"] for p in box.get("ports", [])}
        if name(doc) in SERVICES:
            found += headless(doc, numbers)
        for port in doc["spec"]["ports"]:
            if port.get("targetPort") not in ports:
                found.append(f"{title(doc)}: port {port['name']} leads to no port of the pod")
    for doc in world.of("Deployment", "StatefulSet"):
        selector = doc["spec"]["selector"]
        if not selects(selector, doc["spec"]["template"]["metadata"]["labels"]):
            found.append(f"{title(doc)}: does not select its own pods")
    return found


def headless(doc: dict, numbers: set[int]) -> list[str]:
    """A connection to the address of a Service leads to one pod for as long as it lasts; callers want them all."""
    if doc["spec"].get("clusterIP") != "None":
        return [f"{title(doc)}: its name does not lead to the pods, so calls would not be spread"]
    return [f"{title(doc)}: port {port['port']} is none of the pod's own, and nobody translates it"
            for port in doc["spec"]["ports"] if port["port"] not in numbers]


def literal_secrets(world: World) -> list[str]:
    found = []
    for doc in world.of("Secret"):
        found.append(f"{title(doc)}: secrets are made outside, not kept here")
    for doc, template in world.pods():
        for box in template["spec"]["containers"]:
            for entry in box.get("env", []):
                value = entry.get("value", "")
                bare = SECRET_NAME.search(entry["name"]) and not entry["name"].endswith("_FILE")
                if value and "$(" not in value and bare:
                    found.append(f"{title(doc)}: {entry['name']} holds a secret in the open")
                if URL_PASSWORD.search(value):
                    found.append(f"{title(doc)}: {entry['name']} holds a password in the open")
    for doc in world.of("ConfigMap"):
        for key, value in doc.get("data", {}).items():
            if URL_PASSWORD.search(value) or (SECRET_NAME.search(key) and not key.endswith("_FILE")):
                found.append(f"{title(doc)}: {key} holds a secret in the open")
    return found


# Secrets that an operator makes, or does not: without them what they are for is switched off.
OPTIONAL = {"notices"}


def used_secrets(world: World) -> set[str]:
    """Every Secret that a pod, a database role or a listener names."""
    used = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "secretKeyRef" and value["name"] in OPTIONAL and value.get("optional") is True:
                    continue
                if key in ("secretKeyRef", "secretRef", "passwordSecret") or (key == "secret" and "name" in value):
                    used.add(value["name"])
                elif key == "secretName":
                    used.add(value)
                elif key == "certificateRefs":
                    used.update(ref["name"] for ref in value)
                else:
                    walk(value)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk([doc for doc in world.docs if doc["kind"] != "ConfigMap"])
    return used


def secret_faults(rendered: dict[str, list[dict]], root: pathlib.Path) -> list[str]:
    done = subprocess.run([str(root / "k8s" / "make-secrets.sh"), "--names"], capture_output=True, text=True)
    made = set(done.stdout.split())
    used = {overlay: used_secrets(World(docs)) for overlay, docs in rendered.items()}
    found = [f"{overlay}: nobody makes Secret {missing}"
             for overlay, names in used.items() for missing in sorted(names - made - FOREIGN_SECRETS)]
    taken = set().union(*used.values())
    found += [f"Secret {name} is for people, but a pod names it" for name in sorted(taken & HANDED_OUT)]
    unused = (made | FOREIGN_SECRETS) - taken - HANDED_OUT if used else set()
    return found + [f"Secret {extra} is made but never used" for extra in sorted(unused)]


def references(world: World) -> list[str]:
    found = []
    maps, accounts = world.names("ConfigMap"), world.names("ServiceAccount")
    for doc, template in world.pods():
        spec = template["spec"]
        if spec.get("serviceAccountName") not in accounts:
            found.append(f"{title(doc)}: service account {spec.get('serviceAccountName')} is not here")
        wanted = [v["configMap"]["name"] for v in spec.get("volumes", []) if "configMap" in v]
        for box in spec["containers"]:
            wanted += [e["configMapRef"]["name"] for e in box.get("envFrom", []) if "configMapRef" in e]
        found += [f"{title(doc)}: ConfigMap {missing} is not here" for missing in wanted if missing not in maps]
    return found + peers(world)


def peers(world: World) -> list[str]:
    """The addresses in the settings lead to Services and their ports."""
    found = []
    ports = {name(s): {p["port"] for p in s["spec"]["ports"]} for s in world.of("Service")}
    for doc in world.of("ConfigMap"):
        for key, value in doc.get("data", {}).items():
            match = re.fullmatch(r"https?://([a-z]+):(\d+)", value)
            if key.startswith("MANYDESK_") and match and match[1] != "localhost":
                if int(match[2]) not in ports.get(match[1], set()):
                    found.append(f"{title(doc)}: {key} leads to {value}, which is no Service here")
    return found


def routes(world: World) -> list[str]:
    found = []
    ports = {name(s): {p["port"] for p in s["spec"]["ports"]} for s in world.of("Service")}
    listeners = {(name(g), l["name"]): l for g in world.of("Gateway") for l in g["spec"]["listeners"]}
    for doc in world.of("HTTPRoute", "GRPCRoute"):
        for rule in doc["spec"]["rules"]:
            for ref in rule["backendRefs"]:
                if ref["port"] not in ports.get(ref["name"], set()):
                    found.append(f"{title(doc)}: leads to {ref['name']}:{ref['port']}, which is no Service here")
        for parent in doc["spec"]["parentRefs"]:
            listener = listeners.get((parent["name"], parent.get("sectionName")))
            if listener is None:
                found.append(f"{title(doc)}: hangs on no listener")
                continue
            if doc["kind"] not in [k["kind"] for k in listener["allowedRoutes"]["kinds"]]:
                found.append(f"{title(doc)}: its listener takes other kinds")
            if listener["hostname"] not in doc["spec"]["hostnames"]:
                found.append(f"{title(doc)}: its listener is for another host")
    return found


def namespaces(world: World) -> list[str]:
    found = []
    for doc in world.of("Namespace"):
        if doc["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            found.append(f"{title(doc)}: does not enforce the restricted profile")
    own = world.names("Namespace")
    for doc in world.docs:
        if doc["kind"] != "Namespace" and doc["metadata"].get("namespace") not in own:
            found.append(f"{title(doc)}: is in no namespace of ours")
    return found


def database(world: World) -> list[str]:
    found = []
    for doc in world.of("Cluster"):
        fault = image_fault(doc["spec"]["imageName"])
        if fault:
            found.append(f"{title(doc)}: {fault}")
        roles = {role["name"]: role["passwordSecret"]["name"] for role in doc["spec"]["managed"]["roles"]}
        wanted = {f"{service}_{kind}": f"{service}-{kind}-database" for service in SERVICES for kind in ("app", "relay")}
        if roles != wanted:
            found.append(f"{title(doc)}: its login roles are not an app and a relay role for each service")
        if doc["spec"]["postgresql"]["parameters"].get("synchronous_commit") != "on":
            found.append(f"{title(doc)}: an answer of OK would not be durable")
    for doc, template in world.pods():
        text = json.dumps(template)
        if doc["kind"] != "Job" and "manydesk-db-superuser" in text:
            found.append(f"{title(doc)}: holds the superuser's password")
        mine = {name(doc), "tenants"} if command(template) == ["operator"] else {name(doc)}
        for service in SERVICES - mine:
            if f"{service}-app-database" in text or f"{service}-service-key" in text:
                found.append(f"{title(doc)}: holds what belongs to {service}")
    return found


def command(template: dict) -> list[str]:
    return template["spec"]["containers"][0].get("args", [])


def first_steps(world: World) -> list[str]:
    """A version brings its migrations, and a platform its first operator, by a Job of each name."""
    found = []
    for step in ("migrate", "operator"):
        jobs = [(doc, template) for doc, template in world.pods() if command(template) == [step]]
        if [doc["kind"] for doc, _ in jobs] != ["Job"]:
            found.append(f"{len(jobs)} workloads run {step}, not one Job")
        for doc, template in jobs:
            version = template["spec"]["containers"][0]["image"].rpartition(":")[2]
            if name(doc) != f"{step}-{version}":
                found.append(f"{title(doc)}: another version could not put its own beside it")
    for doc, template in world.pods():
        if command(template) != ["operator"]:
            continue
        env = {e["name"]: e for e in template["spec"]["containers"][0]["env"]}
        for variable, key in (("MANYDESK_OPERATOR_EMAIL", "email"), ("MANYDESK_OPERATOR_PASSWORD", "password")):
            source = env.get(variable, {}).get("valueFrom", {}).get("secretKeyRef", {})
            if (source.get("name"), source.get("key")) != ("operator-login", key):
                found.append(f"{title(doc)}: {variable} does not come from the Secret operator-login")
        text = json.dumps(template)
        for secret in ("manydesk-db-superuser", "tenants-service-key", "tenants-master-key", "-relay-database"):
            if secret in text:
                found.append(f"{title(doc)}: holds {secret}, which it does not need")
    return found


def unique(world: World) -> list[str]:
    found, seen = [], set()
    for doc in world.docs:
        key = (doc["apiVersion"], doc["kind"], name(doc))
        if key in seen:
            found.append(f"{title(doc)}: is there twice")
        seen.add(key)
    return found


def code_faults(rendered: dict[str, list[dict]], root: pathlib.Path) -> list[str]:
    """What the manifests rely on and the sources do not have: variables and metrics."""
    sources = [path for folder in ("services", "gateway") for path in (root / folder).rglob("*.rs")]
    text = "\n".join(path.read_text() for path in sources)
    read = set(re.findall(r'"(MANYDESK_[A-Z_]+)"', text))
    used = set()
    for docs in rendered.values():
        world = World(docs)
        used |= {key for doc in world.of("ConfigMap") for key in doc.get("data", {}) if key.startswith("MANYDESK_")}
        used |= {e["name"] for _, t in world.pods() for box in t["spec"]["containers"] for e in box.get("env", [])
                 if e["name"].startswith("MANYDESK_")}
    found = [f"{name} is set, but nothing reads it" for name in sorted(used - read)]
    for metric in telemetry.METRICS:
        if f'"{metric.removesuffix("_bucket")}"' not in text:
            found.append(f"{metric} is no metric of the code")
    return found


def dockerfile_faults(path: pathlib.Path) -> list[str]:
    found, user, stages = [], None, set()
    for line in path.read_text().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "FROM":
            user = None
            if words[1] not in stages:
                fault = image_fault(words[1])
                found += [fault] if fault else []
            if len(words) == 4:
                stages.add(words[3])
        elif words[0] == "USER":
            user = words[1]
        elif words[0] == "ADD":
            found.append("ADD may fetch or unpack; COPY does what it says")
    if user is None or user.split(":")[0] in ("root", "0"):
        found.append("the last stage runs as root")
    return found
