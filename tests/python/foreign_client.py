"""A client that knows the platform by reflection only, and does the whole main job.

No generated code: descriptors come from the server, messages are made from them.
The administrator's login comes by MANYDESK_TARGET, MANYDESK_EMAIL and
MANYDESK_PASSWORD. One thing a client cannot do is left to whoever runs this: when
the line `probe wanted: seller_…` is printed, the platform has to record its
isolation probe of that seller.

Every read is also made as JSON over HTTP, by the path that the service's own
annotation names, and compared with what Python's protobuf library calls the
canonical JSON of the gRPC answer.
"""

import datetime
import json
import os
import queue
import re
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zoneinfo

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

STEPS = 0
PATIENCE = 60


def step(text):
    global STEPS
    STEPS += 1
    print(f"{STEPS:3} {text}", flush=True)


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def new_id():
    return str(uuid.uuid4())


class Platform:
    """Everything learned from reflection."""

    def __init__(self, target):
        self.target = target
        self.channel = grpc.insecure_channel(target)
        database = ProtoReflectionDescriptorDatabase(self.channel)
        self.services = sorted(database.get_services())
        self.pool = descriptor_pool.DescriptorPool(database)

    def method(self, name):
        service, _, method = name.rpartition(".")
        found = self.pool.FindServiceByName(service).FindMethodByName(method)
        check(found is not None, f"no method {name}")
        return found

    def message(self, descriptor, **fields):
        message = message_factory.GetMessageClass(descriptor)()
        json_format.ParseDict(fields, message)
        return message

    def http_rule(self, method):
        """The google.api.http option, read with the server's own descriptors."""
        options = message_factory.GetMessageClass(self.pool.FindMessageTypeByName("google.protobuf.MethodOptions"))()
        options.ParseFromString(method.GetOptions().SerializeToString())
        return options.Extensions[self.pool.FindExtensionByName("google.api.http")]


class Refused(Exception):
    """A refusal with its details decoded."""

    def __init__(self, error):
        self.code = error.code()
        self.message = error.details()
        self.reason, self.domain, self.fields, self.retry = "", "", [], None
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                self._read(status_pb2.Status.FromString(value))
        super().__init__(f"{self.code} {self.reason}: {self.message} {self.fields}")

    def _read(self, status):
        check(status.code == self.code.value[0], "the details repeat the code")
        for detail in status.details:
            for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
                known = kind()
                if not detail.Unpack(known):
                    continue
                if kind is error_details_pb2.ErrorInfo:
                    self.reason, self.domain = known.reason, known.domain
                elif kind is error_details_pb2.BadRequest:
                    self.fields = [violation.field for violation in known.field_violations]
                else:
                    self.retry = known.retry_delay.ToTimedelta()


class Somebody:
    """A person with a token."""

    def __init__(self, platform, token=""):
        self.platform = platform
        self.token = token

    def metadata(self):
        return [("authorization", f"Bearer {self.token}")] if self.token else []

    def call(self, name, /, **fields):
        method = self.platform.method(f"manydesk.{name}")
        answer_class = message_factory.GetMessageClass(method.output_type)
        stub = self.platform.channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer_class.FromString,
        )
        request = self.platform.message(method.input_type, **fields)
        try:
            return stub(request, metadata=self.metadata(), timeout=30)
        except grpc.RpcError as error:
            raise Refused(error) from None

    def refused(self, name, /, **fields):
        try:
            answer = self.call(name, **fields)
        except Refused as refused:
            return refused
        raise AssertionError(f"{name} was not refused: {answer}")

    def read_both_ways(self, name, /, **fields):
        """The gRPC answer; and the same as JSON, which must be its canonical form."""
        answer = self.call(name, **fields)
        rule = self.platform.http_rule(self.platform.method(f"manydesk.{name}"))
        verb = rule.WhichOneof("pattern")
        left, body = dict(fields), None

        def fill(match):
            return urllib.parse.quote(str(left.pop(match.group(1))), safe="")

        path = re.sub(r"\{([a-z_.]+)\}", fill, getattr(rule, verb))
        if rule.body == "*":
            body = json.dumps(left).encode()
        elif left:
            path += "?" + urllib.parse.urlencode(left)
        as_json = self.http(verb.upper(), path, body)
        mine = json.loads(json_format.MessageToJson(answer, indent=None))
        check(as_json == mine, f"{name}: JSON over HTTP says\n{as_json}\nwhere protobuf says\n{mine}")
        return answer

    def http(self, verb, path, body=None):
        request = urllib.request.Request(f"http://{self.platform.target}{path}", data=body, method=verb)
        request.add_header("content-type", "application/json")
        if self.token:
            request.add_header("authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{verb} {path}: {error.code} {error.read().decode()}") from None


