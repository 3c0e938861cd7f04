"""A mail server of its own kind, to which the platform hands its answers.

What it does depends on the local part of the recipient:
  gone…      550 at RCPT, always
  busyN…     451 at RCPT, N times
  stall…     says nothing at RCPT, the first time
  lost…      takes the mail and breaks the connection before it answers, the first time
  silent…    takes the mail and says nothing, the first time
All else is taken. Each mail that was taken is a line of JSON in FILE. With tokens, nobody signs in by password: an access
token is shown by that mechanism, and is good if it is a line of TOKENS.

Usage: smtp_server.py PORT FILE [CERTIFICATE KEY tls|starttls]
       smtp_server.py PORT FILE TOKENS XOAUTH2|OAUTHBEARER
Ends when its standard input does.
"""

import asyncio
import base64
import collections
import json
import re
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

PASSWORD = b"pass-word-of-the-mailbox"


class Handler:
    def __init__(self, path):
        self.path = path
        self.tries = collections.Counter()

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split("@")[0]
        self.tries[address] += 1
        busy = re.match(r"busy(\d+)", local)
        if local.startswith("gone"):
            return "550 5.1.1 nobody of that name lives here"
        if busy and self.tries[address] <= int(busy.group(1)):
            return "451 4.3.0 come again later"
        if local.startswith("stall") and self.tries[address] == 1:
            await asyncio.sleep(3600)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 welcome"

    async def handle_DATA(self, server, session, envelope):
        to = envelope.rcpt_tos[0]
        user = getattr(session.auth_data, "login", None)
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "raw": envelope.content.decode("utf-8", "surrogateescape"),
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "user": user.decode() if user else None,
        }
        with open(self.path, "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(json.dumps(mail) + "\n")
        if to.startswith("lost") and self.tries[to] == 1:
            server.transport.abort()
            await asyncio.sleep(3600)
        if to.startswith("silent") and self.tries[to] == 1:
            await asyncio.sleep(3600)
        return "250 2.0.0 kept"


class Tokens(Handler):
    """Takes access tokens, as Microsoft and Google do: a refusal is a challenge before it is a code."""

    def __init__(self, path, tokens, mechanism):
        super().__init__(path)
        self.tokens = tokens
        setattr(self, f"auth_{mechanism}", self.by_token)

    async def by_token(self, server, arguments):
        words = base64.b64decode(arguments[1]).decode().split("\x01")
        user = words[0].removeprefix("user=").removeprefix("n,a=").removesuffix(",")
        with open(self.tokens, encoding="utf-8") as file:
            good = words[1].removeprefix("auth=Bearer ") in file.read().split()
        if good and words[2:] == ["", ""]:
            return AuthResult(success=True, auth_data=LoginPassword(user.encode(), b""))
        await server.push("334 " + base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode())
        await server._reader.readline()
        await server.push("535 5.7.3 Authentication unsuccessful")
        return AuthResult(success=False, handled=True)


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.password == PASSWORD
    return AuthResult(success=good, handled=good, auth_data=data)


def main():
    port, path = int(sys.argv[1]), sys.argv[2]
    open(path, "a").close()
    settings = {}
    handler = Handler(path)
    if len(sys.argv) == 5:
        handler = Tokens(path, *sys.argv[3:5])
        settings = {"auth_require_tls": False, "auth_exclude_mechanism": ["PLAIN", "LOGIN"]}
    elif len(sys.argv) > 3:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        if sys.argv[5] == "tls":
            settings = {"ssl_context": context, "auth_require_tls": False}
        else:
            settings = {"tls_context": context, "require_starttls": True}
    else:
        settings = {"auth_require_tls": False}
    controller = Controller(
        handler, hostname="127.0.0.1", port=port, authenticator=authenticate, timeout=60, **settings
    )
    controller.start()
    print("ready", flush=True)
    sys.stdin.read()
    controller.stop()


main()
