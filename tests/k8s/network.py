"""Who may talk to whom: everything is denied first, what is needed is allowed, what is not stays denied."""

from world import World, name, selects, title

# Pods that are not among the manifests: the database operator makes them.
DATABASE = {"cnpg.io/cluster": "manydesk-db"}


def faults(world: World) -> list[str]:
    found = []
    policies = world.of("NetworkPolicy")
    if not any(p["spec"]["podSelector"] == {} and sorted(p["spec"]["policyTypes"]) == ["Egress", "Ingress"]
               and not p["spec"].get("ingress") and not p["spec"].get("egress") for p in policies):
        found.append("no NetworkPolicy denies everything first")
    for doc, template in world.pods():
        own = {"matchLabels": {"app.kubernetes.io/component": template["metadata"]["labels"].get("app.kubernetes.io/component")}}
        if not any(p["spec"]["podSelector"] == own for p in policies):
            found.append(f"{title(doc)}: no NetworkPolicy of its own")
    for policy in policies:
        for rule in policy["spec"].get("ingress") or []:
            if not rule.get("from") or not rule.get("ports"):
                found.append(f"{title(policy)}: lets everyone in, or on every port")
        for rule in policy["spec"].get("egress") or []:
            if not rule.get("ports"):
                found.append(f"{title(policy)}: lets out on every port")
    return found + flows(world)


def flows(world: World) -> list[str]:
    """Follows the calls that must work, and some that must not, through both ends' policies."""
    labels = {name(doc): template["metadata"]["labels"] for doc, template in world.pods()}
    parts = {pod["app.kubernetes.io/name"]: pod for pod in labels.values()}
    parts["database"] = DATABASE
    services = [n for n, pod in parts.items() if pod.get("app.kubernetes.io/component") == "service"]
    wanted = [("gateway", s, "grpc") for s in services]
    wanted += [(step, "database", 5432) for step in ("migrate", "operator")]
    wanted += [(s, peer, "grpc") for s in services for peer in services]
    wanted += [(s, "database", 5432) for s in services] + [("database", "database", 5432)]
    unwanted = [("gateway", "database", 5432), ("migrate", "tenants", "grpc"), ("operator", "tenants", "grpc"),
                ("database", "tenants", "grpc")]
    if "nats" in parts:
        wanted += [(s, "nats", "client") for s in services] + [("nats", "nats", "cluster")]
        unwanted += [("gateway", "nats", "client"), ("nats", "database", 5432), ("tickets", "nats", "cluster")]
    found = mail(world, parts["tickets"]) if "smtp" in world.names("Service") else []
    for source, target, port in wanted:
        if source in parts and target in parts and not allowed(world, parts[source], parts[target], port):
            found.append(f"{source} cannot reach {target} on {port}")
    for source, target, port in unwanted:
        if source in parts and target in parts and allowed(world, parts[source], parts[target], port):
            found.append(f"{source} can reach {target} on {port}, and should not")
    return found


def mail(world: World, tickets: dict) -> list[str]:
    """SMTP comes in from anywhere, LMTP from the namespaces that carry the label, and nothing else from outside."""
    found = []
    anywhere = {entry.get("port") for rule in rules(world, tickets, "ingress")
                if any("ipBlock" in peer for peer in rule.get("from", [])) for entry in rule.get("ports", [])}
    if anywhere != {"smtp"}:
        found.append(f"from outside tickets can be reached on {sorted(map(str, anywhere))}, not on smtp alone")
    if not any(peer.get("namespaceSelector", {}).get("matchLabels") == {"manydesk/mail": "true"}
               and [entry.get("port") for entry in rule.get("ports", [])] == ["lmtp"]
               for rule in rules(world, tickets, "ingress") for peer in rule.get("from", [])):
        found.append("no mail server in the cluster can hand mail in over lmtp")
    if next(s for s in world.of("Service") if name(s) == "smtp")["spec"].get("externalTrafficPolicy") != "Local":
        found.append("Service smtp: hides the addresses of those who hand mail in")
    box = next(t for d, t in world.pods() if name(d) == "tickets")["spec"]["containers"][0]
    numbers = {p["name"]: p["containerPort"] for p in box.get("ports", [])}
    for port in ("smtp", "lmtp"):
        said = next((e.get("value", "") for e in box["env"] if e["name"] == f"MANYDESK_{port.upper()}_LISTEN"), "")
        if said != f"0.0.0.0:{numbers.get(port)}":
            found.append(f"tickets listens at {said or 'nothing'}, which is not its port {port}")
    return found


def allowed(world: World, source: dict, target: dict, port: str | int) -> bool:
    """Whether some policy of the source lets the call out and some policy of the target lets it in."""
    out = any(covers(rule, "to", target, port) for rule in rules(world, source, "egress"))
    into = any(covers(rule, "from", source, port) for rule in rules(world, target, "ingress"))
    return out and into


def rules(world: World, pod: dict, way: str) -> list[dict]:
    policies = [p["spec"] for p in world.of("NetworkPolicy") if selects(p["spec"]["podSelector"], pod)]
    return [rule for spec in policies for rule in spec.get(way) or []]


def covers(rule: dict, field: str, pod: dict, port: str | int) -> bool:
    """A peer in our own namespace is named by a podSelector alone."""
    peers = rule.get(field)
    ours = peers is None or any(
        "podSelector" in peer and "namespaceSelector" not in peer and selects(peer["podSelector"], pod) for peer in peers
    )
    return ours and any(entry.get("port") == port for entry in rule.get("ports", []))