class Desk:
    """The agent's stream, both ways."""

    def __init__(self, somebody):
        platform = somebody.platform
        self.method = platform.method("manydesk.routing.v1.RoutingService.AgentSession")
        self.platform, self.sequence = platform, 0
        self.up, self.down = queue.Queue(), queue.Queue()
        answer_class = message_factory.GetMessageClass(self.method.output_type)
        stub = platform.channel.stream_stream(
            f"/{self.method.containing_service.full_name}/{self.method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer_class.FromString,
        )
        self.stream = stub(iter(self.up.get, None), metadata=somebody.metadata())
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for frame in self.stream:
                self.down.put(frame)
        except grpc.RpcError as error:
            self.down.put(error)

    def say(self, **frame):
        self.sequence += 1
        self.up.put(self.platform.message(self.method.input_type, sequence=self.sequence, **frame))
        return self.sequence

    def hear(self, *kinds):
        """The next frame of one of the kinds; others are passed over."""
        end = time.monotonic() + PATIENCE
        passed = []
        while True:
            try:
                frame = self.down.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kinds} on the stream, only {passed}") from None
            if isinstance(frame, grpc.RpcError):
                raise AssertionError(f"the stream ended: {Refused(frame)}")
            kind = frame.WhichOneof("frame")
            check(kind != "refused" or "refused" in kinds, f"a frame was refused: {frame}")
            if kind in kinds:
                return kind, getattr(frame, kind)
            passed.append(kind)

    def close(self):
        self.up.put(None)


def until(what, look):
    end = time.monotonic() + PATIENCE
    last = None
    while time.monotonic() < end:
        last = look()
        if last:
            return last
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE} s for: {what}")


def login(platform, email, password):
    tokens = Somebody(platform).call(
        "tenants.v1.AuthService.Login", email=email, password=password, client="foreign client"
    ).tokens
    check(tokens.access_token.count(".") == 2 and tokens.refresh_token, "an access token is a JWT")
    return Somebody(platform, tokens.access_token), tokens


def meet(platform):
    for service in ("tenants", "tickets", "routing", "workforce", "billing"):
        check(any(name.startswith(f"manydesk.{service}.v1.") for name in platform.services), f"no {service}")
    step(f"reflection tells of {len(platform.services)} services")
    method = platform.method("manydesk.tickets.v1.TicketsService.Reply")
    check(platform.http_rule(method).post.endswith(":reply"), "annotations can be read")
    step("annotations are told by reflection too")


def sign_in(platform):
    email, password = os.environ["MANYDESK_EMAIL"], os.environ["MANYDESK_PASSWORD"]
    stranger = Somebody(platform)
    refused = stranger.refused("tenants.v1.AuthService.Login", email=email, password="not the password 9")
    check(refused.code == grpc.StatusCode.UNAUTHENTICATED and refused.reason == "CREDENTIALS_WRONG", str(refused))
    check(refused.domain != "", "an ErrorInfo has a domain")
    step("a wrong password is refused with its reason")
    refused = stranger.refused("tenants.v1.UsersService.WhoAmI")
    check(refused.code == grpc.StatusCode.UNAUTHENTICATED and refused.reason == "TOKEN_MISSING", str(refused))
    step("a call without a token is refused")
    admin, tokens = login(platform, email, password)
    step("the administrator signs in")
    refreshed = stranger.call(
        "tenants.v1.AuthService.Refresh", refresh_token=tokens.refresh_token, request_id=new_id()
    ).tokens
    check(refreshed.session_id == tokens.session_id and refreshed.refresh_token != tokens.refresh_token, "rotated")
    admin.token = refreshed.access_token
    step("the refresh token is exchanged for the next")
    me = admin.read_both_ways("tenants.v1.UsersService.WhoAmI")
    check(me.user.email == email and me.all_sellers, f"{me}")
    step("she is who she is, by gRPC and by JSON")
    return admin


