//! Documents of finalized invoices: rendered once, kept, and given out as they are.

use aws_lc_rs::digest;
use documents::{Invoice, Language, Logo, PdfError, Profile};
use kit::{Caller, Checks, Fault, ProviderId, Scope};
use proto::billing::v1 as wire;
use proto::billing::v1::brand_service_server::BrandService;
use tonic::{Request, Response, Status};

use super::refusals::Refusal;
use super::terms::terms;
use super::wire_invoice::{as_json, csv, parts};
use super::{Api, answer};
use crate::domain::ids::{InvoiceId, IssuerId};
use crate::domain::profile::language_of;
use crate::store;
use crate::store::document::{Brand, Document};
use crate::store::invoice::Head;

/// The colour of pages whose issuer has chosen none.
const COLOR: &str = "1f3a5f";
/// The largest logo.
const LOGO_BYTES: usize = 2 << 20;

/// A format that is rendered once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Pdf(Language),
    Ubl(Profile),
    Cii(Profile),
}

impl Format {
    /// The format of a stored name; a page in a language, or in that of the buyer's country.
    pub(crate) fn named(word: &str, asked: &str, head: &Head) -> Result<Format, Fault> {
        match word {
            "pdf" => Ok(Format::Pdf(language(asked, head)?)),
            "ubl" => Ok(Format::Ubl(Profile::En16931)),
            "cii" => Ok(Format::Cii(Profile::En16931)),
            "xrechnung_ubl" => Ok(Format::Ubl(Profile::XRechnung)),
            "xrechnung_cii" => Ok(Format::Cii(Profile::XRechnung)),
            other => Err(Fault::internal(format!("there is no format {other}"))),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Format::Pdf(_) => "pdf",
            Format::Ubl(Profile::En16931) => "ubl",
            Format::Cii(Profile::En16931) => "cii",
            Format::Ubl(Profile::XRechnung) => "xrechnung_ubl",
            Format::Cii(Profile::XRechnung) => "xrechnung_cii",
        }
    }

    fn language(self) -> &'static str {
        if let Format::Pdf(language) = self { language.code() } else { "" }
    }

    fn profile(self) -> Profile {
        match self {
            Format::Pdf(_) => Profile::En16931,
            Format::Ubl(profile) | Format::Cii(profile) => profile,
        }
    }

    /// What its files are.
    pub(crate) fn media_type(self) -> &'static str {
        if matches!(self, Format::Pdf(_)) { "application/pdf" } else { "application/xml" }
    }

    /// How the names of its files end.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Format::Pdf(_) => "pdf",
            Format::Ubl(_) => "ubl.xml",
            Format::Cii(_) => "cii.xml",
        }
    }

    fn render(self, invoice: &Invoice, brand: &documents::Brand) -> Result<Vec<u8>, PdfError> {
        match self {
            Format::Pdf(language) => documents::pdf(invoice, brand, language),
            Format::Ubl(_) => Ok(documents::ubl(invoice)),
            Format::Cii(_) => Ok(documents::cii(invoice)),
        }
    }
}

impl Api {
    pub(super) async fn export(
        &self,
        caller: &Caller,
        request: wire::ExportInvoiceRequest,
    ) -> Result<wire::ExportInvoiceResponse, Fault> {
        let id: InvoiceId = kit::Id::parse("invoice_id", &request.invoice_id)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let head = store::invoice::read(&mut tx, scope.single_reader(), id).await?.ok_or(Fault::NotFound("invoice"))?;
        let format = match wire::InvoiceFormat::try_from(request.format) {
            Ok(wire::InvoiceFormat::Csv) => {
                let lines = store::lines::of(&mut tx, head.seller, id).await?;
                let file = Document::of(csv(&head, &lines).into_bytes());
                return Ok(exported(&head, file, "text/csv; charset=utf-8", "csv"));
            }
            Ok(wire::InvoiceFormat::Json) => {
                let (lines, taxes) = parts(&mut tx, &head).await?;
                let file = Document::of(as_json(&head, &lines, &taxes)?);
                return Ok(exported(&head, file, "application/json", "json"));
            }
            Ok(wire::InvoiceFormat::Pdf) => Format::Pdf(language(&request.language, &head)?),
            Ok(wire::InvoiceFormat::Ubl) => Format::Ubl(Profile::En16931),
            Ok(wire::InvoiceFormat::Cii) => Format::Cii(Profile::En16931),
            Ok(wire::InvoiceFormat::XrechnungUbl) => Format::Ubl(Profile::XRechnung),
            Ok(wire::InvoiceFormat::XrechnungCii) => Format::Cii(Profile::XRechnung),
            Ok(wire::InvoiceFormat::Unspecified) | Err(_) => {
                return Err(Fault::invalid("format", "must be one of the formats"));
            }
        };
        drop(tx);
        let document = self.rendered(caller.provider(), &head, format).await?;
        Ok(exported(&head, document, format.media_type(), format.ending()))
    }

