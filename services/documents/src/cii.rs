//! UN/CEFACT Cross Industry Invoice D16B, the other syntax of EN 16931. The order of elements is the schema's.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::check::Invoice;
use crate::codes;
use crate::terms::{Address, Adjustment, Category, Line, Means, Party, Period, Tax, Terms, Vat};
use crate::xml::{Xml, amount, compact, plain};

/// The invoice or credit note as CII D16B.
pub fn cii(invoice: &Invoice) -> Vec<u8> {
    let cii = Cii { terms: invoice.terms(), digits: invoice.digits().min(2) };
    let namespaces = [
        ("xmlns:rsm", "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"),
        ("xmlns:qdt", "urn:un:unece:uncefact:data:standard:QualifiedDataType:100"),
        ("xmlns:ram", "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"),
        ("xmlns:udt", "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"),
    ];
    let mut xml = Xml::new();
    xml.inside_with("rsm:CrossIndustryInvoice", &namespaces, |xml| cii.document(xml));
    xml.finish()
}

struct Cii<'a> {
    terms: &'a Terms,
    digits: u32,
}

impl Cii<'_> {
    fn document(&self, xml: &mut Xml) {
        let terms = self.terms;
        xml.inside("rsm:ExchangedDocumentContext", |xml| {
            let process = "ram:BusinessProcessSpecifiedDocumentContextParameter";
            xml.inside(process, |xml| xml.text("ram:ID", &terms.process));
            let guideline = "ram:GuidelineSpecifiedDocumentContextParameter";
            xml.inside(guideline, |xml| xml.text("ram:ID", terms.profile.specification()));
        });
        xml.inside("rsm:ExchangedDocument", |xml| {
            xml.text("ram:ID", &terms.number);
            xml.text("ram:TypeCode", terms.kind.code());
            date(xml, "ram:IssueDateTime", Some(terms.issued));
            for note in &terms.notes {
                xml.inside("ram:IncludedNote", |xml| xml.text("ram:Content", note));
            }
        });
        xml.inside("rsm:SupplyChainTradeTransaction", |xml| {
            for line in &terms.lines {
                xml.inside("ram:IncludedSupplyChainTradeLineItem", |xml| self.line(xml, line));
            }
            xml.inside("ram:ApplicableHeaderTradeAgreement", |xml| self.agreement(xml));
            self.delivery(xml);
            xml.inside("ram:ApplicableHeaderTradeSettlement", |xml| self.settlement(xml));
        });
    }

    fn money(&self, xml: &mut Xml, name: &'static str, value: Decimal) {
        xml.text(name, &amount(value, self.digits));
    }

    fn line(&self, xml: &mut Xml, line: &Line) {
        let unit = [("unitCode", line.unit.as_str())];
        xml.inside("ram:AssociatedDocumentLineDocument", |xml| {
            xml.text("ram:LineID", &line.id);
            xml.inside("ram:IncludedNote", |xml| xml.text("ram:Content", &line.note));
        });
        xml.inside("ram:SpecifiedTradeProduct", |xml| {
            xml.text("ram:SellerAssignedID", &line.code);
            xml.text("ram:Name", &line.name);
            xml.text("ram:Description", &line.description);
            for (name, value) in &line.attributes {
                xml.inside("ram:ApplicableProductCharacteristic", |xml| {
                    xml.text("ram:Description", name);
                    xml.text("ram:Value", value);
                });
            }
        });
        xml.inside("ram:SpecifiedLineTradeAgreement", |xml| {
            xml.inside("ram:NetPriceProductTradePrice", |xml| {
                xml.text("ram:ChargeAmount", &plain(line.price.amount));
                if line.price.per != Decimal::ONE {
                    xml.text_with("ram:BasisQuantity", &unit, &plain(line.price.per));
                }
            });
        });
        xml.inside("ram:SpecifiedLineTradeDelivery", |xml| {
            xml.text_with("ram:BilledQuantity", &unit, &plain(line.quantity));
        });
        xml.inside("ram:SpecifiedLineTradeSettlement", |xml| {
            xml.inside("ram:ApplicableTradeTax", |xml| vat(xml, &line.vat));
            period(xml, line.period);
            for one in &line.adjustments {
                self.adjustment(xml, one, None);
            }
            let sums = "ram:SpecifiedTradeSettlementLineMonetarySummation";
            xml.inside(sums, |xml| self.money(xml, "ram:LineTotalAmount", line.net));
            accounting(xml, &line.buyer_accounting);
        });
    }

    fn agreement(&self, xml: &mut Xml) {
        let terms = self.terms;
        xml.text("ram:BuyerReference", &terms.buyer_reference);
        xml.inside("ram:SellerTradeParty", |xml| party(xml, &terms.seller));
        xml.inside("ram:BuyerTradeParty", |xml| party(xml, &terms.buyer));
        for (name, number) in
            [("ram:BuyerOrderReferencedDocument", &terms.order), ("ram:ContractReferencedDocument", &terms.contract)]
        {
            xml.inside(name, |xml| xml.text("ram:IssuerAssignedID", number));
        }
        if !terms.project.is_empty() {
            xml.inside("ram:SpecifiedProcuringProject", |xml| {
                xml.text("ram:ID", &terms.project);
                xml.text("ram:Name", "Project reference"); // the schema wants one, the standard has none
            });
        }
    }

    fn delivery(&self, xml: &mut Xml) {
        let delivery = self.terms.delivery.as_ref();
        let told = delivery.is_some();
        let name = "ram:ApplicableHeaderTradeDelivery";
        if !told {
            return xml.empty(name);
        }
        xml.inside(name, |xml| {
            if let Some(to) = delivery.and_then(|d| d.to.as_ref()) {
                xml.inside("ram:ShipToTradeParty", |xml| address(xml, to));
            }
            xml.inside("ram:ActualDeliverySupplyChainEvent", |xml| {
                date(xml, "ram:OccurrenceDateTime", delivery.and_then(|d| d.on));
            });
        });
    }

    fn settlement(&self, xml: &mut Xml) {
        let terms = self.terms;
        let payment = terms.payment.as_ref();
        if let Some(Means::SepaDebit { creditor, .. }) = payment.map(|p| &p.means) {
            xml.text("ram:CreditorReferenceID", creditor);
        }
        xml.text("ram:PaymentReference", payment.map_or("", |p| &p.reference));
        xml.text("ram:TaxCurrencyCode", terms.tax_in.as_ref().map_or("", |t| &t.currency));
        xml.text("ram:InvoiceCurrencyCode", &terms.currency);
        if let Some(payment) = payment {
            xml.inside("ram:SpecifiedTradeSettlementPaymentMeans", |xml| means(xml, &payment.means));
        }
        for (index, tax) in terms.taxes.iter().enumerate() {
            // The date of all is told with the first.
            let tax_point = terms.tax_point.filter(|_| index == 0);
            xml.inside("ram:ApplicableTradeTax", |xml| self.tax(xml, tax, tax_point));
        }
        period(xml, terms.period);
        for taxed in &terms.adjustments {
            self.adjustment(xml, &taxed.adjustment, Some(&taxed.vat));
        }
        xml.inside("ram:SpecifiedTradePaymentTerms", |xml| {
            xml.text("ram:Description", &terms.payment_terms);
            date(xml, "ram:DueDateDateTime", terms.due);
            if let Some(Means::SepaDebit { mandate, .. }) = payment.map(|p| &p.means) {
                xml.text("ram:DirectDebitMandateID", mandate);
            }
        });
        xml.inside("ram:SpecifiedTradeSettlementHeaderMonetarySummation", |xml| self.totals(xml));
        for preceding in &terms.preceding {
            xml.inside("ram:InvoiceReferencedDocument", |xml| {
                xml.text("ram:IssuerAssignedID", &preceding.number);
                if let Some(issued) = preceding.issued {
                    let format = [("format", "102")];
                    xml.inside("ram:FormattedIssueDateTime", |xml| {
                        xml.text_with("qdt:DateTimeString", &format, &compact(issued));
                    });
                }
            });
        }
        accounting(xml, &terms.buyer_accounting);
    }

    fn tax(&self, xml: &mut Xml, tax: &Tax, tax_point: Option<Date>) {
        self.money(xml, "ram:CalculatedAmount", tax.amount);
        xml.text("ram:TypeCode", "VAT");
        xml.text("ram:ExemptionReason", &tax.reason);
        self.money(xml, "ram:BasisAmount", tax.base);
        xml.text("ram:CategoryCode", tax.vat.category.code());
        xml.text("ram:ExemptionReasonCode", &tax.reason_code);
        if let Some(tax_point) = tax_point {
            let format = [("format", "102")];
            xml.inside("ram:TaxPointDate", |xml| xml.text_with("udt:DateString", &format, &compact(tax_point)));
        }
        // XRechnung wants a rate here even where VAT does not reach.
        xml.text("ram:RateApplicablePercent", &plain(tax.vat.rate));
    }

    fn adjustment(&self, xml: &mut Xml, one: &Adjustment, taxed: Option<&Vat>) {
        xml.inside("ram:SpecifiedTradeAllowanceCharge", |xml| {
            let charge = if one.charge { "true" } else { "false" };
            xml.inside("ram:ChargeIndicator", |xml| xml.text("udt:Indicator", charge));
            if let Some(share) = &one.share {
                xml.text("ram:CalculationPercent", &plain(share.percent));
                self.money(xml, "ram:BasisAmount", share.base);
            }
            self.money(xml, "ram:ActualAmount", one.amount);
            xml.text("ram:ReasonCode", &one.reason_code);
            xml.text("ram:Reason", &one.reason);
            if let Some(taxed) = taxed {
                xml.inside("ram:CategoryTradeTax", |xml| vat(xml, taxed));
            }
        });
    }

    fn totals(&self, xml: &mut Xml) {
        let totals = &self.terms.totals;
        let given = |xml: &mut Xml, name, value: Decimal| {
            if !value.is_zero() {
                self.money(xml, name, value);
            }
        };
        self.money(xml, "ram:LineTotalAmount", totals.lines);
        given(xml, "ram:ChargeTotalAmount", totals.charges);
        given(xml, "ram:AllowanceTotalAmount", totals.allowances);
        self.money(xml, "ram:TaxBasisTotalAmount", totals.net);
        let currency = [("currencyID", self.terms.currency.as_str())];
        xml.text_with("ram:TaxTotalAmount", &currency, &amount(totals.tax, self.digits));
        if let Some(tax_in) = &self.terms.tax_in {
            let digits = codes::minor_digits(&tax_in.currency).unwrap_or(2).min(2);
            let currency = [("currencyID", tax_in.currency.as_str())];
            xml.text_with("ram:TaxTotalAmount", &currency, &amount(tax_in.amount, digits));
        }
        given(xml, "ram:RoundingAmount", totals.rounding);
        self.money(xml, "ram:GrandTotalAmount", totals.gross);
        given(xml, "ram:TotalPrepaidAmount", totals.prepaid);
        self.money(xml, "ram:DuePayableAmount", totals.due);
    }
}