def found_seller(admin):
    name = f"sole-{uuid.uuid4().hex[:8]}"
    refused = admin.refused(
        "tenants.v1.SellersService.CreateSeller", handle="Not A Handle!", name="", request_id=new_id()
    )
    check(refused.code == grpc.StatusCode.INVALID_ARGUMENT, str(refused))
    check({"handle", "name"} <= set(refused.fields), f"all fields are told at once: {refused.fields}")
    step("a bad seller is refused, every field named")
    request = dict(handle=name, name="Sole & Mare", ticket_prefix="", request_id=new_id())
    seller = admin.call("tenants.v1.SellersService.CreateSeller", **request).seller
    check(re.fullmatch(r"seller_[0-9a-hjkmnp-tv-z]{26}", seller.seller_id), seller.seller_id)
    again = admin.call("tenants.v1.SellersService.CreateSeller", **request).seller
    check(again.seller_id == seller.seller_id, "a repeated request makes no second seller")
    refused = admin.refused("tenants.v1.SellersService.CreateSeller", **{**request, "name": "Other"})
    check(refused.code == grpc.StatusCode.ALREADY_EXISTS and refused.reason == "REQUEST_ID_REUSED", str(refused))
    step("a seller is created once, however often it is asked for")
    updated = admin.call(
        "tenants.v1.SellersService.UpdateSeller",
        seller_id=seller.seller_id,
        etag=seller.etag,
        request_id=new_id(),
        seller=dict(
            legal_entity=dict(
                legal_name="Sole e Mare S.r.l.", street="Via Dante 14", postal_code="20121", city="Milano",
                country="IT", vat_id="IT00743110157", registration_number="MI-2096000",
            ),
            brands=["Sole & Mare"], languages=["it"], countries=["IT"], currency="EUR", time_zone="Europe/Rome",
            certification_required=True,
        ),
        update_mask="legalEntity,brands,languages,countries,currency,timeZone,certificationRequired",
    ).seller
    check(updated.legal_entity.vat_id == "IT00743110157" and updated.languages == ["it"], f"{updated}")
    refused = admin.refused(
        "tenants.v1.SellersService.UpdateSeller",
        seller_id=seller.seller_id, etag=seller.etag, seller=dict(name="Late"), update_mask="name", request_id=new_id(),
    )
    check(refused.code == grpc.StatusCode.ABORTED, f"a stale etag: {refused}")
    step("its profile is written, a stale etag refused")
    return seller.seller_id


