//! How answers leave by other systems: signed, until they are taken, and by WhatsApp.

use super::*;

impl Shop {
    async fn sender(&mut self) -> ChannelSendersServiceClient<Transport> {
        ChannelSendersServiceClient::new(self.tenant.admin.transport().await.expect("a token"))
    }

    /// Says where an account's answers go; the secret that was made, if one was.
    pub(super) async fn send_by(&mut self, account: &str, sender: pb::ChannelSender) -> Result<String, tonic::Status> {
        let request = pb::PutChannelSenderRequest {
            seller_id: self.seller.clone(),
            channel_account_id: account.into(),
            channel_sender: Some(sender),
            ..Default::default()
        };
        Ok(self.sender().await.put_channel_sender(request).await?.into_inner().secret)
    }

    async fn reply(&mut self, ticket: &str, text: &str) -> pb::Message {
        let request = pb::ReplyRequest {
            seller_id: self.seller.clone(),
            request_id: unique(),
            ticket_id: ticket.into(),
            text: text.into(),
            ..Default::default()
        };
        self.tickets.reply(request).await.expect("an answer").into_inner().message.expect("a message")
    }

    async fn until(&mut self, message: &str, state: pb::OutgoingMailState) -> pb::OutgoingMail {
        let outgoing = OutgoingMailsServiceClient::new(self.tenant.admin.transport().await.expect("a token"));
        eventually(&format!("the answer to be {state:?}"), || {
            let (mut outgoing, message) = (outgoing.clone(), message.to_owned());
            async move {
                let request = pb::GetOutgoingMailRequest { message_id: message, ..Default::default() };
                let mail = outgoing.get_outgoing_mail(request).await.ok()?.into_inner().mail?;
                (mail.state() == state).then_some(mail)
            }
        })
        .await
    }

    async fn kinds(&mut self, ticket: &str) -> Vec<String> {
        let request = pb::ListTicketEventsRequest { ticket_id: ticket.into(), ..Default::default() };
        let events = self.tickets.list_ticket_events(request).await.expect("a history").into_inner().events;
        events.into_iter().map(|event| event.kind).collect()
    }
}