fn date(xml: &mut Xml, name: &'static str, date: Option<Date>) {
    let Some(date) = date else { return };
    xml.inside(name, |xml| xml.text_with("udt:DateTimeString", &[("format", "102")], &compact(date)));
}

fn period(xml: &mut Xml, period: Option<Period>) {
    let Some(period) = period else { return };
    xml.inside("ram:BillingSpecifiedPeriod", |xml| {
        date(xml, "ram:StartDateTime", Some(period.from));
        date(xml, "ram:EndDateTime", Some(period.until));
    });
}

fn vat(xml: &mut Xml, vat: &Vat) {
    xml.text("ram:TypeCode", "VAT");
    xml.text("ram:CategoryCode", vat.category.code());
    if vat.category != Category::O {
        xml.text("ram:RateApplicablePercent", &plain(vat.rate));
    }
}

fn accounting(xml: &mut Xml, account: &str) {
    xml.inside("ram:ReceivableSpecifiedTradeAccountingAccount", |xml| xml.text("ram:ID", account));
}

fn means(xml: &mut Xml, means: &Means) {
    xml.text("ram:TypeCode", means.code());
    match means {
        Means::SepaTransfer(account) | Means::Transfer(account) => {
            xml.inside("ram:PayeePartyCreditorFinancialAccount", |xml| {
                let iban = codes::is_iban(&account.number);
                xml.text("ram:IBANID", if iban { &account.number } else { "" });
                xml.text("ram:AccountName", &account.holder);
                xml.text("ram:ProprietaryID", if iban { "" } else { &account.number });
            });
            let bank = "ram:PayeeSpecifiedCreditorFinancialInstitution";
            xml.inside(bank, |xml| xml.text("ram:BICID", &account.bank));
        }
        Means::SepaDebit { debited, .. } => {
            xml.inside("ram:PayerPartyDebtorFinancialAccount", |xml| xml.text("ram:IBANID", debited));
        }
        Means::Card { digits, holder } => {
            xml.inside("ram:ApplicableTradeSettlementFinancialCard", |xml| {
                xml.text("ram:ID", digits);
                xml.text("ram:CardholderName", holder);
            });
        }
        Means::Other(_) => {}
    }
}

