//! A line resolves to its contacts under a hash that is recomputed here from what is
//! on the wire alone, by the canonical form that `proof.proto` describes.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::ToSpan;
use proto::Role;
use proto::billing::v1::proof_service_client::ProofServiceClient;
use proto::billing::v1::*;
use tests::{desk, reason};
use tonic::Code;

use super::{billed, contact, finalized, last_month, recorded};

fn sha(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The leaf of a contact: a zero byte, and each text with the number of its bytes.
fn leaf(c: &LineContact) -> Vec<u8> {
    let texts = [
        &c.source,
        &c.event_key,
        &c.meter,
        &c.quantity,
        &c.event_micros,
        &c.subject,
        &c.channel,
        &c.language,
        &c.marketplace,
        &c.country,
        &c.hour_class,
        &c.agent_group,
        &c.corrects_event_key,
        &c.duration_seconds,
        &c.historical,
        &c.local_date,
        &c.amount,
    ];
    let mut bytes = vec![0];
    for text in texts {
        bytes.extend(format!("{}:", text.len()).bytes());
        bytes.extend(text.bytes());
        bytes.push(b';');
    }
    sha(&bytes)
}

/// From the leaves upwards: whole pairs are joined, one that is left over goes up as it is.
fn root(mut level: Vec<Vec<u8>>) -> Vec<u8> {
    while level.len() > 1 {
        let join = |pair: &[Vec<u8>]| match pair {
            [left, right] => sha(&[&[1][..], left, right].concat()),
            rest => rest[0].clone(),
        };
        level = level.chunks(2).map(join).collect();
    }
    level.pop().unwrap_or_else(|| sha(b""))
}

#[tokio::test]
async fn a_line_resolves_to_its_contacts_and_the_seller_recomputes_its_hash() {
    let mut tenant = desk().await.provider("Proofs").await;
    let seller = billed(&mut tenant, "proof").await;
    let day = last_month();
    let subject = |n: i32| format!("Größe {n};3:x;");
    let item = |n: i32| UsageItem {
        subject: subject(n),
        ..contact(&format!("c{n:02}"), day.saturating_add((n % 20).days()), if n % 4 == 0 { "da" } else { "it" })
    };
    recorded(&mut tenant, &seller, (0..23).map(item).collect()).await;
    let invoice = finalized(&mut tenant, &seller).await;

    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&seller]).await;
    let mut client = ProofServiceClient::new(viewer.session.transport().await.expect("a token"));
    let ask = |line_number| GetLineProofRequest {
        invoice_id: invoice.invoice_id.clone(),
        line_number,
        ..GetLineProofRequest::default()
    };
    let proof = client.get_line_proof(ask(2)).await.expect("a proof").into_inner().proof.expect("a proof");
    assert_eq!((proof.form.as_str(), proof.contacts), ("manydesk-line-1", 23));
    assert_eq!(proof.amount, invoice.lines[1].amount);

    let request = StreamLineContactsRequest {
        invoice_id: invoice.invoice_id.clone(),
        line_number: 2,
        ..StreamLineContactsRequest::default()
    };
    let mut stream = client.stream_line_contacts(request).await.expect("a stream").into_inner();
    let mut contacts = Vec::new();
    while let Some(part) = stream.message().await.expect("a part") {
        contacts.extend(part.contacts);
    }
    let order: Vec<_> =
        contacts.iter().map(|c| (c.event_micros.parse::<i64>().expect("a number"), &c.event_key)).collect();
    assert!(order.is_sorted(), "{order:?}");
    let leaves: Vec<Vec<u8>> = contacts.iter().map(leaf).collect();
    assert_eq!(
        leaves.iter().map(|l| hex(l)).collect::<Vec<_>>(),
        contacts.iter().map(|c| c.leaf.clone()).collect::<Vec<_>>()
    );
    assert_eq!(hex(&root(leaves.clone())), proof.root);
    let cents = |amount: &str| amount.replace('.', "").parse::<i64>().expect("two decimal places");
    assert_eq!(contacts.iter().map(|c| cents(&c.amount)).sum::<i64>(), cents(&proof.amount));
    // a contact more, or a cent elsewhere, is another root
    assert_ne!(hex(&root(leaves[..22].to_vec())), proof.root);
    let mut moved = contacts.clone();
    moved[0].amount = "9.99".into();
    assert_ne!(hex(&root(moved.iter().map(leaf).collect())), proof.root);

    // the same ever after, also when usage of the period comes late
    recorded(&mut tenant, &seller, vec![contact("late", day, "it")]).await;
    let again = client.get_line_proof(ask(2)).await.expect("a proof").into_inner().proof.expect("a proof");
    assert_eq!(again, proof);
    assert_eq!(reason(&client.get_line_proof(ask(1)).await.expect_err("a flat fee")), "NOT_A_LINE_OF_USAGE");
    assert_eq!(client.get_line_proof(ask(9)).await.expect_err("no line").code(), Code::NotFound);
}