def prepare(platform, admin, seller):
    """Everything the checklist wants of a seller before it goes live."""
    of = dict(seller_id=seller)
    onboarding = "tenants.v1.OnboardingService"
    sellers = "tenants.v1.SellersService"
    admin.call(
        f"{onboarding}.PutContact",
        contact=dict(
            key="shop", name="Chiara Esempio", roles=["primary"], email="chiara@sole.example", language="it",
            phone="+390255501234", time_zone="Europe/Rome",
        ),
        request_id=new_id(), **of,
    )
    steps = [dict(severity="urgent", level=1, after_seconds=1800, contact_key="shop", via="phone")]
    admin.call(f"{onboarding}.PutEscalationMatrix", steps=steps, request_id=new_id(), **of)
    admin.call(f"{sellers}.StartOnboarding", request_id=new_id(), **of)
    step("somebody to talk to is named, onboarding begins")

    account = admin.call(
        f"{sellers}.PutChannelAccount",
        channel_account=dict(channel="email", address="aiuto@sole.example", active=True),
        request_id=new_id(), **of,
    ).channel_account
    admin.call(
        f"{sellers}.PutCalendar",
        calendar=dict(
            name="always", time_zone="Europe/Rome",
            hours=[dict(weekday=day, intervals=[dict(start="00:00", end="24:00")]) for day in range(1, 8)],
        ),
        request_id=new_id(), **of,
    )
    policy = admin.call(
        f"{sellers}.PutSlaPolicy",
        sla_policy=dict(
            targets=[
                dict(metric="first_response", target_seconds=28800, calendar="always", catch_all=True),
                dict(metric="resolution", target_seconds=259200, catch_all=True),
            ],
            warn_percent=[80],
        ),
        request_id=new_id(), **of,
    ).sla_policy
    check(policy.version >= 1 and policy.targets[0].target_seconds == 28800, f"{policy}")
    admin.read_both_ways(f"{sellers}.GetSlaPolicy", **of)
    step("a mailbox, opening hours and promises are written")

    paper = admin.call(
        f"{onboarding}.UploadDocument",
        document=dict(
            kind="processing_agreement", file_name="agreement.txt", media_type="text/plain",
            signed_date="2026-01-12", signed_by="Chiara Esempio",
        ),
        content="VGhlIHByb2Nlc3NpbmcgYWdyZWVtZW50Lgo=", request_id=new_id(), **of,
    ).document
    admin.call(
        f"{onboarding}.PutDataProtectionRecord",
        record=dict(
            agreement_sha256=paper.sha256, retention_days=730, officer_email="privacy@sole.example",
            data_categories="Name, address, orders, letters.",
            sub_processors=[dict(name="Hosting GmbH", country="DE", purpose="Hosting.")],
        ),
        request_id=new_id(), **of,
    )
    step(f"the processing agreement is stored ({paper.size_bytes} bytes)")

    questionnaires = "tenants.v1.QuestionnaireService"
    template = dict(template_key="general")
    admin.call(
        f"{questionnaires}.PutTemplate",
        template=dict(
            titles=[dict(language="it", text="Le domande più frequenti")], languages=["it"],
            questions=[dict(
                question_key="delivery", kind="faq", section="delivery", required=True, answer_kind="text",
                texts=[dict(language="it", text="Quanto dura la consegna?")], becomes_knowledge=True,
            )],
            **template,
        ),
        request_id=new_id(),
    )
    admin.call(f"{questionnaires}.PublishTemplate", request_id=new_id(), **template)
    admin.call(f"{questionnaires}.AssignQuestionnaire", request_id=new_id(), **template, **of)
    admin.call(
        f"{questionnaires}.AnswerQuestions",
        answers=[dict(question_key="delivery", language="it", text="Da 2 a 3 giorni lavorativi.")],
        request_id=new_id(), **template, **of,
    )
    admin.call(f"{questionnaires}.SubmitQuestionnaire", request_id=new_id(), **template, **of)
    password = f"a long pass phrase {uuid.uuid4().hex}"
    email = f"vera-{uuid.uuid4().hex[:8]}@foreign.example"
    admin.call(
        "tenants.v1.UsersService.CreateUser", email=email, display_name="Vera Visor", roles=["ROLE_SUPERVISOR"],
        seller_ids=[seller], password=password, request_id=new_id(),
    )
    supervisor, _ = login(platform, email, password)
    reviewed = supervisor.call(
        f"{questionnaires}.ReviewAnswers", approve_rest=True, request_id=new_id(), **template, **of
    )
    check(reviewed.questionnaire.state == "approved" and reviewed.articles == 1, f"{reviewed}")
    step("the questionnaire is answered, and approved by somebody else")
    return account.channel_account_id, supervisor


def hire(platform, admin, seller):
    email, password = f"giulia-{uuid.uuid4().hex[:8]}@foreign.example", f"frase lunga {uuid.uuid4().hex}"
    user = admin.call(
        "tenants.v1.UsersService.CreateUser", email=email, display_name="Giulia Esempio", roles=["ROLE_AGENT"],
        seller_ids=[seller], password=password, request_id=new_id(),
    ).user
    admin.call(
        "tenants.v1.UsersService.UpdateAgentProfile", user_id=user.user_id, request_id=new_id(),
        agent_profile=dict(
            languages=[dict(language="it", level="LANGUAGE_LEVEL_NATIVE")], site="lisbon", time_zone="Europe/Lisbon"
        ),
    )
    certified = admin.call(
        "tenants.v1.UsersService.CertifyAgent", seller_id=seller, user_id=user.user_id, request_id=new_id()
    )
    check(certified.ByteSize() >= 0, "certified")
    agent, _ = login(platform, email, password)
    step("an agent who speaks Italian is hired and certified")
    refused = agent.refused(
        "tenants.v1.SellersService.CreateSeller", handle="not-hers", name="Not hers", request_id=new_id()
    )
    check(refused.code == grpc.StatusCode.PERMISSION_DENIED and refused.reason == "ROLE_MAY_NOT", str(refused))
    step("she may not do what administrators do")
    return agent, user.user_id