fn party(xml: &mut Xml, party: &Party) {
    if let Some(id) = &party.id {
        let name = if id.scheme.is_empty() { "ram:ID" } else { "ram:GlobalID" };
        xml.text_with(name, &[("schemeID", &id.scheme)], &id.value);
    }
    xml.text("ram:Name", &party.name);
    xml.text("ram:Description", &party.legal_form);
    xml.inside("ram:SpecifiedLegalOrganization", |xml| {
        if let Some(id) = &party.registration {
            xml.text_with("ram:ID", &[("schemeID", &id.scheme)], &id.value);
        }
        xml.text("ram:TradingBusinessName", &party.trading_name);
    });
    if let Some(contact) = &party.contact {
        xml.inside("ram:DefinedTradeContact", |xml| {
            xml.text("ram:PersonName", &contact.name);
            let phone = "ram:TelephoneUniversalCommunication";
            xml.inside(phone, |xml| xml.text("ram:CompleteNumber", &contact.phone));
            xml.inside("ram:EmailURIUniversalCommunication", |xml| xml.text("ram:URIID", &contact.email));
        });
    }
    address(xml, &party.address);
    if let Some(endpoint) = &party.endpoint {
        let scheme = [("schemeID", endpoint.scheme.as_str())];
        xml.inside("ram:URIUniversalCommunication", |xml| xml.text_with("ram:URIID", &scheme, &endpoint.value));
    }
    for (number, scheme) in [(&party.vat_id, "VA"), (&party.tax_number, "FC")] {
        let scheme = [("schemeID", scheme)];
        xml.inside("ram:SpecifiedTaxRegistration", |xml| xml.text_with("ram:ID", &scheme, number));
    }
}

fn address(xml: &mut Xml, address: &Address) {
    let line = |index: usize| address.lines.get(index).map_or("", String::as_str);
    xml.inside("ram:PostalTradeAddress", |xml| {
        xml.text("ram:PostcodeCode", &address.postal_code);
        xml.text("ram:LineOne", line(0));
        xml.text("ram:LineTwo", line(1));
        xml.text("ram:LineThree", line(2));
        xml.text("ram:CityName", &address.city);
        xml.text("ram:CountryID", &address.country);
        xml.text("ram:CountrySubDivisionName", &address.region);
    });
}
