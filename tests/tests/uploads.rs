//! Files that answers take along: handed in before, checked, and sent as they are.

use proto::tickets::v1 as pb;
use proto::tickets::v1::mail_connections_service_client::MailConnectionsServiceClient;
use proto::tickets::v1::outgoing_mails_service_client::OutgoingMailsServiceClient;
use tests::{eventually, reason};
use tickets::domain::intake::mail;
use tokio_stream::StreamExt;
use tonic::Code;

use crate::support::mail::{PASSWORD, SmtpServer};
use crate::support::shop::{Hands, Shop, hands, shop};

fn unique() -> String {
    kit::Clock::System.new_uuid().to_string()
}

const LABEL: &[u8] = b"%PDF-1.7\r\n%\xe2\xe3\xcf\xd3\n--b\r\n.\r\nend";

fn upload(shop: &Shop, ticket: &str, name: &str, data: &[u8]) -> pb::UploadFileRequest {
    pb::UploadFileRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        ticket_id: ticket.into(),
        name: name.into(),
        content_type: "application/octet-stream".into(),
        data: data.to_vec().into(),
    }
}

fn reply(shop: &Shop, ticket: &str, uploads: &[&str]) -> pb::ReplyRequest {
    pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        ticket_id: ticket.into(),
        text: "In allegato l'etichetta.".into(),
        upload_ids: uploads.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    }
}

async fn kept(hands: &mut Hands, request: pb::UploadFileRequest) -> pb::Upload {
    hands.uploads.upload_file(request).await.expect("a file is kept").into_inner().upload.expect("a file")
}

async fn files(hands: &mut Hands, ticket: &str) -> Vec<pb::Attachment> {
    let request = pb::ListAttachmentsRequest { ticket_id: ticket.into(), ..Default::default() };
    hands.tickets.list_attachments(request).await.expect("files").into_inner().attachments
}

#[tokio::test]
async fn an_answer_takes_its_files_along_once() {
    let Some(server) = SmtpServer::start("an_answer_takes_its_files_along_once") else { return };
    let mut shop = shop("Enclosing").await;
    let transport = shop.tenant.admin.transport().await.expect("a token");
    let smtp = pb::MailServer {
        host: "localhost".into(),
        port: server.port.into(),
        security: pb::MailSecurity::None.into(),
        user: "help".into(),
        password: PASSWORD.into(),
        has_password: false,
        sign_in: pb::MailSignIn::Password.into(),
    };
    let connect = pb::PutMailConnectionRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: shop.account.clone(),
        connection: Some(pb::MailConnection { smtp: Some(smtp), ..Default::default() }),
        ..Default::default()
    };
    MailConnectionsServiceClient::new(transport.clone()).put_mail_connection(connect).await.expect("a server");
    let mut outgoing = OutgoingMailsServiceClient::new(transport);
    let customer = format!("anna-{}@customer.example", unique());
    let ticket = shop.ticket_of("e1", &customer, "Reso", "Come lo rendo?", "").await;
    let mut agent = hands(&mut shop.agent.session).await;

    let request = upload(&shop, &ticket.id, "../étiquette.pdf", LABEL);
    let file = kept(&mut agent, request.clone()).await;
    assert_eq!(kept(&mut agent, request).await, file, "a retried request keeps it once");
    assert_eq!((file.name.as_str(), file.detected_type.as_str()), ("étiquette.pdf", "application/pdf"));
    assert!(files(&mut agent, &ticket.id).await.is_empty(), "it waits");
    let photo = kept(&mut agent, upload(&shop, &ticket.id, "foto.png", b"\x89PNG\r\n\x1a\nxx")).await;

    let asked = reply(&shop, &ticket.id, &[&photo.id, &file.id]);
    let answer = agent.tickets.reply(asked.clone()).await.expect("an answer").into_inner().message.unwrap();
    let again = agent.tickets.reply(asked).await.expect("the same answer").into_inner().message.unwrap();
    assert_eq!(answer.id, again.id);
    let found = files(&mut agent, &ticket.id).await;
    let names: Vec<&str> = found.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["foto.png", "étiquette.pdf"], "in the order in which they were named");
    assert!(found.iter().all(|file| file.message_id == answer.id));
    let download = pb::DownloadAttachmentRequest { attachment_id: found[1].id.clone(), ..Default::default() };
    let pieces = agent.tickets.download_attachment(download).await.expect("bytes").into_inner();
    let bytes = pieces.map(|piece| piece.expect("a piece").data.to_vec()).collect::<Vec<_>>().await.concat();
    assert_eq!(bytes, LABEL);
    // What left is gone from the files that wait.
    let twice = agent.tickets.reply(reply(&shop, &ticket.id, &[&file.id])).await.unwrap_err();
    assert_eq!(twice.code(), Code::NotFound);

    // It arrives as it was handed in.
    let of_ticket = pb::ListOutgoingMailsRequest { ticket_id: ticket.id.clone(), ..Default::default() };
    let state = |mut outgoing: OutgoingMailsServiceClient<_>, wanted: pb::OutgoingMailState| {
        let request = of_ticket.clone();
        async move {
            let mails = outgoing.list_outgoing_mails(request).await.ok()?.into_inner().mails;
            (mails.len() == 1 && mails[0].state() == wanted).then(|| mails[0].clone())
        }
    };
    let sent = eventually("the mail to be sent", || state(outgoing.clone(), pb::OutgoingMailState::Sent)).await;
    let taken = server.taken(&customer);
    let read = mail::read(taken[0].raw.as_bytes()).expect("a mail");
    let got: Vec<(&str, &str)> = read.files.iter().map(|file| (file.name.as_str(), file.declared.as_str())).collect();
    assert_eq!(got, [("foto.png", "image/png"), ("étiquette.pdf", "application/pdf")]);
    assert_eq!(read.files[1].bytes, LABEL);
    assert!(read.text.contains("In allegato l'etichetta."));

    // A report that it did not arrive marks the mail and the answer.
    let report = format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nTo: help@masque.example\r\nMessage-ID: <{}@mx>\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=r\r\n\r\n--r\r\n\r\nno\r\n--r\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         --r\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{}>\r\n--r--\r\n",
        unique(),
        sent.internet_message_id
    );
    let request = pb::ReceiveEmailRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: shop.account.clone(),
        raw: report.into_bytes().into(),
        ..Default::default()
    };
    agent.tickets.receive_email(request).await.expect("a report is taken in");
    let bounced = outgoing.list_outgoing_mails(of_ticket.clone()).await.unwrap().into_inner().mails;
    assert_eq!(bounced[0].state(), pb::OutgoingMailState::Bounced);
    let list = pb::ListMessagesRequest { ticket_id: ticket.id.clone(), ..Default::default() };
    let messages = agent.tickets.list_messages(list).await.unwrap().into_inner().messages;
    let ours = messages.iter().find(|message| message.id == answer.id).expect("the answer");
    assert_eq!((ours.delivery(), ours.delivery_status.as_str()), (pb::DeliveryState::Failed, "5.1.1"));
}