#[tokio::test]
async fn an_answer_leaves_by_a_signed_webhook_until_it_is_taken() {
    let server = Server::start(|asked, before| {
        let text = asked.json()["data"]["text"].as_str().unwrap_or_default().to_owned();
        let before = before.iter().filter(|one| one.json() == asked.json()).count();
        match text.as_str() {
            "busy" if before < 2 => Reply::json(503, &json!({})),
            "never" => Reply::json(410, &json!({"error": "gone"})),
            "endless" => Reply::json(429, &json!({})),
            _ => Reply::json(200, &json!({"message_id": format!("theirs-{text}")})),
        }
    })
    .await;
    let mut shop = shop("Leaving").await;
    let (account, secret) = shop.standard("chat").await;
    assert_eq!(shop.deliver(&account, &secret, "d-1", &written("1", "Buongiorno!")).await.counts(), [1, 0, 0, 0]);
    let ticket = shop.all().await.remove(0);
    let unsent = shop.reply(&ticket.id, "before there was a sender").await;
    let mail = shop.until(&unsent.id, pb::OutgoingMailState::NotSent).await;
    assert_eq!(mail.reason, "other_channel");

    let address = format!("{}/answers?shop=1", server.address);
    let standard = pb::ChannelSender { kind: pb::ChannelSenderKind::Standard.into(), address, ..Default::default() };
    let key = shop.send_by(&account, standard.clone()).await.expect("a sender");
    assert_eq!(shop.send_by(&account, standard.clone()).await.expect("the same"), "", "told once");
    let message = shop.reply(&ticket.id, "Arriva domani.").await;
    let sent = shop.until(&message.id, pb::OutgoingMailState::Sent).await;
    assert_eq!((sent.attempts, sent.recipient.as_str(), sent.may_be_twice), (1, "anna@casa.example", false));
    let asked = server.heard().remove(0);
    let at: i64 = asked.header("webhook-timestamp").parse().expect("seconds");
    assert_eq!(asked.header("webhook-signature"), signature(&key, &message.id, at, &asked.body));
    assert_eq!((asked.path.as_str(), asked.header("webhook-id")), ("/answers", message.id.as_str()));
    let data = &asked.json()["data"];
    assert_eq!((data["text"].as_str(), data["thread_id"].as_str()), (Some("Arriva domani."), Some("talk-1")));
    assert_eq!((&data["in_reply_to"], &data["ticket_number"]), (&json!("1"), &json!(ticket.number)));
    // By the id that the other side gave, an answer to it is told from others.
    let answers = shop.messages(&ticket.id).await;
    assert_eq!(answers.last().map(|m| m.external_id.as_str()), Some("theirs-Arriva domani."));

    let busy = shop.reply(&ticket.id, "busy").await;
    assert_eq!(shop.until(&busy.id, pb::OutgoingMailState::Sent).await.attempts, 3);
    let of_busy: Vec<_> = server.heard().into_iter().filter(|asked| asked.json()["data"]["text"] == "busy").collect();
    assert!(of_busy.len() == 3 && of_busy.iter().all(|asked| asked.header("webhook-id") == busy.id));
    let never = shop.reply(&ticket.id, "never").await;
    let failed = shop.until(&never.id, pb::OutgoingMailState::Failed).await;
    assert_eq!((failed.attempts, failed.reason.as_str()), (1, "rejected"));
    assert!(shop.kinds(&ticket.id).await.contains(&"undelivered".to_owned()));
    let endless = shop.reply(&ticket.id, "endless").await;
    let failed = shop.until(&endless.id, pb::OutgoingMailState::Failed).await;
    assert_eq!((failed.attempts, failed.reason.as_str()), (4, "later"));
    let with_file = pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        ticket_id: ticket.id.clone(),
        text: "with a file".into(),
        upload_ids: vec!["upload_01h00000000000000000000000".into()],
        ..Default::default()
    };
    let refused = shop.tickets.reply(with_file).await.expect_err("no file leaves by this channel");
    assert_eq!((refused.code(), violated(&refused)), (Code::InvalidArgument, vec!["upload_ids".to_owned()]));

    // What is wrong, and who may.
    let whatsapp = pb::ChannelSender {
        kind: pb::ChannelSenderKind::Whatsapp.into(),
        phone_number_id: "106".into(),
        secret: "token".into(),
        ..Default::default()
    };
    assert_eq!(violated(&shop.send_by(&account, whatsapp).await.unwrap_err()), ["channel_account_id"]);
    for (wrong, field) in [
        (pb::ChannelSender { kind: 0, ..standard.clone() }, "channel_sender.kind"),
        (pb::ChannelSender { address: String::new(), ..standard.clone() }, "channel_sender.address"),
        (pb::ChannelSender { address: "ftp://x".into(), ..standard.clone() }, "channel_sender.address"),
        (pb::ChannelSender { phone_number_id: "1".into(), ..standard.clone() }, "channel_sender.phone_number_id"),
        (pb::ChannelSender { secret: "whsec_x".into(), ..standard.clone() }, "channel_sender.secret"),
    ] {
        assert_eq!(violated(&shop.send_by(&account, wrong).await.unwrap_err()), [field]);
    }
    let list = pb::ListChannelSendersRequest { seller_id: shop.seller.clone(), ..Default::default() };
    let mut senders = shop.sender().await;
    let listed = senders.list_channel_senders(list.clone()).await.expect("a list").into_inner().channel_senders;
    assert_eq!((listed.len(), listed[0].secret.as_str(), listed[0].has_secret), (1, "", true));
    let mut agent = shop.tenant.person("Agent", Role::Agent, &[&shop.seller]).await;
    let mut hers = ChannelSendersServiceClient::new(agent.session.transport().await.expect("a token"));
    assert_eq!(hers.list_channel_senders(list).await.unwrap_err().code(), Code::PermissionDenied);
    let delete = pb::DeleteChannelSenderRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: account.clone(),
        ..Default::default()
    };
    senders.delete_channel_sender(delete.clone()).await.expect("gone");
    assert_eq!(senders.delete_channel_sender(delete).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn an_answer_leaves_by_whatsapp_and_its_fate_comes_back() {
    let server = Server::start(|asked, _| match asked.header("authorization") {
        "Bearer good" => {
            let text = asked.json()["text"]["body"].as_str().unwrap_or_default().to_owned();
            if text == "too late" {
                let error = json!({"error": {"message": "Re-engagement message", "code": 131_047}});
                return Reply::json(400, &error);
            }
            Reply::json(200, &json!({"messaging_product": "whatsapp", "messages": [{"id": format!("wamid.{text}")}]}))
        }
        _ => Reply::json(401, &json!({"error": {"message": "bad token", "code": 190}})),
    })
    .await;
    let mut shop = shop("By WhatsApp").await;
    let account = shop.meta("whatsapp", "106").await;
    let first = whatsapp("106", &json!([said("wamid.1", "393331234567", "Buongiorno!", now())]));
    assert_eq!(shop.by_meta(&account, APP_SECRET, &first).await.counts(), [1, 0, 0, 0]);
    let ticket = shop.all().await.remove(0);
    let sender = pb::ChannelSender {
        kind: pb::ChannelSenderKind::Whatsapp.into(),
        address: format!("{}/v23.0", server.address),
        phone_number_id: "106".into(),
        secret: "bad".into(),
        ..Default::default()
    };
    shop.send_by(&account, sender.clone()).await.expect("a sender");
    let kept = shop.reply(&ticket.id, "hello").await;
    let failed = shop.until(&kept.id, pb::OutgoingMailState::Failed).await;
    assert_eq!((failed.reason.as_str(), failed.server_reply.as_str()), ("sign_in", "HTTP 401 bad token (190)"));
    shop.send_by(&account, pb::ChannelSender { secret: "good".into(), ..sender }).await.expect("another token");
    let again = pb::RetryOutgoingMailRequest {
        seller_id: shop.seller.clone(),
        message_id: kept.id.clone(),
        ..Default::default()
    };
    let mut outgoing = OutgoingMailsServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    outgoing.retry_outgoing_mail(again).await.expect("queued again");
    shop.until(&kept.id, pb::OutgoingMailState::Sent).await;
    let asked = server.heard().pop().expect("it was asked");
    assert_eq!(asked.path, "/v23.0/106/messages");
    assert_eq!(
        asked.json(),
        json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "393331234567", "type": "text",
               "text": {"preview_url": false, "body": "hello"}, "context": {"message_id": "wamid.1"}})
    );
    let late = shop.reply(&ticket.id, "too late").await;
    let failed = shop.until(&late.id, pb::OutgoingMailState::Failed).await;
    assert_eq!(
        (failed.reason.as_str(), failed.server_reply.as_str()),
        ("rejected", "HTTP 400 Re-engagement message (131047)")
    );

    // What Meta tells of an answer later, once each; of what is not ours nothing.
    let status = |id: &str, status: &str| {
        json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "metadata": {"phone_number_id": "106"},
            "statuses": [{"id": id, "status": status, "errors": [{"code": 131_026}]}]}}]}]})
    };
    for (id, word) in [("wamid.hello", "sent"), ("wamid.hello", "delivered"), ("wamid.nobody", "failed")] {
        assert_eq!(shop.by_meta(&account, APP_SECRET, &status(id, word)).await.counts(), [0, 0, 0, 1]);
    }
    let mail = shop.until(&kept.id, pb::OutgoingMailState::Sent).await;
    assert_eq!(mail.delivery(), pb::DeliveryState::Delivered);
    let before = shop.kinds(&ticket.id).await.iter().filter(|kind| *kind == "undelivered").count();
    for _ in 0..2 {
        let failed = status("wamid.hello", "failed");
        assert_eq!(shop.by_meta(&account, APP_SECRET, &failed).await.counts(), [0, 0, 0, 1]);
    }
    let mail = shop.until(&kept.id, pb::OutgoingMailState::Bounced).await;
    assert_eq!((mail.delivery(), mail.delivery_status.as_str()), (pb::DeliveryState::Failed, "131026"));
    let after = shop.kinds(&ticket.id).await.iter().filter(|kind| *kind == "undelivered").count();
    assert_eq!(after, before + 1);
}