    /// A document of a stored invoice: the one that is kept, or rendered now.
    pub(crate) async fn rendered(&self, provider: ProviderId, head: &Head, format: Format) -> Result<Document, Fault> {
        let id = head.invoice_id;
        let own = Scope::of_event(provider, Some(head.seller));
        let mut tx = self.deps.db.begin(&own).await?;
        let kept = store::document::read(&mut tx, head.seller, id, format.word(), format.language()).await?;
        if let Some(document) = kept {
            return Ok(document);
        }
        let (lines, taxes) = parts(&mut tx, head).await?;
        let corrected = match head.corrects {
            Some(corrected) => store::invoice::read(&mut tx, Some(head.seller.0), corrected).await?,
            None => None,
        };
        let accounted = store::exchange::of_invoice(&mut tx, head.seller, id).await?;
        let facts = (corrected.as_ref(), accounted.as_ref());
        let terms = terms(head, &lines, &taxes, facts, format.profile());
        drop(tx);
        self.render(&own, head, terms, format).await
    }

    /// Renders and keeps. Readers may ask for it, so the service keeps it in its own name.
    async fn render(
        &self,
        own: &Scope,
        head: &Head,
        terms: documents::Terms,
        format: Format,
    ) -> Result<Document, Fault> {
        let brand = store::document::brand(&mut self.deps.db.begin(own).await?, head.issuer_id).await?;
        let look = look(head, brand);
        let rendered = tokio::task::spawn_blocking(move || {
            let invoice = Invoice::check(terms).map_err(Refusal::DocumentIncomplete)?;
            format.render(&invoice, &look).map_err(|error| match error {
                PdfError::Logo(what) => Fault::from(Refusal::Logo(what)),
                other => Fault::Internal(Box::new(other)),
            })
        });
        let content = rendered.await.map_err(|error| Fault::Internal(Box::new(error)))??;
        let document = Document::of(content);
        let mut tx = self.deps.db.begin(own).await?;
        let (word, language) = (format.word(), format.language());
        store::document::keep(&mut tx, head.invoice_id, word, language, &document, self.deps.clock.now()).await?;
        // Two who ask at once get the same bytes: those that were kept.
        let kept = store::document::read(&mut tx, head.seller, head.invoice_id, word, language).await?;
        tx.commit().await?;
        kept.ok_or_else(|| Fault::internal("a document that was kept is not there"))
    }