def sign_plan(admin, seller):
    party = dict(legal_name="Foreign Desk Lda", address_lines=["Rua Um 1"], postal_code="1000-001", city="Lisboa",
                 country="PT", vat_id="PT123456789")
    issuer = admin.call(
        "billing.v1.BillingService.UpsertIssuer", request_id=new_id(),
        issuer=dict(party=party, number_prefix="FD" + uuid.uuid4().hex[:4].upper(), time_zone="Europe/Lisbon"),
    ).issuer
    admin.call(
        "billing.v1.BillingService.UpsertBillingProfile", seller_id=seller, request_id=new_id(),
        profile=dict(
            buyer=dict(legal_name="Sole e Mare S.r.l.", address_lines=["Via Dante 14"], postal_code="20121",
                       city="Milano", country="IT", vat_id="IT00743110157"),
            vat_check="VAT_CHECK_VALID", vat_evidence="WAPIAAAAX1", issuer_id=issuer.issuer_id, currency="EUR",
            time_zone="Europe/Rome", payment_term_days=14,
        ),
    )
    plan = admin.call(
        "billing.v1.BillingService.CreateRatePlan", request_id=new_id(),
        plan=dict(
            name="Foreign", currency="EUR", interval="BILLING_INTERVAL_MONTH",
            charges=[
                dict(code="base", name="Base fee", model="PRICE_MODEL_FLAT", unit_amount="100.00"),
                dict(code="contacts", name="Contacts", meter="METER_CONTACT", model="PRICE_MODEL_PER_UNIT",
                     unit_amount="2.50"),
            ],
        ),
    ).plan
    first = datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Rome")).date().replace(day=1)
    signed = dict(seller_id=seller, rate_plan_id=plan.rate_plan_id, version=plan.version, signed_by="Chiara, CEO",
                  effective_from=first.isoformat(), request_id=new_id())
    contract = admin.call("billing.v1.BillingService.SignRatePlan", **signed).contract
    check(contract.effective_from == first.isoformat(), f"{contract}")
    check(admin.call("billing.v1.BillingService.SignRatePlan", **signed).contract == contract, "signed once")
    admin.read_both_ways(
        "billing.v1.BillingService.GetContract", seller_id=seller, contract_id=contract.contract_id
    )
    step("a rate plan is made and signed")


def go_live(admin, seller):
    onboarding = "tenants.v1.OnboardingService"

    def lacking():
        items = admin.call(f"{onboarding}.GetChecklist", seller_id=seller).items
        return {item.item: list(item.missing) for item in items if item.required and not item.done}

    # the signed plan reaches the checklist as an event
    until(f"only the probe to be lacking, not {lacking()}", lambda: set(lacking()) <= {"isolation_probe"})
    refused = admin.refused("tenants.v1.SellersService.GoLive", seller_id=seller, request_id=new_id())
    check(refused.code == grpc.StatusCode.FAILED_PRECONDITION and refused.reason == "EVIDENCE_MISSING", str(refused))
    step("the seller does not go live before its isolation is proved")
    print(f"probe wanted: {seller}", flush=True)
    until("a green isolation probe", lambda: not lacking())
    live = admin.call("tenants.v1.SellersService.GoLive", seller_id=seller, request_id=new_id()).seller
    check(live.state == live.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_name["SELLER_STATE_LIVE"].number,
          f"{live}")
    admin.read_both_ways("tenants.v1.SellersService.GetSeller", seller_id=seller)
    step("the seller is live")