#[tokio::test]
async fn an_answer_leaves_by_messenger_and_by_instagram_to_who_wrote_there() {
    let server = Server::start(|asked, _| match asked.json()["message"]["text"].as_str() {
        Some("too late") => Reply::json(400, &json!({"error": {"message": "outside of allowed window", "code": 10}})),
        _ => Reply::json(200, &json!({"recipient_id": "51", "message_id": format!("m_{}", asked.path)})),
    })
    .await;
    let mut shop = shop("By Messenger").await;
    for (object, kind, to) in [
        ("page", pb::ChannelSenderKind::Messenger, json!({"id": "51"})),
        ("instagram", pb::ChannelSenderKind::Instagram, json!({"id": "51"})),
    ] {
        let known: Vec<String> = shop.all().await.into_iter().map(|ticket| ticket.id).collect();
        let page = format!("9{}", kind as i32);
        let account = shop.meta("social", &page).await;
        let event = json!({"sender": {"id": "51"}, "recipient": {"id": page}, "timestamp": now() * 1_000,
                           "message": {"mid": format!("first-{object}"), "text": "Buongiorno!"}});
        let delivery = json!({"object": object, "entry": [{"id": page, "time": 1, "messaging": [event]}]});
        assert_eq!(shop.by_meta(&account, APP_SECRET, &delivery).await.counts(), [1, 0, 0, 0]);
        let ticket = shop.all().await.into_iter().find(|ticket| !known.contains(&ticket.id)).expect("a ticket");
        let sender = pb::ChannelSender {
            kind: kind.into(),
            address: format!("{}/v23.0", server.address),
            page_id: page.clone(),
            secret: "token".into(),
            ..Default::default()
        };
        let nameless = pb::ChannelSender { page_id: String::new(), ..sender.clone() };
        assert_eq!(violated(&shop.send_by(&account, nameless).await.unwrap_err()), ["channel_sender.page_id"]);
        shop.send_by(&account, sender).await.expect("a sender");
        let message = shop.reply(&ticket.id, "Arriva domani.").await;
        shop.until(&message.id, pb::OutgoingMailState::Sent).await;
        let asked = server.heard().pop().expect("it was asked");
        assert_eq!(asked.path, format!("/v23.0/{page}/messages"));
        assert_eq!(asked.header("authorization"), "Bearer token");
        let mut body = json!({"recipient": to, "message": {"text": "Arriva domani."}});
        if kind == pb::ChannelSenderKind::Messenger {
            body["messaging_type"] = json!("RESPONSE");
        }
        assert_eq!(asked.json(), body);
        let answers = shop.messages(&ticket.id).await;
        assert_eq!(answers.last().map(|m| m.external_id.clone()), Some(format!("m_/v23.0/{page}/messages")));
        let late = shop.reply(&ticket.id, "too late").await;
        let failed = shop.until(&late.id, pb::OutgoingMailState::Failed).await;
        assert_eq!(failed.server_reply, "HTTP 400 outside of allowed window (10)");
    }
}