    async fn brand(&self, caller: &Caller, request: wire::GetBrandRequest) -> Result<wire::GetBrandResponse, Fault> {
        let issuer: IssuerId = kit::Id::parse("issuer_id", &request.issuer_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        store::profile::issuer(&mut tx, issuer).await?.ok_or(Fault::NotFound("issuer"))?;
        let found = store::document::brand(&mut tx, issuer).await?;
        Ok(wire::GetBrandResponse { brand: Some(brand_out(issuer, found.as_ref())) })
    }

    async fn keep_brand(
        &self,
        caller: &Caller,
        request: wire::SaveBrandRequest,
    ) -> Result<wire::SaveBrandResponse, Fault> {
        let given = request.brand.clone().ok_or_else(|| Fault::invalid("brand", "is required"))?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let issuer: IssuerId = checks.id("brand.issuer_id", &given.issuer_id);
        let color = if given.color.is_empty() { COLOR.to_owned() } else { given.color.to_ascii_lowercase() };
        let color = color.strip_prefix('#').unwrap_or(&color).to_owned();
        let written = color.len() == 6 && color.bytes().all(|b| b.is_ascii_hexdigit());
        checks.require(written, "brand.color", "must be written #rrggbb");
        checks.require(given.logo.len() <= LOGO_BYTES, "brand.logo", "must have at most 2 MiB");
        checks.finish()?;
        let version = kit::wire::version(&given.etag)?.unwrap_or(0);
        // A logo that cannot be drawn is refused now, and not with the first invoice.
        let logo = given.logo.to_vec();
        let drawn = tokio::task::spawn_blocking(move || logo_of(&logo).map_or(Ok(()), |logo| logo.check()));
        let drawn = drawn.await.map_err(|error| Fault::Internal(Box::new(error)))?;
        drawn.map_err(|_| Fault::invalid("brand.logo", "must be a PNG or an SVG that can be drawn"))?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "SaveBrand", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::profile::issuer(&mut tx, issuer).await?.ok_or(Fault::NotFound("issuer"))?;
        let mut brand = Brand { color, logo: given.logo.to_vec(), version };
        brand.version = store::document::save_brand(&mut tx, issuer, &brand).await?.ok_or(Fault::Stale)?;
        let response = wire::SaveBrandResponse { brand: Some(brand_out(issuer, Some(&brand))) };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

#[tonic::async_trait]
impl BrandService for Api {
    async fn get_brand(
        &self,
        request: Request<wire::GetBrandRequest>,
    ) -> Result<Response<wire::GetBrandResponse>, Status> {
        answer!(self, request, brand)
    }

    async fn save_brand(
        &self,
        request: Request<wire::SaveBrandRequest>,
    ) -> Result<Response<wire::SaveBrandResponse>, Status> {
        answer!(self, request, keep_brand)
    }
}

/// The language of the page: the one asked for, or that of the buyer's country.
fn language(asked: &str, head: &Head) -> Result<Language, Fault> {
    if !asked.is_empty() {
        return Language::parse(asked).ok_or_else(|| Fault::invalid("language", "must be de, en, fr, es or it"));
    }
    Ok(Language::parse(language_of(&head.buyer.country)).unwrap_or(Language::English))
}

fn look(head: &Head, brand: Option<Brand>) -> documents::Brand {
    let color = brand.as_ref().map_or(COLOR, |brand| brand.color.as_str());
    let part = |at: usize| color.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0);
    documents::Brand {
        name: head.issuer.legal_name.clone(),
        color: [part(0), part(2), part(4)],
        logo: brand.as_ref().and_then(|brand| logo_of(&brand.logo)),
        fonts: Vec::new(),
    }
}

fn logo_of(bytes: &[u8]) -> Option<Logo> {
    match bytes {
        [] => None,
        [0x89, b'P', b'N', b'G', ..] => Some(Logo::Png(bytes.to_vec())),
        _ => Some(Logo::Svg(bytes.to_vec())),
    }
}

fn brand_out(issuer: IssuerId, brand: Option<&Brand>) -> wire::Brand {
    wire::Brand {
        issuer_id: issuer.to_string(),
        color: format!("#{}", brand.map_or(COLOR, |brand| brand.color.as_str())),
        logo: brand.map(|brand| brand.logo.clone()).unwrap_or_default().into(),
        etag: brand.map(|brand| kit::wire::etag(brand.version)).unwrap_or_default(),
    }
}

impl Document {
    fn of(content: Vec<u8>) -> Document {
        Document { sha256: digest::digest(&digest::SHA256, &content).as_ref().to_vec(), content }
    }
}

fn exported(head: &Head, document: Document, media_type: &str, ending: &str) -> wire::ExportInvoiceResponse {
    wire::ExportInvoiceResponse {
        sha256: hex(&document.sha256),
        content: document.content.into(),
        media_type: media_type.into(),
        file_name: format!("{}.{ending}", head.number),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