def serve(admin, agent, agent_id, seller, account):
    desk = Desk(agent)
    desk.say(hello=dict(state="PRESENCE_STATE_AVAILABLE"))
    _, welcome = desk.hear("welcome")
    check(welcome.presence.agent_id == agent_id and welcome.lease_seconds > 0, f"{welcome}")
    step("the agent opens her desk")

    bad = admin.refused("tickets.v1.TicketsService.ReceiveMessage", seller_id=seller, channel_account_id="chan_x")
    check(bad.code == grpc.StatusCode.INVALID_ARGUMENT, str(bad))
    check("channel_account_id" in bad.fields and "external_id" in bad.fields, f"{bad.fields}")
    step("a message without its facts is refused, every field named")
    message = dict(
        seller_id=seller, channel_account_id=account, external_id=f"<{uuid.uuid4()}@mail.example>",
        author=dict(address="marco@cliente.example", name="Marco"), subject="Dov'è il mio ordine?",
        text="Buongiorno, ho ordinato due settimane fa e non ho ancora ricevuto il pacco. "
        "Potete dirmi quando arriverà? Grazie mille, Marco",
    )
    received = admin.call("tickets.v1.TicketsService.ReceiveMessage", **message)
    check(received.ticket.language == "it", f"the language is {received.ticket.language!r}")
    again = admin.call("tickets.v1.TicketsService.ReceiveMessage", **message)
    check(again.duplicate and again.ticket.id == received.ticket.id, "a second delivery changes nothing")
    ticket = dict(seller_id=seller, ticket_id=received.ticket.id)
    step(f"an Italian letter becomes {received.ticket.number}")

    clocks = admin.call("tickets.v1.TicketsService.ExplainSla", **ticket).clocks
    running = [clock for clock in clocks if clock.source == "contract" and not clock.HasField("stopped_at")]
    check(any(clock.target_seconds == 28800 for clock in running), f"{clocks}")
    step("the promise to answer in eight hours runs")

    _, offer = desk.hear("offer")
    check(offer.contact.ticket_id == received.ticket.id and offer.agent_id == agent_id, f"{offer}")
    check(offer.contact.needs.language.split("-")[0] == "it", f"{offer}")
    step("it is offered to her")
    sequence = desk.say(accept=dict(offer_id=offer.id))
    seen = {}
    while "done" not in seen or "assigned" not in seen:
        kind, frame = desk.hear("done", "assigned")
        if kind == "assigned" or frame.sequence == sequence:
            seen[kind] = frame
    check(seen["assigned"].agent_id == agent_id, f"{seen}")
    until("the ticket to be hers",
          lambda: agent.call("tickets.v1.TicketsService.GetTicket", **ticket).ticket.assignee_id == agent_id)
    step("she takes it, and the ticket is hers")

    reply = dict(text="Buongiorno Marco, il pacco arriva domani. Cordiali saluti, Giulia", solve=True,
                 request_id=new_id(), **ticket)
    answered = agent.call("tickets.v1.TicketsService.Reply", **reply)
    check(agent.call("tickets.v1.TicketsService.Reply", **reply) == answered, "a repeated reply is sent once")
    check(answered.ticket.HasField("first_response_at"), f"{answered}")
    step("she answers, once")
    listed = agent.read_both_ways("tickets.v1.TicketsService.ListMessages", **ticket)
    check([one.position for one in listed.messages] == [1, 2], f"{listed}")
    agent.read_both_ways("tickets.v1.TicketsService.GetTicket", **ticket)
    step("letter and answer are read back, by gRPC and by JSON")

    desk.say(complete=dict(contact_id=offer.contact.id, completion="COMPLETION_DONE"))

    def is_done():
        contact = agent.call("routing.v1.RoutingService.GetContact", seller_id=seller, contact_id=offer.contact.id)
        return contact.contact.HasField("ended_at")

    until("the contact to be finished", is_done)
    admin.read_both_ways("routing.v1.RoutingService.GetContact", seller_id=seller, contact_id=offer.contact.id)
    desk.close()
    step("the contact is finished")

    clocks = admin.call("tickets.v1.TicketsService.ExplainSla", **ticket).clocks
    verdicts = {clock.target_seconds: clock.verdict for clock in clocks if clock.source == "contract"}
    kept = clocks[0].DESCRIPTOR.fields_by_name["verdict"].enum_type.values_by_name["VERDICT_KEPT"].number
    check(verdicts.get(28800) == kept and verdicts.get(259200) == kept, f"{clocks}")
    step("both promises are kept, and explained")
    return offer.contact.id


