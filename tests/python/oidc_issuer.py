"""A real OpenID Connect issuer as a process of its own, with PKCE enforced.

The issuer is oidc-provider-mock; it does not look at PKCE, so that is done here. A
subject whose name begins with `evil-` gets an ID token with one thing wrong, so that
a test can see whether the client looks at it. The first line printed is the port,
each further one a JSON object about one exchange of a code. Ends with its standard
input.
"""

import base64
import hashlib
import json
import sys
import threading
import time
import urllib.parse
import warnings

warnings.simplefilter("ignore")

import flask
import oidc_provider_mock
import werkzeug.serving
from authlib.jose import JsonWebKey, jwt
from oidc_provider_mock._storage import User, storage

DOMAIN = sys.argv[1]


def person(name, **claims):
    return User(sub=name, claims={"email": f"{name}@{DOMAIN}", "email_verified": True, **claims})


PEOPLE = [
    person("olga"),
    person("unknown"),
    person("unverified", email=f"olga@{DOMAIN}", email_verified=False),
    person("outside", email="olga@elsewhere.example"),
    *(person(f"evil-{what}", email=f"olga@{DOMAIN}") for what in ("nonce", "audience", "issuer", "expired", "key", "none")),
]

app = oidc_provider_mock.app(require_nonce=True, user_claims=PEOPLE)
challenges = {}
subjects = {}


def refuse(why):
    return flask.make_response(flask.jsonify({"error": "invalid_grant", "error_description": why}), 400)


@app.before_request
def look_at_pkce():
    if flask.request.path == "/oauth2/authorize":
        if flask.request.args.get("code_challenge_method") != "S256" or not flask.request.args.get("code_challenge"):
            return refuse("PKCE with S256 is demanded")
    if flask.request.path == "/oauth2/token":
        code = flask.request.form.get("code", "")
        verifier = flask.request.form.get("code_verifier", "")
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        right = challenges.pop(code, None) == digest and 43 <= len(verifier) <= 128
        print(json.dumps({"pkce": right, "secret": "Authorization" in flask.request.headers}), flush=True)
        if not right:
            return refuse("the code verifier is wrong")
        flask.g.subject = subjects.pop(code, "")
    return None


@app.after_request
def remember_and_meddle(response):
    if flask.request.path == "/oauth2/authorize" and response.status_code in (302, 303):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(response.location).query)
        if "code" in query:
            challenges[query["code"][0]] = flask.request.args["code_challenge"]
            subjects[query["code"][0]] = flask.request.form.get("sub", "")
    subject = flask.g.get("subject", "")
    if flask.request.path == "/oauth2/token" and response.status_code == 200 and subject.startswith("evil-"):
        body = response.get_json()
        body["id_token"] = meddled(body["id_token"], subject.removeprefix("evil-"))
        response.set_data(json.dumps(body))
    return response


def meddled(token, what):
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    key = storage.jwk
    if what == "nonce":
        claims["nonce"] = "another"
    elif what == "audience":
        claims["aud"] = "another"
    elif what == "issuer":
        claims["iss"] = "https://another.example"
    elif what == "expired":
        claims["exp"] = int(time.time()) - 3600
    elif what == "key":
        key = JsonWebKey.generate_key("RSA", 2048, is_private=True)
    elif what == "none":
        parts = [json.dumps({"alg": "none"}).encode(), json.dumps(claims).encode(), b""]
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    return jwt.encode(header, claims, key).decode()


def main():
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


main()
