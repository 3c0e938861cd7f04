//! Invoices as documents: rendered once, the same bytes ever after, and what
//! they lack is told by the rules that ask for it.

use proto::Role;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::brand_service_client::BrandServiceClient;
use proto::billing::v1::*;
use tests::{Tenant, desk, reason, violated};
use tonic::Code;
use tonic_types::StatusExt;

use super::{billed, billed_by, contact, finalized, last_month, party, recorded};

const FORMATS: [InvoiceFormat; 7] = [
    InvoiceFormat::Pdf,
    InvoiceFormat::Ubl,
    InvoiceFormat::Cii,
    InvoiceFormat::XrechnungUbl,
    InvoiceFormat::XrechnungCii,
    InvoiceFormat::Csv,
    InvoiceFormat::Json,
];

fn file(invoice: &Invoice, format: InvoiceFormat, language: &str) -> ExportInvoiceRequest {
    ExportInvoiceRequest {
        seller_id: invoice.seller_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        format: format.into(),
        language: language.into(),
    }
}

/// A legal entity in France that says all that anybody asks of an issuer.
async fn whole_issuer(tenant: &mut Tenant, handle: &str) -> String {
    let party = Party {
        email: "billing@center.example".into(),
        contact_name: "Accounts".into(),
        contact_phone: "+33 1 23456789".into(),
        ..party("Contact Center SA", "FR", "FR12345678901").expect("a party")
    };
    let issuer = Issuer {
        party: Some(party),
        number_prefix: handle.to_uppercase().chars().take(8).collect(),
        time_zone: "UTC".into(),
        iban: "FR76 3000 6000 0112 3456 7890 189".into(),
        ..Issuer::default()
    };
    let request = UpsertIssuerRequest { issuer: Some(issuer), request_id: format!("issuer-{handle}") };
    let answer = billing!(tenant.admin).upsert_issuer(request).await.expect("an issuer");
    answer.into_inner().issuer.expect("an issuer").issuer_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_leaves_in_every_format_and_keeps_its_bytes() {
    let mut tenant = desk().await.provider("Documents").await;
    let issuer = whole_issuer(&mut tenant, "documents").await;
    let seller = billed_by(&mut tenant, &issuer, "papers").await;
    let mut client = billing!(tenant.admin);
    let request = GetBillingProfileRequest { seller_id: seller.clone() };
    let mut profile =
        client.get_billing_profile(request).await.expect("a profile").into_inner().profile.expect("a profile");
    let buyer = profile.buyer.as_mut().expect("a buyer");
    buyer.buyer_reference = "04011000-1234512345-06".into();
    buyer.electronic_address = "DE123456789".into();
    let upsert = |profile: &BillingProfile, request_id: &str| UpsertBillingProfileRequest {
        seller_id: seller.clone(),
        profile: Some(profile.clone()),
        request_id: request_id.into(),
    };
    let half = client.upsert_billing_profile(upsert(&profile, "half")).await.expect_err("an address without a scheme");
    assert_eq!(violated(&half), ["profile.buyer.electronic_address_scheme"]);
    profile.buyer.as_mut().expect("a buyer").electronic_address_scheme = "9930".into();
    client.upsert_billing_profile(upsert(&profile, "whole")).await.expect("a profile");
    let items = (0..5).map(|n| contact(&format!("d{n}"), last_month(), "it")).collect();
    recorded(&mut tenant, &seller, items).await;
    let invoice = finalized(&mut tenant, &seller).await;

    let mut viewer = tenant.person("Vera Viewer", Role::SellerViewer, &[&seller]).await;
    let mut reader = billing!(viewer.session);
    for format in FORMATS {
        let first = reader.export_invoice(file(&invoice, format, "")).await.expect("a file").into_inner();
        let again = client.export_invoice(file(&invoice, format, "")).await.expect("a file").into_inner();
        assert_eq!(first, again, "{format:?}: the same to everybody");
        assert_eq!(first.sha256.len(), 64);
        assert!(first.file_name.starts_with(&invoice.number), "{}", first.file_name);
        let text = String::from_utf8_lossy(&first.content);
        match format {
            InvoiceFormat::Pdf => {
                assert!(first.content.starts_with(b"%PDF-"), "a PDF");
                assert!(text.contains("factur-x.xml"), "with its XML attached");
            }
            _ => assert!(text.contains(&invoice.number), "{format:?}"),
        }
        let public = matches!(format, InvoiceFormat::XrechnungUbl | InvoiceFormat::XrechnungCii);
        assert_eq!(text.contains("xrechnung_3.0"), public, "{format:?}");
        if public {
            assert!(text.contains("04011000-1234512345-06"), "names the buyer's reference");
            assert!(text.contains("FR7630006000011234567890189"), "and where to pay");
        }
    }

    // a brand holds for what is rendered from then on
    let german = client.export_invoice(file(&invoice, InvoiceFormat::Pdf, "de")).await.expect("a file").into_inner();
    let mut brands = BrandServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let logo = br##"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="#0a7"/></svg>"##;
    let brand = |color: &str, logo: &[u8], etag: &str| Brand {
        issuer_id: issuer.clone(),
        color: color.into(),
        logo: logo.to_vec().into(),
        etag: etag.into(),
    };
    let save = |brand: Brand, request_id: &str| SaveBrandRequest { brand: Some(brand), request_id: request_id.into() };
    let wrong = brands.save_brand(save(brand("blue", b"<html>", ""), "wrong")).await.expect_err("neither will do");
    assert_eq!(violated(&wrong), ["brand.color"]);
    let wrong = brands.save_brand(save(brand("#0077aa", b"no picture", ""), "no-picture")).await.expect_err("no logo");
    assert_eq!(violated(&wrong), ["brand.logo"]);
    let saved = brands.save_brand(save(brand("#0077AA", logo, ""), "logo")).await.expect("a brand").into_inner();
    let saved = saved.brand.expect("a brand");
    assert_eq!((saved.color.as_str(), saved.logo.as_ref()), ("#0077aa", &logo[..]));
    let stale = brands.save_brand(save(brand("#000000", b"", "v7"), "stale")).await.expect_err("stale");
    assert_eq!(stale.code(), Code::Aborted);
    let read = brands.get_brand(GetBrandRequest { issuer_id: issuer.clone() }).await.expect("a brand").into_inner();
    assert_eq!(read.brand, Some(saved));
    let kept = client.export_invoice(file(&invoice, InvoiceFormat::Pdf, "de-AT")).await.expect("a file").into_inner();
    assert_eq!(kept, german, "what was rendered stays");
    let french = client.export_invoice(file(&invoice, InvoiceFormat::Pdf, "fr")).await.expect("a file").into_inner();
    assert_ne!(french.sha256, german.sha256);
    let klingon = client.export_invoice(file(&invoice, InvoiceFormat::Pdf, "tlh")).await.expect_err("no such page");
    assert_eq!(violated(&klingon), ["language"]);

    // a credit note names what it corrects
    let credit = CreateCreditNoteRequest {
        seller_id: seller.clone(),
        invoice_id: invoice.invoice_id.clone(),
        lines: Vec::new(),
        reason: "All of it".into(),
        request_id: "credit".into(),
    };
    let note = client.create_credit_note(credit).await.expect("a note").into_inner().credit_note.expect("a note");
    for format in FORMATS {
        let file = client.export_invoice(file(&note, format, "it")).await.expect("a file").into_inner();
        if format == InvoiceFormat::Ubl {
            let text = String::from_utf8_lossy(&file.content).into_owned();
            assert!(text.contains("CreditNoteTypeCode>381<") && text.contains(&invoice.number), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_document_lacks_is_told_by_the_rules_that_ask_for_it() {
    let mut tenant = desk().await.provider("Bare documents").await;
    let seller = billed(&mut tenant, "bare").await;
    let invoice = finalized(&mut tenant, &seller).await;
    let mut client = billing!(tenant.admin);
    for format in [InvoiceFormat::Pdf, InvoiceFormat::Ubl, InvoiceFormat::Cii] {
        client.export_invoice(file(&invoice, format, "")).await.expect("the European core asks for no more");
    }
    let refused = client.export_invoice(file(&invoice, InvoiceFormat::XrechnungUbl, "")).await.expect_err("too bare");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "DOCUMENT_INCOMPLETE"));
    let info = refused.get_details_error_info().expect("the reason");
    let rules = info.metadata.get("rules").expect("the rules");
    for rule in ["BR-DE-15", "BR-DE-2"] {
        assert!(rules.contains(rule), "{rules}");
    }
    let none = client.export_invoice(file(&invoice, InvoiceFormat::Unspecified, "")).await.expect_err("no format");
    assert_eq!(violated(&none), ["format"]);

    let mut other = desk().await.provider("Other documents").await;
    let mut theirs = billing!(other.admin);
    let foreign = theirs.export_invoice(file(&invoice, InvoiceFormat::Pdf, "")).await.expect_err("not theirs");
    assert_eq!(foreign.code(), Code::NotFound);
}
