"""Scraping, alerts and the dashboard: they name only metrics and labels that the code has."""

import json
import pathlib
import re
import subprocess
import tempfile

import yaml

from world import SERVICES, World, name, selects, title

# The metrics the code has, each with its labels beside those that scraping adds.
METRICS = {
    "manydesk_rpc_requests_total": {"service", "method", "code"},
    "manydesk_rpc_duration_seconds_bucket": {"service", "method", "le"},
    "manydesk_outbox_pending": {"service"},
    "manydesk_consumer_lag_events": {"service"},
    "manydesk_pool_connections": {"service"},
    "manydesk_dead_letters_total": {"service"},
}


def faults(world: World) -> list[str]:
    found = []
    for doc in world.of("ServiceMonitor"):
        selector = doc["spec"]["selector"]
        seen = {name(s) for s in world.of("Service") if selects(selector, s["metadata"].get("labels", {}))
                and any(p["name"] == e["port"] for p in s["spec"]["ports"] for e in doc["spec"]["endpoints"])}
        for missing in (SERVICES | {"gateway"}) - seen:
            found.append(f"{title(doc)}: does not scrape {missing}")
    recorded = {rule["record"] for doc in world.of("PrometheusRule") for group in doc["spec"]["groups"]
                for rule in group["rules"] if "record" in rule}
    for doc in world.of("PrometheusRule"):
        for group in doc["spec"]["groups"]:
            for rule in group["rules"]:
                if ("alert" in rule) == ("record" in rule):
                    found.append(f"{title(doc)}: a rule of {group['name']} is neither an alert nor a record")
                if "alert" in rule and not ("labels" in rule and "annotations" in rule):
                    found.append(f"{title(doc)}: {rule['alert']} says neither how bad it is nor what to do")
                found += [f"{title(doc)}: {fault}" for fault in metric_faults(rule["expr"], recorded)]
    for doc in world.of("ConfigMap"):
        for key, text in doc.get("data", {}).items():
            if key.endswith(".json"):
                found += [f"{title(doc)}: {fault}" for fault in dashboard_faults(text)]
    return found


def dashboard_faults(text: str) -> list[str]:
    try:
        board = json.loads(text)
    except ValueError as error:
        return [f"the dashboard is not JSON: {error}"]
    found = []
    ids = [panel["id"] for panel in board["panels"]]
    if len(ids) != len(set(ids)):
        found.append("two panels have one id")
    known = {variable["name"] for variable in board["templating"]["list"]}
    for panel in board["panels"]:
        grid = panel["gridPos"]
        if 24 < grid["x"] + grid["w"]:
            found.append(f"panel {panel['title']} is outside the grid")
        for target in panel["targets"]:
            for used in re.findall(r"\$(\w+)", target["expr"]):
                if used not in known and not used.startswith("__"):
                    found.append(f"panel {panel['title']} uses ${used}, which is no variable of the board")
            found += [f"panel {panel['title']}: {fault}" for fault in metric_faults(target["expr"], set())]
    return found


def metric_faults(expression: str, recorded: set[str]) -> list[str]:
    """Metrics that the code does not have, and labels that the metric does not have."""
    found = []
    for metric in re.findall(r"\bmanydesk[_:][a-z0-9_:]+", expression):
        if metric not in METRICS and metric not in recorded:
            found.append(f"{metric} is no metric of ours")
    for metric, matchers in re.findall(r"\b(manydesk_\w+)\{([^}]*)\}", expression):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
            if label not in METRICS.get(metric, set()) | {"pod", "job"}:
                found.append(f"{metric} has no label {label}")
    return found


def promtool_faults(promtool: str, docs: list[dict], tests: pathlib.Path) -> list[str]:
    rules = [doc["spec"] for doc in docs if doc["kind"] == "PrometheusRule"]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "alerts.yaml"
        file.write_text(yaml.safe_dump(rules[0]))
        unit = pathlib.Path(folder) / "test.yaml"
        unit.write_text(tests.read_text())
        for words in (["check", "rules", "--lint=all", "--lint-fatal", str(file)], ["test", "rules", str(unit)]):
            done = subprocess.run([promtool, *words], capture_output=True, text=True, cwd=folder)
            if done.returncode != 0:
                return (done.stdout + done.stderr).strip().splitlines()
    return []