def count(admin, seller):
    report = admin.call("tickets.v1.TicketsService.GetSlaReport", seller_id=seller)
    contract = [row for row in report.rows if row.kept]
    check(sum(row.kept for row in contract) >= 2 and all(row.missed == 0 for row in report.rows), f"{report}")
    conversations = admin.read_both_ways("tickets.v1.TicketsService.GetConversationReport", seller_id=seller)
    row = conversations.rows[0]
    check((row.conversations, row.messages_inbound, row.messages_outbound, row.answered) == (1, 1, 1, 1), f"{row}")
    step("the reports count it")

    def usage():
        events = admin.call("billing.v1.BillingService.ListUsage", seller_id=seller, meter="METER_CONTACT").events
        return events if len(events) else None

    events = until("the contact to be metered", usage)
    check(len(events) == 1 and float(events[0].item.quantity) == 1, f"{events}")
    admin.read_both_ways("billing.v1.BillingService.ListUsage", seller_id=seller, meter="METER_CONTACT")
    step("it is metered once")
    invoice = admin.call("billing.v1.BillingService.PreviewInvoice", seller_id=seller).invoice
    check((invoice.net_amount, invoice.tax_amount, invoice.total_amount) == ("102.50", "0.00", "102.50"), f"{invoice}")
    check(invoice.taxes[0].category == "AE", f"reverse charge: {invoice.taxes}")
    admin.read_both_ways("billing.v1.BillingService.PreviewInvoice", seller_id=seller)
    step("the running invoice says 102.50 EUR")
    refused = admin.refused(
        "billing.v1.BillingService.FinalizeInvoice", seller_id=seller, date=invoice.period_from, request_id=new_id()
    )
    check(refused.code == grpc.StatusCode.FAILED_PRECONDITION, f"the period still runs: {refused}")
    step("it is not final before its period is over")


def plan(admin, supervisor):
    answer = supervisor.read_both_ways("workforce.v1.WorkforceService.ListRuleSets")
    check(answer.ByteSize() > 0, "rule sets")
    refused = admin.refused("workforce.v1.WorkforceService.ComputeErlang")
    check(refused.code == grpc.StatusCode.INVALID_ARGUMENT and refused.fields, str(refused))
    step("the planner's rules are read")


def apart(platform, agent, seller):
    absent = "seller_" + "0" * 26
    refused = agent.refused("tickets.v1.TicketsService.ListTickets", seller_id=absent)
    check(refused.code == grpc.StatusCode.NOT_FOUND, str(refused))
    check(agent.call("tickets.v1.TicketsService.ListTickets", seller_id=seller).tickets, "her own")
    refused = agent.refused("routing.v1.RoutingService.AcceptOffer", seller_id=seller, offer_id="offer_" + "0" * 26,
                            request_id=new_id())
    check(refused.code == grpc.StatusCode.NOT_FOUND, str(refused))
    tampered = Somebody(platform, agent.token[:-4] + ("AAAA" if not agent.token.endswith("AAAA") else "BBBB"))
    refused = tampered.refused("tenants.v1.UsersService.WhoAmI")
    check(refused.code == grpc.StatusCode.UNAUTHENTICATED and refused.reason == "TOKEN_INVALID", str(refused))
    step("what is not hers is not there")


def main():
    platform = Platform(os.environ["MANYDESK_TARGET"])
    meet(platform)
    admin = sign_in(platform)
    seller = found_seller(admin)
    account, supervisor = prepare(platform, admin, seller)
    agent, agent_id = hire(platform, admin, seller)
    sign_plan(admin, seller)
    go_live(admin, seller)
    serve(admin, agent, agent_id, seller, account)
    count(admin, seller)
    plan(admin, supervisor)
    apart(platform, agent, seller)
    print(f"foreign client: {STEPS} steps ok", flush=True)


if __name__ == "__main__":
    sys.exit(main())