#[tokio::test]
async fn what_may_not_leave_is_not_kept_and_what_is_somebody_elses_is_not_there() {
    let mut shop = shop("Guarded").await;
    let ticket = shop.ticket("u1", "Reso", "Come lo rendo?").await;
    let other = shop.ticket_of("u2", "bob@example.it", "x", "y", "").await;
    let mut stranger = crate::support::shop::shop("Strange").await;
    let foreign = stranger.ticket("u1", "x", "y").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let mut strange = hands(&mut stranger.agent.session).await;

    let program = [b"MZ\x90\0\x03\0\0\0".as_slice(), &[0; 64]].concat();
    let large = vec![b'a'; 10 * 1024 * 1024 + 1];
    for (name, data) in [
        ("invoice.pdf", program.as_slice()),
        ("setup.exe", b"hello"),
        ("page.html", b"<!doctype html><script>x()</script>"),
        ("photo.png", b"%PDF-1.7"),
        ("empty.txt", b""),
        ("large.txt", &large),
        ("", b"x"),
    ] {
        let refused = agent.uploads.upload_file(upload(&shop, &ticket.id, name, data)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{name}");
    }
    // What no message can hold ends the call and nothing else.
    let huge = vec![b'a'; 60 * 1024 * 1024];
    let refused = agent.uploads.upload_file(upload(&shop, &ticket.id, "huge.txt", &huge)).await.unwrap_err();
    assert!(!matches!(refused.code(), Code::Ok | Code::Internal | Code::Unknown), "{refused:?}");

    let file = kept(&mut agent, upload(&shop, &ticket.id, "label.pdf", LABEL)).await;
    let same = kept(&mut agent, upload(&shop, &other.id, "the-same.pdf", LABEL)).await;
    assert_eq!(file.sha256, same.sha256);
    let not_hers = agent.uploads.upload_file(upload(&shop, &foreign.id, "label.pdf", LABEL)).await.unwrap_err();
    assert_eq!(not_hers.code(), Code::NotFound);
    // A file of another ticket, of another seller, of nobody: the same to whoever asks.
    let theirs = kept(&mut strange, upload(&stranger, &foreign.id, "label.pdf", LABEL)).await;
    let absent = "upload_01h455vb4pex5vsknk084sn02q";
    for id in [same.id.as_str(), theirs.id.as_str(), absent] {
        let refused = agent.tickets.reply(reply(&shop, &ticket.id, &[id])).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::NotFound, not_there().as_str()), "{id}");
    }
    for bad in [vec!["attachment_01h455vb4pex5vsknk084sn02q"], vec!["x"], vec![&file.id, &file.id], vec![&file.id; 11]]
    {
        let refused = agent.tickets.reply(reply(&shop, &ticket.id, &bad)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{bad:?}");
    }
    // More than a mail carries.
    let most = vec![b'b'; 10 * 1024 * 1024];
    let one = kept(&mut agent, upload(&shop, &ticket.id, "one.txt", &most)).await;
    let two = kept(&mut agent, upload(&shop, &ticket.id, "two.txt", &most)).await;
    let refused = agent.tickets.reply(reply(&shop, &ticket.id, &[&one.id, &two.id])).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FILES_TOO_LARGE"));
    assert!(files(&mut agent, &ticket.id).await.is_empty(), "nothing of it was written");

    // Taken back, it is gone; the same bytes of the other ticket stay.
    let back = |id: &str| pb::DeleteUploadRequest {
        seller_id: shop.seller.clone(),
        request_id: unique(),
        upload_id: id.into(),
    };
    agent.uploads.delete_upload(back(&file.id)).await.expect("taken back");
    assert_eq!(agent.uploads.delete_upload(back(&file.id)).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(agent.uploads.delete_upload(back(&theirs.id)).await.unwrap_err().code(), Code::NotFound);
    agent.tickets.reply(reply(&shop, &other.id, &[&same.id])).await.expect("an answer");
    let left = files(&mut agent, &other.id).await;
    assert_eq!((left.len(), left[0].size), (1, i64::try_from(LABEL.len()).expect("small")));
}

/// How a file that is not there is told.
fn not_there() -> String {
    "no such upload".into()
}
